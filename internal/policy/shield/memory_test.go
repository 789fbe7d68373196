package shield

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moip/internal/testkit/logtest"
)

// What cannot be written is tried again, though nothing has changed since; the log tells of
// it once, and once when it is written.
func TestMemoryIsTriedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shield.json")
	var log logtest.Log
	var m memory
	m.open(file, log.Logger())
	m.next(netip.MustParsePrefix("192.0.2.1/32"), time.Now())
	if err := os.Mkdir(file+".new", 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(file+".new", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m.save(time.Now())
	m.save(time.Now())
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("the log has %d lines:\n%s", n, &log)
	}
	if err := os.RemoveAll(file + ".new"); err != nil {
		t.Fatal(err)
	}
	m.save(time.Now())
	m.save(time.Now())
	var again memory
	again.open(file, slog.New(slog.DiscardHandler))
	if len(again.banned) != 1 {
		t.Errorf("%d households are remembered", len(again.banned))
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !log.Has("are remembered again") {
		t.Errorf("the log has %d lines:\n%s", n, &log)
	}
}

// Who was banned while the clock was ahead is not remembered for longer than others.
func TestMemoryOfAClockAhead(t *testing.T) {
	var m memory
	m.open("", slog.New(slog.DiscardHandler))
	now := time.Now()
	m.next(netip.MustParsePrefix("192.0.2.1/32"), now.AddDate(5, 0, 0))
	m.save(now)
	later := now.Add(spans[len(spans)-1] + memoryTime + time.Hour)
	m.save(later)
	if len(m.banned) != 0 {
		t.Errorf("it is remembered: %v", m.banned)
	}
}

// A file that says nothing is as good as none.
func TestMemoryOfNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shield.json")
	if err := os.WriteFile(file, []byte("null"), 0o600); err != nil {
		t.Fatal(err)
	}
	var m memory
	m.open(file, slog.New(slog.DiscardHandler))
	if span := m.next(netip.MustParsePrefix("192.0.2.1/32"), time.Now()); span != spans[0] {
		t.Errorf("it is banned for %v", span)
	}
}
