package natsbus

import (
	"net"
	"sync"
	"testing"
)

// A line is what connections pass through, until it is cut: then nothing passes, and
// neither end is told.
type line struct {
	at string
	to string
	l  net.Listener

	mu    sync.Mutex
	free  sync.Cond // nothing is cut
	cut   bool
	conns map[net.Conn]struct{}
	gone  bool
	work  sync.WaitGroup
}

func opensLine(t *testing.T, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &line{at: l.Addr().String(), to: to, l: l, conns: map[net.Conn]struct{}{}}
	x.free.L = &x.mu
	x.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			x.work.Go(func() { x.carry(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		x.mu.Lock()
		x.gone = true
		x.drop()
		x.mu.Unlock()
		x.free.Broadcast()
		x.work.Wait()
	})
	return x
}

func (x *line) carry(c net.Conn) {
	defer c.Close()
	if !x.keep(c) {
		return
	}
	d, err := net.Dial("tcp", x.to)
	if err != nil {
		return
	}
	defer d.Close()
	if !x.keep(d) {
		return
	}
	x.work.Go(func() { x.copy(c, d) })
	x.copy(d, c)
}

// keep notes a connection that is to be dropped with the line, and waits until that is whole.
func (x *line) keep(c net.Conn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.conns[c] = struct{}{}
	for x.cut && !x.gone {
		x.free.Wait()
	}
	return !x.gone
}

func (x *line) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		x.mu.Lock()
		for x.cut && !x.gone {
			x.free.Wait()
		}
		x.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (x *line) drop() {
	for c := range x.conns {
		c.Close()
	}
	clear(x.conns)
}

func (x *line) Cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cut = true
}

// Heal has all pass again, but for what was there before.
func (x *line) Heal() {
	x.mu.Lock()
	x.drop()
	x.cut = false
	x.mu.Unlock()
	x.free.Broadcast()
}
