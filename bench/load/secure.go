package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// A wire is what TLS is spoken over: Go's own connection for the handshake, which waits,
// and an end from then on, which does not.
type wire struct {
	net.Conn
	end *end // nil until the handshake is done; the loop's
}

func (w *wire) Read(p []byte) (int, error) {
	if w.end != nil {
		return w.end.Read(p)
	}
	return w.Conn.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	if w.end != nil {
		return w.end.Write(p)
	}
	return w.Conn.Write(p)
}

// tlsClient believes everybody, and agrees to one key exchange, which all servers have: else
// it would be those that are compared. P256 is for certificates (RFC 8422, section 5.1).
var tlsClient = &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}

// secure connects a caller by TLS, outside of the loop, which then is told by came.
func (c *Callers) secure(number, from int, opened func(*caller), came func(*caller, error)) {
	w, secure, err := c.handshake(from)
	fd := -1
	if err == nil {
		fd, err = detach(w.Conn)
	}
	c.loop.do(func() {
		if err != nil {
			came(nil, fmt.Errorf("call %d, by TLS: %w", number, err))
			return
		}
		came(c.adopt(number, fd, func(e *end) { w.end, e.secure = e, secure }, opened))
	})
}

func (c *Callers) handshake(from int) (*wire, *tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	address := source(from)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: address[:]}}
	conn, err := dialer.DialContext(ctx, "tcp", c.line.To)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: conn}
	secure := tls.Client(w, tlsClient)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return w, secure, nil
}

// detach takes the descriptor of a connection from Go's poller.
func detach(conn net.Conn) (fd int, err error) {
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	controlled := raw.Control(func(own uintptr) {
		fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlled != nil {
		return 0, controlled
	}
	return fd, os.NewSyscallError("fcntl", err)
}
