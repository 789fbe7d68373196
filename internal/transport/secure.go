package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Secure performs the handshake of a TLS client over conn, within the time of
// ctx. The result reads and writes as usual, and NewWebSocket knows how to
// wait for it without a buffer. On failure conn is closed.
func Secure(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	cipher := &cipherSide{wire: newWire(conn, 0), waits: true}
	s := &secure{Conn: tls.Client(cipher, config), wire: cipher.wire, cipher: cipher}
	if err := s.Conn.HandshakeContext(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// A secure is a stream over TLS.
//
// What can be read from a tls.Conn does not follow from what can be read from
// its socket: there may be records in the one and nothing in the other. So the
// socket is waited for only after the tls.Conn has asked for more.
type secure struct {
	*tls.Conn
	*wire
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
			return s.plain[:n], nil // the error, if any, comes again
		}
		buffers.Put(s.plain)
		s.plain = nil
		if !errors.Is(err, errDry) {
			return nil, s.cause(err)
		}
		s.cipher.wait()
	}
}

// Send encrypts p. It does not block, as the wire does not.
func (s *secure) Send(p []byte) (kept bool) {
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

// A cipherSide is what a tls.Conn takes for its connection: the encrypted side
// of a wire. What is written to it is sent. Reading it gives what was received
// and then, unless it waits for more, an error that passes: it is temporary,
// and a tls.Conn resumes after such an error wherever it was.
type cipherSide struct {
	*wire
	waits   bool   // until the handshakes are over
	pending []byte // received, not read
	lost    error  // why there will be no more
}

// wait gets more from the wire.
func (c *cipherSide) wait() {
	c.pending, c.lost = c.Receive()
}

func (c *cipherSide) Read(p []byte) (int, error) {
	if c.waits && len(c.pending) == 0 && c.lost == nil {
		c.wait()
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
	if c.Send(p) && c.waits {
		c.Flush()
	}
	return len(p), nil
}

func (c *cipherSide) LocalAddr() net.Addr  { return c.conn.LocalAddr() }
func (c *cipherSide) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// A tls.Conn sets deadlines for its farewell, which does not wait here. The
// handshakes are bounded by closing the connection.
func (c *cipherSide) SetDeadline(time.Time) error      { return nil }
func (c *cipherSide) SetReadDeadline(time.Time) error  { return nil }
func (c *cipherSide) SetWriteDeadline(time.Time) error { return nil }

// errDry says that nothing more was received yet.
var errDry net.Error = dry{}

type dry struct{}

func (dry) Error() string   { return "no more bytes yet" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }
