package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moip/internal/bus/natstest"
)

// hubOf starts a hub of two gateways, which is whole when both know of each other. Each has
// a history, and flags are for both.
func hubOf(t *testing.T, nats *natstest.Server, flags ...string) (paris, lyon *gateway) {
	t.Helper()
	join := func(name string) *gateway {
		t.Helper()
		dir := t.TempDir()
		config := fmt.Sprintf("[cluster]\nnode = %q\nurl = [%q]\n", name, nats.URL)
		if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		return runsIn(t, dir, append([]string{"--config", "moip.toml", "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--history", "history.db", "--recordings", "kept"}, flags...)...)
	}
	paris, lyon = join("paris"), join("lyon")
	for _, g := range []*gateway{paris, lyon} {
		o := operator{t, g.doors["admin"]}
		if !within(func() bool { return strings.Count(o.asks("GET", "/gateways", "", 200), `"silent": false`) == 2 }) {
			t.Fatalf("a gateway is alone: %s\n%s", o.asks("GET", "/gateways", "", 200), &g.log)
		}
	}
	return paris, lyon
}

// An operator at one gateway watches and steers a call of another as if it were there, and
// sees at once when the other is gone.
func TestConsoleOfTwo(t *testing.T) {
	h := plays(t)
	paris, lyon := hubOf(t, natstest.New(t, ""), "--videotext", "tcp://"+h.listener.Addr().String(), "--nocommand")
	guest := arrives(t, lyon)
	h.answers()
	d := attends(t, paris.doors["admin"], "ERR_", "503 (", "504 (", "502 (", "400 (")
	d.so(`[...document.querySelectorAll("#calls tbody tr")].map(e => e.cells[2].textContent + "-" + e.cells[1].textContent).join() === "lyon-1"`)
	d.so(`document.querySelector("#calls tbody img").naturalWidth === 320`)
	d.so(`charts.querySelector("strong").textContent === "1"`)
	d.chooses("paris")
	d.reads("#calls", "Nobody is calling.")
	d.so(`charts.querySelector("strong").textContent === "0"`)
	d.chooses("")

	// It is seen as its caller sees it, dot for dot.
	d.press("#calls", "Watch call lyon-1")
	pages, err := filepath.Glob("../videotex/testdata/*.vdt")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for _, page := range pages[:min(len(pages), 5)] {
		stream, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		h.sends(append([]byte("\x1B:2~"), stream...))
		h.sends([]byte("\x1F@A fin du fichier"))
		guest.until("all of "+page, func(screen string) bool { return strings.Contains(screen, "fin du fichier") })
		d.draws("lyon "+filepath.Base(page), guest)
		h.sends([]byte("\x1F@A\x18\n"))
	}
	d.press("#watch", "The screen as text")
	d.so(`words.querySelector("pre").textContent.includes("apres")`)

	// It is steered.
	d.press("#watch", "Message…")
	d.fills("text", "De Paris")
	d.press("#order", "Send")
	guest.sees("De Paris")
	d.press("#watch", "Redirect…")
	d.fills("to", "NOWHERE")
	d.press("#order", "Redirect")
	d.told("is no service of the directory, and no URL")
	service := plays(t)
	to := "tcp://" + service.listener.Addr().String()
	d.fills("to", to)
	d.press("#order", "Redirect")
	service.answers()
	d.told("Call lyon-1 is on its way to " + to)
	service.sends([]byte("\x0CBienvenue au service"))
	guest.sees("Bienvenue au service")
	d.reads("#facts", to)
	d.draws("service", guest)
	d.press("#watch", "Record")
	guest.sees("ENR")
	d.press("#watch", "Stop recording")
	d.press("#watch", "Recall")
	d.reads("#events", "call lyon-1 returned")
	d.reads("#facts", "at portal")
	d.press("#watch", "Hang up…")
	d.press("#order", "Hang up")
	guest.until("the end", func(string) bool { return guest.over })
	d.reads("#watched", "The call has ended.")
	d.press("#watch", "Close")
	d.reads("#events", "call lyon-1 ended")
	d.press("nav", "History")
	d.so(`[...document.querySelectorAll("#history tbody tr")].map(e => e.cells[1].textContent + "-" + e.cells[0].textContent).join() === "lyon-1"`)
	d.reads("#totals", "1 calls of")

	// So is the gateway.
	d.press("nav", "Gateways")
	d.press("#hub", "Show lyon")
	d.reads("#gateway-title", "Gateway lyon")
	d.reads("#settings", `cluster.node = "lyon"`)
	value[bool](d.tab, `(level.value = "error", level.dispatchEvent(new Event("change")))`)
	d.told("The log has error and above")
	for g, is := range map[*gateway]bool{paris: false, lyon: true} {
		if level := (operator{t, g.doors["admin"]}).asks("GET", "/log-level", "", 200); strings.Contains(level, "error") != is {
			t.Errorf("the log level of another gateway is set: %s", level)
		}
	}
	d.press("#gateway", "Reload")
	d.told("Nothing has changed.")
	d.chooses("")
	d.press("nav", "Calls")

	// It is killed while a call of it is watched.
	d.reads("#state", "0 calls in all")
	arrives(t, lyon)
	h.answers()
	d.press("#calls", "Watch call lyon-2")
	d.reads("#watched", "Live.")
	d.reads("#state", "1 call in all")
	lyon.kill()
	d.reads("#trouble", "lyon does not answer")
	d.reads("#trouble", "with 1 call.")
	d.reads("#watched", "lyon does not answer")
	d.press("#watch", "Recall")
	d.so(`document.querySelector("#watch .news").classList.contains("failed")`)
	d.saves("killed.png")
	d.press("#watch", "Close")
	d.reads("#calls", "Nobody is calling.")
	d.press("nav", "Gateways")
	d.reads("#hub tbody", "silent")
	d.reads("#hub tbody", "1, last known")
	d.press("#hub", "Forget lyon")
	d.press("#order", "Forget")
	d.told("lyon is forgotten.")
	d.so(`!trouble.checkVisibility() && document.querySelectorAll("#hub tbody tr").length === 1`)
}

// A gateway of a hub that is drained from the page of another goes, and is not missed.
func TestConsoleDrainsAnother(t *testing.T) {
	paris, lyon := hubOf(t, natstest.New(t, ""))
	d := attends(t, paris.doors["admin"], "ERR_", "503 (", "404 (", "504 (", "502 (")
	d.press("nav", "Gateways")
	d.press("#hub", "Show lyon")
	d.reads("#gateway-title", "Gateway lyon")
	d.reads("#gateway", "running, ready for calls")
	d.press("#gateway", "Drain…")
	d.reads("#order", "Drain lyon?")
	d.press("#order", "Drain")
	if !within(func() bool { return !lyon.running() }) {
		t.Error("it does not end")
	}
	d.so(`document.querySelectorAll("#hub tbody tr").length === 1`)
	d.so(`!trouble.checkVisibility()`)
	if !paris.running() {
		t.Error("the other has ended")
	}
}

// The bus between gateways is cut: the page says so at once, and what is here goes on. It
// says no more of it when the bus is back.
func TestConsoleOfCutHub(t *testing.T) {
	nats := natstest.New(t, "")
	paris, lyon := hubOf(t, nats)
	guest, other := arrives(t, paris), arrives(t, lyon)
	guest.sees("Passerelle en liaison")
	other.sees("Passerelle en liaison")
	d := attends(t, paris.doors["admin"], "ERR_", "503 (", "504 (", "502 (")
	d.reads("#calls output", "2")
	d.reads("#state", "2 calls in all")
	nats.Kill()
	d.reads("#trouble", "The bus between the gateways ("+nats.URL+") is down since ")
	d.reads("#trouble", "paris goes on alone")
	d.reads("#trouble", "lyon was heard last at ")
	d.reads("#trouble", ", with 1 call.")
	d.reads("#calls output", "1")
	d.press("#calls", "Actions for call paris-1")
	d.press("#menu", "Message…")
	d.fills("text", "toujours là")
	d.press("#order", "Send")
	guest.sees("toujours là")
	d.saves("cut.png")
	nats.Start()
	d.so(`!trouble.checkVisibility()`)
	d.reads("#calls output", "2")
}
