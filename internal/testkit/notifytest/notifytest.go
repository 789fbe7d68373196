// Package notifytest stands for systemd, for tests: it hears what a program tells of itself
// (sd_notify(3)).
package notifytest

import (
	"net"
	"testing"
	"time"
)

// A Supervisor listens at a socket until the test ends.
type Supervisor struct{ *net.UnixConn }

// Listen listens at NOTIFY_SOCKET's value: a path, or @ and an abstract name.
func Listen(t testing.TB, socket string) Supervisor {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return Supervisor{conn}
}

// Next waits for what the supervisor is told, for 30 seconds at the most.
func (s Supervisor) Next(t testing.TB) string {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(30 * time.Second))
	data := make([]byte, 100)
	n, err := s.Read(data)
	if err != nil {
		t.Fatalf("the supervisor hears nothing: %v", err)
	}
	return string(data[:n])
}
