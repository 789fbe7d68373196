package freeport

import (
	"net"
	"testing"
)

func TestAddr(t *testing.T) {
	known := map[string]bool{}
	for range 200 {
		addr := Addr(t)
		if known[addr] {
			t.Fatalf("%s is told twice", addr)
		}
		known[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // and is passed over from now on
	}
	next.Store(0)
	if addr := Addr(t); known[addr] {
		t.Errorf("%s is taken", addr)
	}
}
