//go:build linux

package test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	"moip/internal/policy/ban"
)

const diskConfig = `
listen = ["telnet://127.0.0.1:0", "tcp://127.0.0.1:0"]
log = "disk/server.log"
records = "disk/visits.jsonl"
history = { file = "disk/history.db" }
bans = { file = "disk/bans.json" }
shield = { file = "disk/shield.json" }
recordings = { folder = "disk/recordings", calls = "all" }
`

// On a full disk, calls go on, begin and end as ever. Operators are told once of each file
// that cannot be written; what was not written is written when there is room again, or
// counted as lost. Nothing is damaged.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "disk"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(diskConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	// A small disk of its own, which is seen by nobody else but through /proc.
	g, err := startBy([]string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=4m disk disk && exec "$0" "$@"`}, dir,
		[]string{"--config", "moip.toml", "--admin", "127.0.0.1:0", "--log", "disk/server.log", "--records", "disk/visits.jsonl", "--history", "disk/history.db", asFileSays})
	if err != nil {
		t.Fatalf("%v (it needs unshare of util-linux, and namespaces of users)\n%s", err, &g.log)
	}
	t.Cleanup(func() {
		g.kill()
		if t.Failed() {
			text := g.log.String()
			t.Logf("the gateway said:\n%s", text[max(0, len(text)-4000):])
		}
	})
	op := operator{t, g.doors["admin"]}
	disk := fmt.Sprintf("/proc/%d/root%s/disk", g.command.Process.Pid, dir)
	stays := calls(t, g.doors["telnet"], "127.0.0.1")
	visits(t, g)

	fill(t, filepath.Join(disk, "filler"))
	const during = 20
	for range during {
		visits(t, g)
	}
	op.fails(line("ban 192.0.2.1"), "it holds, but is not in the file")
	stays.types("<Guide>")
	stays.sees("MODE D'EMPLOI")
	for _, text := range []string{"history cannot be written", "the log file cannot be written", "bans are not kept in their file", "record is not in the ledger", "recording failed; the call goes on"} {
		if err := g.log.hear(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		g.log.heard = 0 // in whatever order
	}
	if n := strings.Count(g.log.String(), "history cannot be written") + strings.Count(g.log.String(), "the log file cannot be written") + strings.Count(g.log.String(), "bans are not kept"); n != 3 {
		t.Errorf("of three files it is told %d times", n)
	}
	metrics := fetch(t, "http://"+op.at+"/metrics")
	if metricSum(metrics, "moip_history_waiting") < during/2 || metricSum(metrics, "moip_log_lines_lost_total") < during {
		t.Error("the metrics tell of nothing that waits or is lost")
	}

	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := g.log.hear("history is written again"); err != nil {
		t.Error(err)
	}
	op.does(line("ban 192.0.2.2"), "192.0.2.2 is kept out for ever")
	visits(t, g)
	stays.types("<Retour>")
	stays.sees("Minitel sur IP")
	stays.conn.Close()
	if err := g.log.hear("call=1 "); err != nil { // has ended
		t.Error(err)
	}

	kept := t.TempDir()
	if !within(func() bool {
		metrics := fetch(t, "http://"+op.at+"/metrics")
		return metricSum(metrics, "moip_calls_ended_total") == float64(during+3) && metricSum(metrics, "moip_history_waiting") == 0
	}) {
		t.Error("calls go on, or wait to be written")
	}
	if err := os.CopyFS(kept, os.DirFS(disk)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(kept, "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sound string
	var n int
	if err := errors.Join(db.QueryRow("PRAGMA integrity_check").Scan(&sound), db.QueryRow("SELECT count(*) FROM calls WHERE ended IS NOT NULL").Scan(&n)); err != nil || sound != "ok" || n != during+3 {
		t.Errorf("of %d calls %d are in the history, which is %s, %v", during+3, n, sound, err)
	}
	if table, err := ban.Load(filepath.Join(kept, "bans.json")); err != nil || table.Len() != 2 {
		t.Errorf("the file has %d bans, %v", table.Len(), err)
	}
	text, err := os.ReadFile(filepath.Join(kept, "server.log"))
	if err != nil || !strings.Contains(string(text), "lines of the log are lost: they could not be written") {
		t.Errorf("the log does not say what it lacks: %v", err)
	}
	text, err = os.ReadFile(filepath.Join(kept, "visits.jsonl"))
	broken := 0
	for line := range strings.Lines(string(text)) {
		if !json.Valid([]byte(line)) {
			broken++
		}
	}
	if err != nil || broken > 1 {
		t.Errorf("%d lines of the ledger are broken, %v", broken, err)
	}
	if err := errors.Join(g.stop(), g.exit("0")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(g.log.String(), "ledger is written again") && !strings.Contains(g.log.String(), "ledger is incomplete") {
		t.Error("nobody says what the ledger lacks")
	}
}

// visits makes a call with a visit, and hangs up.
func visits(t *testing.T, g *gateway) {
	t.Helper()
	guest := calls(t, g.doors["tcp"], "127.0.0.1")
	guest.types("ECHO<Envoi>bonjour")
	guest.sees("bonjour")
	guest.types("<Fin>")
	guest.sees("Minitel sur IP")
	guest.conn.Close()
}

// fill fills a disk by a file.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}
