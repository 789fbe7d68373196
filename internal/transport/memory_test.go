package transport

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// An idle WebSocket costs little more than its sockets and its reader.
func TestIdleMemory(t *testing.T) {
	if racing {
		t.Skip("everything is larger under the race detector")
	}
	const n = 1000
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var ours, peers [n]net.Conn
	for i := range n {
		if peers[i], err = net.Dial("tcp", listener.Addr().String()); err != nil {
			t.Skip(err) // few descriptors here
		}
		defer peers[i].Close()
		if ours[i], err = listener.Accept(); err != nil {
			t.Skip(err)
		}
		defer ours[i].Close()
	}

	var reading sync.WaitGroup
	idle := func(conns, peers []net.Conn) {
		var heard sync.WaitGroup
		for i, conn := range conns {
			e := NewWebSocket(conn, WebSocketOptions{Ping: time.Hour})
			t.Cleanup(func() { e.Close() })
			heard.Add(1)
			reading.Go(func() {
				p, err := e.Receive()
				if string(p) != "\x13A" {
					t.Error(p, err)
				}
				e.Send(p)
				heard.Done()
				e.Receive()
			})
			io.WriteString(peers[i], masked(ws.OpText, "\x13A"))
		}
		heard.Wait()
	}
	idle(ours[:n/2], peers[:n/2]) // from them the runtime learns how large a stack is to begin with
	before := used()
	idle(ours[n/2:], peers[n/2:])
	each := (used() - before) / (n / 2)
	t.Logf("%d bytes for each", each)
	if each > 4500 {
		t.Errorf("an idle WebSocket holds %d bytes", each)
	}
	for _, conn := range ours {
		conn.Close()
	}
	reading.Wait()
}

// used returns the bytes of heap and stacks in use.
func used() int {
	for range 3 { // pools forget after two collections
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
