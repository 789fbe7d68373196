package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moip/internal/control/admin"
)

// opensHub runs two gateways of a hub, each with a NATS server inside, until they hear each
// other.
func opensHub(t *testing.T, names ...string) (all []*gateway) {
	t.Helper()
	at := ports(t, len(names))
	for i, name := range names {
		flags := []string{"--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--history", "history.db", "--node", name, "--cluster-listen", at[i]}
		if i > 0 {
			flags = append(flags, "--cluster-routes", at[0])
		}
		all = append(all, runs(t, flags...))
	}
	for _, g := range all {
		g.waits(t, "all gateways", func(h admin.Gateways) bool { return len(h.Gateways) == len(names) })
	}
	return all
}

// waits waits until a gateway knows of its hub what is wanted.
func (g *gateway) waits(t *testing.T, what string, has func(admin.Gateways) bool) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var known admin.Gateways
		err := admin.NewClient(g.doors["admin"]).Do(t.Context(), http.MethodGet, "/gateways", nil, &known)
		if err == nil && has(known) {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%s are not known: %+v %v\n%s", what, known, err, &g.log)
		}
	}
}

// An operator has in hand, through one gateway, a caller of another, by moip ctl.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	all := opensHub(t, "paris", "lyon")
	paris, lyon := all[0], all[1]
	guest := arrives(t, paris)
	guest.sees("Passerelle en liaison")
	dir := t.TempDir()
	ctl := func(wanted bool, args ...string) (string, string) {
		t.Helper()
		order := exec.Command(program, append([]string{"ctl", "--admin", lyon.doors["admin"]}, args...)...)
		var out, beside bytes.Buffer
		order.Stdout, order.Stderr, order.Dir = &out, &beside, dir
		if err := order.Run(); (err == nil) != wanted {
			t.Errorf("moip ctl %v: %v %s%s", args, err, &out, &beside)
		}
		return out.String(), beside.String()
	}
	says := func(want string, args ...string) {
		t.Helper()
		if out, _ := ctl(true, args...); !strings.Contains(out, want) {
			t.Errorf("moip ctl %v says\n%s, without %q", args, out, want)
		}
	}
	refuses := func(want string, args ...string) {
		t.Helper()
		if _, beside := ctl(false, args...); !strings.Contains(beside, want) {
			t.Errorf("moip ctl %v fails by\n%s, without %q", args, beside, want)
		}
	}
	says("CALL     GATEWAY  FROM", "calls")
	says("paris-1  paris    "+guest.conn.LocalAddr().String(), "calls", "--from", "127.0.0.1", "--gateway", "paris")
	says("from      "+guest.conn.LocalAddr().String(), "call", "paris-1")
	says("Minitel sur IP", "screen", "paris-1")
	ctl(true, "screen", "paris-1", "--png", "screen.png")
	if p, err := os.ReadFile(filepath.Join(dir, "screen.png")); err != nil || !bytes.HasPrefix(p, []byte("\x89PNG")) {
		t.Errorf("a picture of %d bytes, %v", len(p), err)
	}
	ctl(true, "message", "paris-1", "Bonjour de Lyon")
	guest.sees("Bonjour de Lyon")
	says("told: 1", "message", "all", "Bonjour à tous")
	guest.sees("Bonjour à tous")
	says("told: 0", "message", "all", "--gateway", "lyon", "Personne")
	ctl(true, "redirect", "paris-1", "ECHO")
	guest.sees("ECHO")
	says("ECHO", "calls", "--service", "echo")
	ctl(true, "recall", "paris-1")
	guest.sees("Retour au portail")
	says("calls    1", "state", "--gateway", "paris")
	ctl(true, "log-level", "--gateway", "paris", "warn")
	says("warn", "log-level", "--gateway", "paris")
	says("debug", "log-level")
	says(`node = "paris"`, "config", "--gateway", "paris")
	says("ECHO", "directory", "--gateway", "paris")
	says("nothing has changed", "reload", "--gateway", "lyon")
	refuses("no such call", "call", "1")
	refuses("no such call", "hangup", "paris-77")
	refuses(`"rome": there is no gateway of that name (there are: lyon, paris)`, "state", "--gateway", "rome")
	refuses(`"paris-x" is no call (write its number, as 42, or its gateway's name before, as in paris-42)`, "call", "paris-x")
	refuses("no recordings are kept here", "record", "paris-1")

	watcher := exec.Command(program, "ctl", "--admin", lyon.doors["admin"], "screen", "--watch", "paris-1")
	watched := log{}
	watcher.Stdout = &watched
	if err := watcher.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watcher.Process.Kill() })
	ctl(true, "message", "paris-1", "Vous êtes vu")
	guest.until("who watches", func(string) bool { return strings.Contains(watched.String(), "Vous êtes vu") })
	refuses("127.0.0.1: it is never banned", "ban", "--call", "paris-1", "--now")
	ctl(true, "hangup", "paris-1")
	guest.until("the end of the watching", func(string) bool { return strings.HasSuffix(watched.String(), "\x1B[?1049l") })
	if err := watcher.Wait(); err != nil {
		t.Errorf("who watches: %v", err)
	}
	guest.until("a record", func(string) bool {
		out, _ := ctl(true, "history")
		return strings.Contains(out, "paris-1  paris    127.0.0.1")
	})
	says("calls: 1,", "history", "--totals")
	var page admin.History
	if out, _ := ctl(true, "--json", "history"); json.Unmarshal([]byte(out), &page) != nil || len(page.Records) != 1 || page.Records[0].Gateway != "paris" {
		t.Error(out)
	}

	paris.kill()
	if out, beside := ctl(true, "calls"); !strings.HasPrefix(out, "CALL  GATEWAY") || !strings.Contains(beside, "moip: paris is missing: ") {
		t.Errorf("without paris:\n%s%s", out, beside)
	}
	lyon.waits(t, "silent ones", func(h admin.Gateways) bool { return h.Gateways[1].Silent })
	if _, beside := ctl(true, "history"); !strings.Contains(beside, "moip: paris is missing: it is silent (last heard of 20") {
		t.Error(beside)
	}
	refuses("paris: it is silent (last heard of 20", "drain", "--gateway", "paris")
}
