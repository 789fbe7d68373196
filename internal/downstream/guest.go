package downstream

import (
	"net"
	"sync"
	"syscall"
)

// A guest is the connection of somebody who has come. Whatever becomes of it, a call, a
// page or nothing, it is closed in the end, and what it owes is given back then.
type guest struct {
	socket // nil once it has Moved; then nobody asks for it

	mu     sync.Mutex // guards what follows
	left   func()     // it is no longer somebody who is no call yet; nil once that is told
	owed   func()     // nil for nothing
	closed bool
}

// A socket is what TCP connections are: what can be waited for without a buffer.
type socket interface {
	net.Conn
	syscall.Conn
	CloseRead() error
	CloseWrite() error
}

// arrives counts a connection among those that are no calls yet.
func (l *Listener) arrives(conn net.Conn) net.Conn {
	s, ok := conn.(socket)
	if !ok {
		return conn // of no listener of ours
	}
	g := &guest{socket: s}
	if l.options.Arrive != nil {
		left := l.options.Arrive(addressOf(s), l.at.Transport(), func() { g.shut() })
		g.mu.Lock() // it may have had to go by now
		g.left = left
		g.mu.Unlock()
	}
	return g
}

// Close closes the connection, and gives back what it owes.
func (g *guest) Close() error {
	err := g.shut()
	g.leaves()
	return err
}

// leaves tells that it is no longer somebody who is no call yet, and forgets whom to tell:
// a call lasts.
func (g *guest) leaves() {
	g.mu.Lock()
	left := g.left
	g.left = nil
	g.mu.Unlock()
	if left != nil {
		left()
	}
}

// shut is Close for one that has left.
func (g *guest) shut() error {
	g.mu.Lock()
	socket, owed := g.socket, g.owed
	g.owed, g.closed = nil, true
	g.mu.Unlock()
	var err error
	if socket != nil {
		err = socket.Close()
	}
	if owed != nil {
		owed()
	}
	return err
}

// Moved lets go of the socket, which was closed while the connection goes on by another
// descriptor.
func (g *guest) Moved() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.socket = nil
}

// NetConn returns the socket.
func (g *guest) NetConn() net.Conn { return g.socket }

// guestOf returns the guest that a connection is, or is around. There may be none.
func guestOf(conn net.Conn) *guest {
	for {
		if g, ok := conn.(*guest); ok {
			return g
		}
		around, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = around.NetConn()
	}
}

// becomesCall notes that a connection is a call now, and what is to be done when it is
// closed. If it is, that is done at once, and no call comes of it.
func becomesCall(conn net.Conn, leave func()) error {
	g := guestOf(conn)
	if g == nil {
		leave() // better not counted than counted for ever
		return nil
	}
	g.leaves()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		leave()
		return net.ErrClosed
	}
	g.owed = leave
	return nil
}
