package prise

import (
	"net"
	"net/netip"
	"sync"
)

// here is where a Minitel at a serial port calls from: this machine.
var here = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// A call is the Endpoint of package session for one call of the Minitel's.
type call struct {
	line  *line
	facts map[string]string

	keys chan []byte
	over chan struct{} // closed when the call is
	once sync.Once
	err  error // why it is over
}

func newCall(l *line, facts map[string]string) *call {
	return &call{line: l, facts: facts, keys: make(chan []byte, 16), over: make(chan struct{})}
}

// Receive waits for a key.
func (c *call) Receive() ([]byte, error) {
	select {
	case key := <-c.keys:
		return key, nil
	case <-c.over:
		return nil, c.err
	}
}

// hear gives Receive a key.
func (c *call) hear(key []byte) {
	select {
	case c.keys <- key:
	case <-c.over:
	}
}

// Send writes p as fast as the line has it.
func (c *call) Send(p []byte) (kept bool) { return c.line.write(p, c.over) }

// Flush waits until the line has had it.
func (c *call) Flush() { c.line.flush(c.over) }

// Close ends the call, and not the line.
func (c *call) Close() error {
	c.end(net.ErrClosed)
	return nil
}

func (c *call) end(why error) {
	c.once.Do(func() {
		c.err = why
		close(c.over)
	})
}

// Facts tells what is known of the Minitel.
func (c *call) Facts() map[string]string { return c.facts }
