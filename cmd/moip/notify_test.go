package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moip/internal/testkit/notifytest"
)

// TestNotify starts a gateway as systemd would start it: its socket has a path, or
// is abstract.
func TestNotify(t *testing.T) {
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@moip/" + strings.ReplaceAll(t.TempDir(), "/", "."),
	} {
		t.Run(name, func(t *testing.T) {
			systemd := notifytest.Listen(t, socket)
			moip := exec.Command("moip", "--ws", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--records", "none", "--log", "none")
			moip.Env = append(moip.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=100000")
			if err := moip.Start(); err != nil {
				t.Fatal(err)
			}
			defer moip.Process.Kill()
			for _, state := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
				if told := systemd.Next(t); told != state {
					t.Fatalf("the supervisor hears %q; want %s", told, state)
				}
			}
			moip.Process.Signal(syscall.SIGTERM)
			for told := ""; told != "STOPPING=1"; {
				if told != "" && told != "WATCHDOG=1" { // one may have been under way
					t.Fatalf("the supervisor hears %q; want STOPPING=1", told)
				}
				told = systemd.Next(t)
			}
			if err := moip.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
