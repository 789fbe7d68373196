package session

import (
	"errors"
	"io"
)

// A leg is one of the connections of a call. Its fields belong to whoever
// holds the call's lock.
type leg struct {
	end  Endpoint
	busy bool // a goroutine is in Flush
	more bool // something was kept since
	gone bool // nothing more is heard from it, or told it
	sent int  // bytes of keys sent while busy
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

// join makes a leg of e and starts its reader, which hands all it reads to
// hear and, in the end, tells gone why. Both are called with the lock held.
func (c *Call) join(which Leg, e Endpoint, hear func([]byte), gone func(error)) *leg {
	l := &leg{end: e}
	c.tapLeg(which, l)
	c.run(func() {
		for {
			p, err := e.Receive()
			if !c.heard(l, p, err, hear, gone) {
				return
			}
		}
	})
	return l
}

// heard handles what the reader of l brings, and reports whether it should
// read on.
func (c *Call) heard(l *leg, p []byte, err error, hear func([]byte), gone func(error)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.gone {
		return false
	}
	if err != nil {
		c.end(l, err)
		gone(err)
		return false
	}
	c.passes(l, false, p)
	hear(p)
	// A source is heard only while there is room on the screen for what it
	// says, so that a slow caller slows it.
	for !l.gone && (c.hasScreen(l) && c.screen.Size() >= maxPage || l == c.caller && c.tooFast()) {
		c.room.Wait()
	}
	return !l.gone
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
	c.room.Broadcast()
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
