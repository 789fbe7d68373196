package gateway

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"moip/internal/config"
	"moip/internal/handover"
	"moip/internal/testkit/notifytest"
)

// TestWatchdogSilent has a gateway whose operators' door is open, but answers nobody:
// the supervisor does not hear from it.
func TestWatchdogSilent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	systemd := notifytest.Listen(t, socket)
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "20000")
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Records = []string{"ws://127.0.0.1:0"}, "127.0.0.1:0", "none"
	cfg.History.File, cfg.Bans.File = "none", "none"
	log := &logbook{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), level: new(slog.LevelVar)}
	g, err := open(t.Context(), Plan{Config: cfg}, log, &handover.Sockets{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close() // never started
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	g.watchdog(ctx)
	systemd.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := systemd.Read(make([]byte, 100)); err == nil {
		t.Errorf("the supervisor hears %d bytes", n)
	}
}

// TestWatchdogNoCertificate has a gateway whose operators come by TLS, while the authority
// has given no certificate yet: nobody is served better by another start.
func TestWatchdogNoCertificate(t *testing.T) {
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Records = []string{"ws://127.0.0.1:0"}, "https://127.0.0.1:0", "none"
	cfg.History.File, cfg.Bans.File = "none", "none"
	cfg.TLS.ACME, cfg.TLS.ACMECA, cfg.TLS.ACMEFolder = []string{"minitel.example"}, "https://127.0.0.1:1/", t.TempDir()
	log := &logbook{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), level: new(slog.LevelVar)}
	g, err := open(t.Context(), Plan{Config: cfg}, log, &handover.Sockets{})
	if err != nil {
		t.Fatal(err)
	}
	g.tasks.Go(func() { g.api.Serve(g.adminDoor()) }) // and nobody asks the authority
	defer g.tasks.Wait()
	defer g.close()
	if err := g.alive(t.Context(), 10*time.Second); err != nil {
		t.Errorf("it takes itself for dead: %v", err)
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
