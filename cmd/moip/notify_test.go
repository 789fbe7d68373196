package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
