package test

import (
	"database/sql"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"moip/internal/history"
	"moip/internal/testkit/soon"
	"moip/videotex"
)

// A caller comes, visits and leaves, and the history tells it; also after the gateway was
// started again. A caller who was there when it was killed is told of then.
func TestHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var g *gateway
	starts := func() {
		t.Helper()
		var err error
		if g, err = start(dir, []string{"--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--history", "kept.db"}); err != nil {
			t.Fatal(err, g)
		}
		t.Cleanup(g.kill)
	}
	ends := func(how string, signal syscall.Signal) {
		t.Helper()
		if err := g.command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := g.exit(how); err != nil {
			t.Fatal(err, g.log.String())
		}
	}
	ctl := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(program, append([]string{"ctl", "--admin", g.doors["admin"]}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("moip ctl %v: %v, %s", args, err, out)
		}
		return string(out)
	}
	// tells waits until the history tells something.
	tells := func(want string, args ...string) {
		t.Helper()
		pattern := regexp.MustCompile(want)
		for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			out := ctl(append([]string{"history"}, args...)...)
			if pattern.MatchString(out) {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("moip ctl history %v says\n%s, without %s", args, out, want)
			}
		}
	}
	call := func() *guest {
		t.Helper()
		conn, err := net.Dial("tcp", g.doors["telnet"])
		if err != nil {
			t.Fatal(err)
		}
		c := &guest{t: t, conn: conn, screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
		var reading sync.WaitGroup
		reading.Go(c.read)
		t.Cleanup(func() { conn.Close(); reading.Wait() })
		c.sees("Passerelle en liaison")
		return c
	}

	starts()
	caller := call()
	ctl("redirect", "1", "MIRE")
	caller.sees("MIRE")
	ctl("recall", "1")
	caller.sees("Retour au portail")
	ctl("hangup", "1")
	caller.until("the end", func(string) bool { return caller.over })
	const told = `(?m)^1 +127\.0\.0\.1 +telnet +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+s +MIRE +0,00 F +recalled$`
	tells(told)
	tells(told, "--since", "1h", "--from", "127.0.0.0/8", "--service", "mire", "--transport", "telnet", "--reason", "recalled")
	tells(`REASON\n$`, "--from", "192.0.2.0/24")
	tells(`calls: 1, 0h00m, bytes: \d+ in, \d+ out\nSERVICE +VISITS +FOR +COST\nMIRE +1 +0h00m +0,00 F\n`, "--totals")
	tells(`"next": \d+|"records": \[\n +\{\n +"id": \d+`, "--json")
	var record history.Record
	if err := json.Unmarshal([]byte(ctl("history", "--lines")), &record); err != nil || record.Visits[0].Reason != "recalled" {
		t.Errorf("a line is %+v, %v", record, err)
	}
	ends("0", syscall.SIGTERM)

	starts()
	tells(told)
	call()
	ctl("redirect", "1", "ECHO")
	written(t, filepath.Join(dir, "kept.db"), 2)
	ends("killed", syscall.SIGKILL)

	starts()
	tells(`(?m)^1 +127\.0\.0\.1 .* ECHO +- +killed\n1 +127\.0\.0\.1 .* MIRE .* recalled$`)
	tells(`(?m)^1 .* killed$`, "--limit", "1")
	out, err := exec.Command(program, "ctl", "--admin", g.doors["admin"], "history", "--since", "yesterday").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `since: "yesterday" is neither a moment nor how long ago`) {
		t.Errorf("since yesterday: %v, %s", err, out)
	}
	ends("0", syscall.SIGTERM)
}

// written waits until so many visits are in the file of a history, those that go on too.
func written(t *testing.T, file string, visits int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	if !soon.Or(patience, func() bool {
		err = db.QueryRow("SELECT count(*) FROM visits").Scan(&n)
		return err == nil && n == visits
	}) {
		t.Fatalf("%d visits are written down, not %d: %v", n, visits, err)
	}
}

// A history that cannot be had is an error if it was asked for, and a warning otherwise.
func TestHistoryFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "history.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--tcp", "127.0.0.1:0", "--log", "none", "--records", "none", "--admin", "none", "--history", "history.db")
	command.Dir = dir
	if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "history.db is no file") || !strings.Contains(string(out), "--history none does without") {
		t.Errorf("%v, %s", err, out)
	}
	second := exec.Command(program, "--tcp", "127.0.0.1:0", "--log", "none", "--records", "none", "--admin", "none")
	second.Dir = dir
	said := log{}
	second.Stdout, second.Stderr = &said, &said
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	defer second.Wait()
	defer second.Process.Kill()
	if err := said.hear("Ctrl-C stops it."); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "no history is kept of calls; --history names another file") {
		t.Errorf("it says\n%s", said.String())
	}
}
