package test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSpeed has a page drawn on a line of 1200 bit/s, by the program itself.
func TestSpeed(t *testing.T) {
	h := plays(t)
	file := filepath.Join(t.TempDir(), "moip.toml")
	text := `listen = ["tcp://127.0.0.1:0?speed=1200"]
		link = "none"
		[portal]
		url = "tcp://` + h.listener.Addr().String() + `"`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runs(t, "--config", file)
	caller, err := net.Dial("tcp", g.doors["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	h.answers()
	page := "\x0C" + strings.Repeat("x", 239)
	began := time.Now()
	h.sends([]byte(page))
	caller.SetReadDeadline(began.Add(patience))
	got := make([]byte, len(page))
	if _, err := io.ReadFull(caller, got); err != nil || string(got) != page {
		t.Fatalf("got %q, %v", got, err)
	}
	if took := time.Since(began); took < 1990*time.Millisecond {
		t.Errorf("240 bytes took %v, want 2 s", took)
	}
}
