package load

import (
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A Protocol is what is spoken on a connection.
type Protocol int

const (
	TCP    Protocol = iota // bytes as they come
	WS                     // WebSocket, in messages of text, as Minitel pages send in browsers
	Binary                 // WebSocket, in binary messages, for those that refuse text
	WSS                    // WebSocket, in messages of text, by TLS
)

func (p Protocol) String() string {
	return [...]string{"tcp", "ws", "ws", "wss"}[p]
}

// An end is ours of a connection. It belongs to its loop.
type end struct {
	loop   *loop
	fd     int
	speaks Protocol
	caller bool      // or the service
	secure *tls.Conn // nil for none
	greets bool      // the HTTP head of the other side has not ended
	part   []byte    // a head or frame that is not whole yet
	rest   []byte    // what the kernel has not taken yet
	closed bool
	opened func()         // the handshake is done
	heard  func(p []byte) // p is valid until it returns
	room   func()         // all is sent, after it was not; nil for nobody who asks
	lost   func(error)    // the other side has ended it; nothing follows
}

// begin has the loop wait for the end, which must be set up but for what it finds out.
func (e *end) begin() error {
	e.greets = e.speaks != TCP
	if err := e.loop.watch(e.fd, unix.EPOLLIN, e.ready); err != nil {
		return err
	}
	if !e.greets {
		e.opened()
	}
	return nil
}

// Read and Write make an end what TLS is spoken over: they do not wait.
func (e *end) Read(p []byte) (int, error) {
	for {
		switch n, err := unix.Read(e.fd, p); {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return 0, errAgain{}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (e *end) Write(p []byte) (int, error) {
	if len(e.rest) > 0 {
		e.rest = append(e.rest, p...)
		return len(p), nil
	}
	n, err := unix.Write(e.fd, p)
	if err != nil && err != unix.EAGAIN {
		return 0, err
	}
	if n = max(n, 0); n < len(p) {
		e.rest = append(e.rest, p[n:]...)
		e.loop.change(e.fd, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return len(p), nil
}

// errAgain is a net.Error that TLS takes for temporary.
type errAgain struct{}

func (errAgain) Error() string   { return "nothing has come" }
func (errAgain) Timeout() bool   { return true }
func (errAgain) Temporary() bool { return true }

func (e *end) ready(events uint32) {
	if events&unix.EPOLLOUT != 0 && !e.flush() {
		return
	}
	if events&^unix.EPOLLOUT != 0 {
		e.receive()
	}
}

// flush sends what the kernel has not taken, and reports whether the end is still open.
func (e *end) flush() bool {
	rest := e.rest
	e.rest = nil
	if _, err := e.Write(rest); err != nil {
		e.fail(err)
		return false
	}
	if len(e.rest) == 0 {
		e.loop.change(e.fd, unix.EPOLLIN)
		if e.room != nil {
			e.room()
		}
	}
	return !e.closed
}

// receive reads once; by TLS until nothing is left, since nobody tells of what was
// decrypted already.
func (e *end) receive() {
	in := io.Reader(e)
	if e.secure != nil {
		in = e.secure
	}
	for !e.closed {
		n, err := in.Read(e.loop.buffer)
		if n > 0 {
			if err := e.take(e.loop.buffer[:n]); err != nil {
				e.fail(err)
				return
			}
		}
		if err != nil {
			if !errors.As(err, new(errAgain)) {
				e.fail(err)
			}
			return
		}
		if e.secure == nil {
			return
		}
	}
}

// take takes bytes off the wire.
func (e *end) take(p []byte) error {
	if e.speaks == TCP {
		e.heard(p)
		return nil
	}
	if len(e.part) > 0 {
		p = append(e.part, p...)
		e.part = nil
	}
	if e.greets {
		head, rest, whole := bytes.Cut(p, []byte("\r\n\r\n"))
		if !whole {
			e.part = bytes.Clone(p)
			return nil
		}
		if err := e.shake(head); err != nil {
			return err
		}
		e.greets, p = false, rest
		e.opened()
	}
	for !e.closed {
		op, payload, rest, whole, err := cutFrame(p)
		if err != nil {
			return err
		}
		if !whole {
			if len(p) > 0 {
				e.part = bytes.Clone(p)
			}
			return nil
		}
		p = rest
		switch op {
		case opPing:
			e.write(appendFrame(nil, opPong, e.caller, payload))
		case opClose:
			return fmt.Errorf("got a close frame, %q", payload)
		case opPong:
		default:
			e.heard(payload)
		}
	}
	return nil
}

// shake looks at the other side's half of the handshake, and as the service answers.
func (e *end) shake(head []byte) error {
	if e.caller {
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
			return fmt.Errorf("answered %q", head)
		}
		return nil
	}
	_, key, ok := bytes.Cut(bytes.ToLower(head), []byte("\r\nsec-websocket-key:"))
	if !ok {
		return fmt.Errorf("asked %q", head)
	}
	key = head[len(head)-len(key):] // as it was written
	key, _, _ = bytes.Cut(key, []byte("\r"))
	sum := sha1.Sum(append(bytes.Clone(bytes.TrimSpace(key)), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return e.write(fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:])))
}

// ask sends the caller's half of the handshake.
func (e *end) ask(host, path string) error {
	subprotocol := ""
	if e.speaks == Binary {
		subprotocol = "Sec-WebSocket-Protocol: binary\r\n"
	}
	return e.write(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
		path, host, subprotocol))
}

// send sends p at once, in one message if there are such.
func (e *end) send(p []byte) error {
	switch e.speaks {
	case TCP:
		return e.write(p)
	case Binary:
		return e.write(appendFrame(nil, opBinary, e.caller, p))
	}
	return e.write(appendFrame(nil, opText, e.caller, p))
}

func (e *end) write(p []byte) error {
	if e.closed {
		return errClosed
	}
	var out io.Writer = e
	if e.secure != nil {
		out = e.secure
	}
	_, err := out.Write(p)
	return err
}

func (e *end) fail(err error) {
	if e.closed {
		return
	}
	e.close()
	e.lost(err)
}

// hangUp ends the connection as a caller does.
func (e *end) hangUp() {
	if e.speaks != TCP {
		e.write(appendFrame(nil, opClose, e.caller, []byte{3, 232})) // 1000 (RFC 6455, section 7.4.1)
	}
	e.close()
}

func (e *end) close() {
	if !e.closed {
		e.closed = true
		e.loop.forget(e.fd)
	}
}
