package downstream

import (
	"io"
	"net"
	"runtime"
	"testing"
)

// The goroutine and the buffers of net/http do not stay with a call.
func TestIdleMemory(t *testing.T) {
	const n = 1000
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0", Options{}, answer)
	var conns [n]*net.TCPConn
	call := func(conns []*net.TCPConn) {
		for i := range conns {
			conns[i] = dial(t, l)
			io.WriteString(conns[i], handshake())
			buf := make([]byte, 200)
			conns[i].Read(buf)
			await(t, callers)
		}
	}
	call(conns[:n/2]) // from them the runtime learns how large a stack is to begin with
	before := used()
	call(conns[n/2:])
	each := (used() - before) / (n / 2)
	t.Logf("%d bytes for each, both ends", each)
	if each > 9000 {
		t.Errorf("an idle caller holds %d bytes", each)
	}
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
