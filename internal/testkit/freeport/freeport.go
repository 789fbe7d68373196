// Package freeport finds ports for programs that tests start.
package freeport

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// Ports are taken below those that systems give to whoever wants any, from 32768 on Linux:
// one of these may be another's before the program that it is for has started. Of tests in
// several processes at a time each begins elsewhere.
const (
	first = 10_000
	many  = 22_000
	each  = 110
)

var next atomic.Uint32

// Addr returns an address of the loopback, 127.0.0.1, at which nobody listens. Each call
// returns another.
func Addr(t testing.TB) string {
	t.Helper()
	for range many {
		port := first + (os.Getpid()*each+int(next.Add(1)))%many
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("all ports are taken")
	return ""
}
