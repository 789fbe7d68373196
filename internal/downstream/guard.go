package downstream

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"moip/internal/session"
)

// A Guard looks out for those who are no callers. But for Hold its methods do not block.
type Guard interface {
	// Foreign returns the protocol that the first bytes of a caller by telnet or tcp are
	// of, if it is no terminal's, else "".
	Foreign(first []byte) (protocol string)

	// Dismiss is told of somebody with whose first bytes the connection ends, before
	// there is a call. What it returns, that one is sent; nil is nothing. A call that is
	// under way already ends with session.Foreign.
	Dismiss(from netip.AddrPort, transport, protocol string, first []byte) (answer []byte)

	// Hold returns when a caller may be answered, or why it is not, at the latest when
	// quit is closed.
	Hold(from netip.AddrPort, transport string, quit <-chan struct{}) *Refusal

	// Failed is told of a request for a WebSocket that cannot be granted.
	Failed(from netip.AddrPort)
}

const (
	// openingTime is how long a caller without HTTP may take to say something before it
	// is answered. Those who speak first do so at once; a terminal waits for its page, and
	// its user does not notice.
	openingTime = 50 * time.Millisecond

	maxOpening = 2 << 10 // bytes of what it says that are looked at
)

var openings = sync.Pool{New: func() any { return new([maxOpening]byte) }}

// passes reports whether a caller without HTTP is to be answered, as the Guard has it. Who
// is not has been sent away.
func (l *Listener) passes(conn net.Conn, from netip.AddrPort, line line) bool {
	if l.options.Guard == nil {
		return true
	}
	if l.dismissed(conn, from, line, cmp.Or(l.options.opening, openingTime)) {
		return false
	}
	if refusal := l.hold(from); refusal != nil {
		line.refused(errors.New(refusal.Text))
		l.turnAway(conn, refusal)
		return false
	}
	return !l.dismissed(conn, from, line, 0)
}

// dismissed sends somebody away who is no caller by what it says within a time.
func (l *Listener) dismissed(conn net.Conn, from netip.AddrPort, line line, within time.Duration) bool {
	buf := openings.Get().(*[maxOpening]byte)
	defer openings.Put(buf)
	first := buf[:peek(conn, buf[:], within)]
	protocol := l.options.Guard.Foreign(first)
	if protocol == "" {
		return false
	}
	line.refused(session.Foreign(protocol))
	l.sendAway(conn, l.options.Guard.Dismiss(from, l.at.Transport(), protocol, first))
	return true
}

// peek waits for what is said within a time, and leaves it where it is. It returns 0 if
// nothing is, or if that cannot be seen here: with TLS, or where sockets have no such thing.
func peek(conn net.Conn, p []byte, within time.Duration) (n int) {
	s, ok := conn.(socket)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	if within > 0 {
		conn.SetReadDeadline(time.Now().Add(within))
		defer conn.SetReadDeadline(time.Time{})
	}
	raw.Read(func(fd uintptr) (done bool) {
		n, done = peekNow(fd, p)
		return done || within == 0
	})
	return n
}

// judge is transport.Judge for those who say later what they are.
func (l *Listener) judge(first []byte) error {
	if protocol := l.options.Guard.Foreign(first); protocol != "" {
		return session.Foreign(protocol)
	}
	return nil
}

// hold keeps a caller waiting, as the Guard has it, and returns why it is not to be
// answered.
func (l *Listener) hold(from netip.AddrPort) *Refusal {
	if l.options.Guard == nil {
		return nil
	}
	return l.options.Guard.Hold(from, l.at.Transport(), l.attended.Done())
}

// failed tells the Guard of a request that cannot be granted.
func (l *Listener) failed(from netip.AddrPort) {
	if l.options.Guard != nil {
		l.options.Guard.Failed(from)
	}
}
