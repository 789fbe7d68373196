package terminal

import (
	"time"

	"moip/internal/session"
)

const (
	// paceTime is how often a line with a speed delivers.
	paceTime = 20 * time.Millisecond
	// maxWaiting bounds what has been received and not drawn yet. Up to that the
	// line is read, so that pings are answered however slow the drawing.
	maxWaiting = 64 << 10
)

// A pace holds what is received until a line of some bit/s would have delivered
// it.
type pace struct {
	perByte time.Duration // 0 if the line has no speed
	free    time.Time     // when the line is, for the next byte
	waiting []byte
}

func newPace(speed int) pace {
	if speed == 0 {
		return pace{}
	}
	return pace{perByte: session.ByteTime(speed)}
}

// tick returns what tells when to take, nil if that is at once.
func (p *pace) tick() <-chan time.Time {
	if p.perByte == 0 {
		return nil
	}
	return time.Tick(paceTime)
}

// add takes what has been received.
func (p *pace) add(received []byte) {
	if now := time.Now(); p.empty() && p.free.Before(now) {
		p.free = now // a line that was idle has saved up nothing
	}
	p.waiting = append(p.waiting, received...)
}

// take returns what has been delivered since the last take. It is valid until the
// next add.
func (p *pace) take() []byte {
	n := len(p.waiting)
	if p.perByte > 0 {
		n = min(n, int(time.Since(p.free)/p.perByte))
		p.free = p.free.Add(time.Duration(n) * p.perByte)
	}
	delivered := p.waiting[:n]
	p.waiting = p.waiting[n:]
	return delivered
}

// hurry makes the line deliver at once what waits.
func (p *pace) hurry() { p.free = time.Now().Add(-p.perByte * time.Duration(len(p.waiting))) }

func (p *pace) full() bool  { return len(p.waiting) >= maxWaiting }
func (p *pace) empty() bool { return len(p.waiting) == 0 }
