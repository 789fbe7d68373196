package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"moip/internal/session"
)

// Secure performs the handshake of a TLS client over conn, within the time of
// ctx. The result reads and writes as usual, and NewWebSocket, NewTelnet and TCP know
// how to wait for it without a buffer. On failure conn is closed.
func Secure(ctx context.Context, conn net.Conn, config *tls.Config) (*tls.Conn, error) {
	c := tls.Client(&cipherSide{Conn: conn}, config)
	if err := c.HandshakeContext(ctx); err != nil {
		newWire(conn, 0).Close() // so that what the peer was told is not lost
		return nil, err
	}
	return c, nil
}

// SecureServer returns the server's side of TLS over conn, as tls.Server does. It is a
// connection like any other, also for net/http, until the handshake is done and it is
// given to NewWebSocket, NewTelnet or TCP, as one of Secure is.
func SecureServer(conn net.Conn, config *tls.Config) *tls.Conn {
	return tls.Server(&cipherSide{Conn: conn}, config)
}

// streamOf returns the stream over conn, whose handshakes are done.
func streamOf(conn net.Conn, stall time.Duration) stream {
	if c, ok := conn.(*tls.Conn); ok {
		if cipher, ok := c.NetConn().(*cipherSide); ok {
			cipher.wire = newWire(cipher.Conn, stall)
			return &secure{Conn: c, wire: cipher.wire, cipher: cipher}
		}
	}
	return newWire(conn, stall)
}

// A secure is a stream over TLS.
//
// What can be read from a tls.Conn does not follow from what can be read from
// its socket: there may be records in the one and nothing in the other. So the
// socket is waited for only after the tls.Conn has asked for more.
type secure struct {
	*tls.Conn
	*wire
	ear    // of what is not encrypted
	cipher *cipherSide
	plain  *buffer // lent to our caller; owned by Receive
}

// Receive waits for decrypted bytes. They are valid until the next call.
func (s *secure) Receive() ([]byte, error) {
	for {
		if s.plain == nil {
			s.plain = buffers.Get().(*buffer)
		}
		n, err := s.Conn.Read(s.plain[:])
		if n > 0 {
			if err := s.hears(s.plain[:n]); err != nil {
				s.end(err)
				return nil, err
			}
			return s.plain[:n], nil // the error, if any, comes again
		}
		buffers.Put(s.plain)
		s.plain = nil
		if !errors.Is(err, errDry) {
			return nil, s.cause(err)
		}
		if err := s.cipher.wait(); err != nil {
			return nil, err
		}
	}
}

// Send encrypts p. It does not block, as the wire does not.
func (s *secure) Send(p []byte) (kept bool) {
	s.tell(true, p)
	if _, err := s.Conn.Write(p); err != nil {
		s.end(err)
		return false
	}
	return s.backlog() > 0
}

// Close says that no more follows, if that goes without waiting, and ends the
// connection.
func (s *secure) Close() error {
	s.Conn.CloseWrite() // fails if there was no handshake, or all is over
	return s.wire.Close()
}

// A cipherSide is what a tls.Conn takes for its connection. During the handshakes it is
// that, with its deadlines. For a stream it is the encrypted side of a wire: what is
// written to it is sent, and reading it gives what was received and then an error that
// passes: it is temporary, and a tls.Conn resumes after such an error wherever it was.
type cipherSide struct {
	net.Conn
	wire    *wire  // nil during the handshakes
	pending []byte // received, not read
	lost    error  // why there will be no more
}

// wait gets more from the wire. It returns session.ErrQuiet if that would not wait, and
// there is nothing.
func (c *cipherSide) wait() error {
	p, err := c.wire.Receive()
	if err == session.ErrQuiet {
		return err
	}
	c.pending, c.lost = p, err
	return nil
}

func (c *cipherSide) Read(p []byte) (int, error) {
	if c.wire == nil {
		return c.Conn.Read(p)
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	switch {
	case n > 0:
		return n, nil
	case c.lost != nil:
		return 0, c.lost
	}
	return 0, errDry
}

func (c *cipherSide) Write(p []byte) (int, error) {
	if c.wire == nil {
		return c.Conn.Write(p)
	}
	c.wire.Send(p)
	return len(p), nil
}

// NetConn returns the connection below, for whoever wants to set something there.
func (c *cipherSide) NetConn() net.Conn { return c.Conn }

// SetDeadline, as the others, does nothing for a stream: a tls.Conn sets deadlines for
// its farewell, which does not wait there.
func (c *cipherSide) SetDeadline(t time.Time) error {
	return c.unlessStream(c.Conn.SetDeadline, t)
}
func (c *cipherSide) SetReadDeadline(t time.Time) error {
	return c.unlessStream(c.Conn.SetReadDeadline, t)
}
func (c *cipherSide) SetWriteDeadline(t time.Time) error {
	return c.unlessStream(c.Conn.SetWriteDeadline, t)
}

func (c *cipherSide) unlessStream(set func(time.Time) error, t time.Time) error {
	if c.wire != nil {
		return nil
	}
	return set(t)
}

// errDry says that nothing more was received yet.
var errDry net.Error = dry{}

type dry struct{}

func (dry) Error() string   { return "no more bytes yet" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }
