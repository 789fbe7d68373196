package session

import (
	"errors"
	"io"

	"moip/internal/stack"
)

// A leg is one of the connections of a call. Its fields belong to whoever
// holds the call's lock.
type leg struct {
	call    *Call
	which   Leg
	end     Endpoint
	sleeper Sleeper // end, nil if Receive waits
	held    bool    // nobody reads, until there is room
	busy    bool    // a goroutine is in Flush
	more    bool    // something was kept since
	gone    bool    // nothing more is heard from it, or told it
	sent    int     // bytes of keys sent while busy
}

// maxAhead bounds the keys that wait for a leg, maxDialed those that wait for one that is
// dialled (the portal inside must bear to have them back, with a reading more), and maxPage
// the output that waits for the caller before its source is made to wait too. The pings of
// a source that waits are not answered, so it should not wait for every page.
const (
	maxAhead  = 4 << 10
	maxDialed = 12 << 10
	maxPage   = 32 << 10
)

var errAhead = errors.New("too many keys wait")

// join makes a leg of e and has it read.
func (c *Call) join(which Leg, e Endpoint) *leg {
	l := &leg{call: c, which: which, end: e}
	c.tapLeg(which, l)
	if s, ok := e.(Sleeper); ok && s.Attend(l.wake) {
		l.sleeper = s
	}
	c.running++ // until the leg is gone, and its reader with it
	go l.listen()
	return l
}

// listen reads for as long as there is something to read.
func (l *leg) listen() {
	for {
		p, err := l.end.Receive()
		if err == ErrQuiet {
			if l.sleeper.Sleep() {
				return
			}
		} else if !l.heard(p, err) {
			return
		}
	}
}

// little is how many bytes are handled on the spot: a key or what shows it, not a page.
const little = 256

// wake reads on a goroutine for which others wait. So it does what takes next to no time;
// the rest, or if somebody else has the call, is for a goroutine of the leg's own.
func (l *leg) wake() {
	for range 2 { // what has come, and that it was all
		p, err := l.end.Receive()
		if err == ErrQuiet {
			if l.sleeper.Sleep() {
				return
			}
			continue
		}
		if err != nil || len(p) > little || !l.call.mu.TryLock() {
			go l.goOn(p, err)
			return
		}
		more := l.hear(p, nil)
		l.call.mu.Unlock()
		if !more {
			return
		}
	}
	go l.listen()
}

// goOn is listen after what has been read.
func (l *leg) goOn(p []byte, err error) {
	stack.Grow()
	if l.heard(p, err) {
		l.listen()
	}
}

// heard handles what was read, and reports whether to read on.
func (l *leg) heard(p []byte, err error) bool {
	l.call.mu.Lock()
	defer l.call.mu.Unlock()
	return l.hear(p, err)
}

// hear is heard for whoever holds the lock.
func (l *leg) hear(p []byte, err error) bool {
	c := l.call
	switch {
	case l.gone:
	case err != nil:
		c.end(l, err)
		c.legGone(l, err)
	default:
		c.passes(l, false, p)
		c.said(l, p)
	}
	if l.gone {
		c.settle()
		return false
	}
	l.held = c.mustWait(l)
	return !l.held
}

// mustWait reports whether l is not to be heard now. A source is heard only while there is
// room on the screen for what it says, so that a slow caller slows it.
func (c *Call) mustWait(l *leg) bool {
	return c.hasScreen(l) && c.screen.Size() >= maxPage || l == c.caller && c.tooFast()
}

// readOn has those heard again who need not wait any more.
func (c *Call) readOn() {
	for _, l := range [legs]*leg{c.caller, c.portal, c.service} {
		if l != nil && l.held && (l.gone || !c.mustWait(l)) {
			l.held = false
			go l.listen()
		}
	}
}

// said and legGone are told what a leg has said, and why it is gone.
func (c *Call) said(l *leg, p []byte) {
	switch l.which {
	case LegCaller:
		c.typed(p)
	case LegPortal:
		c.portalSaid(p)
	case LegService:
		c.serviceSaid(p)
	}
}

func (c *Call) legGone(l *leg, err error) {
	switch l.which {
	case LegCaller:
		c.callerGone(err)
	case LegPortal:
		c.portalGone(err)
	case LegService:
		c.serviceGone(err)
	}
}

// hasScreen reports whether what l says goes to the screen.
func (c *Call) hasScreen(l *leg) bool {
	if c.state == AtService {
		return l == c.service
	}
	return l == c.portal
}

// give sends keys to a leg. It reports false if too many wait there.
func (c *Call) give(l *leg, p []byte) bool {
	if l == nil || l.gone || len(p) == 0 {
		return true
	}
	if l.busy {
		if l.sent += len(p); l.sent > maxAhead {
			return false
		}
	}
	c.passes(l, true, p)
	if l.end.Send(p) {
		c.flush(l)
	}
	return true
}

// flush waits, elsewhere, for the peer to take what it was sent. That is the
// only goroutine that a leg has beside its reader, and it has it only while
// the peer is slow.
func (c *Call) flush(l *leg) {
	if l.busy {
		l.more = true
		return
	}
	l.busy, l.more = true, false
	c.run(func() {
		l.end.Flush()
		c.mu.Lock()
		defer c.mu.Unlock()
		l.busy = false
		switch {
		case l.more && !l.gone: // it may have been kept just after Flush
			c.flush(l)
		case l == c.caller:
			c.show()
		default:
			l.sent = 0
		}
	})
}

// drop closes a leg for good.
func (c *Call) drop(l *leg) {
	if l != nil && !l.gone {
		c.end(l, nil)
	}
}

// end is drop for a leg that is there, which has ended with err unless that is nil.
func (c *Call) end(l *leg, err error) {
	c.ends(l, err)
	l.gone = true
	l.end.Close()
	c.readOn()
}

// callerGone is told when the caller has left.
func (c *Call) callerGone(err error) {
	_, foreign := errors.AsType[Foreign](err)
	switch {
	case foreign:
		c.hangup(ReasonForeign, err)
	case errors.Is(err, io.EOF):
		c.hangup(ReasonGone, nil)
	case errors.Is(err, ErrStalled):
		c.hangup(ReasonSlow, nil)
	case errors.Is(err, ErrSilent):
		c.hangup(ReasonSilent, nil)
	default:
		c.hangup(ReasonDropped, err)
	}
}
