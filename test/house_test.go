package test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// An operator changes a gateway while it runs, by its file, by signals and by moip ctl;
// has it replaced, and drains it.
func TestHouse(t *testing.T) {
	t.Parallel()
	free, dir := ports(t, 3), t.TempDir()
	path := filepath.Join(dir, "moip.toml")
	write := func(text string) {
		t.Helper()
		text = "listen = [\"telnet://" + free[0] + "\"]\nadmin = \"" + free[1] + "\"\nlog = \"none\"\nrecords = \"none\"\n[bans]\nfile = \"none\"\n" + text
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", free[1])
	ctl := func(want string, args ...string) string {
		t.Helper()
		out, err := exec.Command(program, append([]string{"ctl", "--admin", free[1]}, args...)...).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("moip ctl %v: %v, %s", args, err, out)
		}
		return string(out)
	}
	hears := func(text string) {
		t.Helper()
		if err := g.log.hear(text); err != nil {
			t.Errorf("%v\n%s", err, &g.log)
		}
	}
	ready := func(want int) {
		t.Helper()
		w, err := http.Get("http://" + free[1] + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		if w.Body.Close(); w.StatusCode != want {
			t.Errorf("/readyz answers %s", w.Status)
		}
	}
	guest := arrives(t, &gateway{doors: map[string]string{"telnet": free[0]}})
	guest.sees("Passerelle en liaison")
	ctl("running", "state")
	ready(200)
	ctl(`limits.idle = "10m"`, "config")
	ctl(`"limits.idle": "10m"`, "--json", "config")
	ctl("nothing has changed", "reload")

	write("[limits]\nidle = \"9m\"\n") // which the gateway sees by itself
	hears(`changed=[limits.idle]`)
	ctl(`limits.idle = "9m"`, "config")
	write("[limits]\nidle = \"8m\"\n[history]\nkeep = \"10h\"\n")
	g.command.Process.Signal(syscall.SIGHUP)
	hears(`changed=[limits.idle] "needs an upgrade"=[history.keep]`)
	ctl("not changed (moip ctl upgrade does, and cuts no call): history.keep", "reload")
	write("[limits]\nidle = \"8 minutes\"\n")
	ctl("moip.toml:8: limits.idle: ", "reload")
	ctl(`limits.idle = "8m"`, "config")
	write("[recordings]\nfolder = \"kept\"\ncalls = \"all\"\n") // good, but not without the folder, which takes an upgrade
	ctl("recordings.calls: needs a folder", "reload")
	ctl(`recordings.calls = "asked"`, "config")
	ctl(`limits.idle = "8m"`, "config")
	write("[limits]\nidle = \"7m\"\ndrain = \"2s\"\n")

	said := ctl("takes calls now", "upgrade")
	if n := regexp.MustCompile(`process (\d+)`).FindStringSubmatch(said); n != nil {
		pid, _ := strconv.Atoi(n[1])
		t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	}
	hears("replaced; calls go on here until they end")
	guest.types("ECHO<Envoi>")
	guest.sees("ECHO") // by the old one
	second := arrives(t, &gateway{doors: map[string]string{"telnet": free[0]}})
	second.sees("Passerelle en liaison")
	if calls := ctl("telnet", "calls"); strings.Count(calls, "telnet") != 1 {
		t.Errorf("the new one has\n%s", calls)
	}
	ctl(`limits.idle = "7m"`, "config")
	ctl("is not how long calls may go on", "drain", "--for", "1000h")
	ctl("", "drain", "--for", "10m")
	second.sees("Fermeture dans 10 minutes")
	ready(503)
	ctl("draining", "state")
	ctl("the gateway is draining", "drain")
	second.conn.Close()
	guest.conn.Close()
	if err := g.exit("0"); err != nil { // both have: they share its log
		t.Error(err)
	}
}

// Callers who do not leave a gateway that drains are reminded, and taken leave of.
func TestDrain(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")
	if out, err := exec.Command(program, "ctl", "--admin", g.doors["admin"], "drain", "--for", "2s").CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	guest.sees("Fermeture dans quelques instants")
	guest.sees("arrêt du système")
	guest.until("the end", func(string) bool { return guest.over })
	if err := g.exit("0"); err != nil {
		t.Error(err)
	}
}
