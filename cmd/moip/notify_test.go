package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"moip/internal/config"
	"moip/internal/handover"
)

// supervisor listens as systemd does to what it has started.
func supervisor(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hears waits for what the supervisor is told.
func hears(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	data := make([]byte, 100)
	n, err := conn.Read(data)
	if err != nil || string(data[:n]) != want {
		t.Fatalf("the supervisor hears %q, %v; want %q", data[:n], err, want)
	}
}

// TestNotify starts a gateway as systemd would start it: its socket has a path, or
// is abstract.
func TestNotify(t *testing.T) {
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@moip/" + strings.ReplaceAll(t.TempDir(), "/", "."),
	} {
		t.Run(name, func(t *testing.T) {
			conn := supervisor(t, socket)
			moip := exec.Command("moip", "--ws", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--records", "none", "--log", "none")
			moip.Env = append(moip.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=100000")
			if err := moip.Start(); err != nil {
				t.Fatal(err)
			}
			defer moip.Process.Kill()
			for _, state := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
				hears(t, conn, state)
			}
			moip.Process.Signal(syscall.SIGTERM)
			for told := ""; told != "STOPPING=1"; {
				if told != "" && told != "WATCHDOG=1" { // one may have been under way
					t.Fatalf("the supervisor hears %q; want STOPPING=1", told)
				}
				data := make([]byte, 100)
				n, err := conn.Read(data)
				if err != nil {
					t.Fatal(err)
				}
				told = string(data[:n])
			}
			if err := moip.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWatchdogSilent has a gateway whose operators' door is open, but answers nobody:
// the supervisor does not hear from it.
func TestWatchdogSilent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn := supervisor(t, socket)
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "20000")
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Records = []string{"ws://127.0.0.1:0"}, "127.0.0.1:0", "none"
	cfg.History.File, cfg.Bans.File = "none", "none"
	log := &logbook{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), level: new(slog.LevelVar)}
	g, err := open(t.Context(), plan{cfg: cfg, wire: (*gateway).wire}, log, &handover.Sockets{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close() // never started
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	g.watchdog(ctx)
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("the supervisor hears %d bytes", n)
	}
}

// TestWatchdogAsked says when nobody waits for a sign of life.
func TestWatchdogAsked(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"many", "", 0},
		{"-5", "", -5 * time.Microsecond},
		{"30000000", "", 30 * time.Second},
		{"30000000", "1", 0}, // somebody else is asked
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := watchdogTime(); got != c.want {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
