package session

import (
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"moip/videotex"
)

// seek dials the portal. A caller without a portal waits for one: the first
// attempt that fails is repeated at once, the next after one second, then two,
// up to half a minute.
func (c *Call) seek() {
	c.reached = &c.Portal
	c.seeking = c.dial(c.DialPortal, c.Portal, c.tap(LegPortal), c.found)
}

const (
	maxRetry = 30 * time.Second
	// A portal that lasted less than this is still the one that failed.
	lasting = 30 * time.Second
)

// again is seek for a call that has had a portal, or has failed to reach it: it waits for
// its turn, since others may have lost the same portal in the same moment. It reports
// whether the portal is dialled.
func (c *Call) again() bool {
	if c.Turn != nil {
		if d := c.Turn(); d > 0 {
			c.queued = true
			c.set(retry, d)
			return false
		}
	}
	c.seek()
	return true
}

// ringRetry is told that it is time to dial the portal again, or the call's turn.
func (c *Call) ringRetry() {
	if c.queued {
		c.queued = false
		c.seek()
	} else {
		c.again()
	}
}

func (c *Call) found(e Endpoint, err error) {
	c.seeking = nil
	if err != nil {
		c.wait(err)
		return
	}
	if c.waiting {
		c.waiting = false
		c.note(Event{Type: Returned})
		c.tell()
	}
	c.clear(retry)
	c.arrived = c.now()
	c.portal = c.join(LegPortal, e)
	c.screen.Switch(c.portal)
	c.articles, c.midway = videotex.ArticleReader{}, false
	c.give(c.portal, []byte(c.reached.Start))
	c.catchUp()
}

// wait arranges the next attempt to reach the portal, and shows the caller that
// it is away.
func (c *Call) wait(err error) {
	c.tries++
	if c.tries == 1 && failure(err) != ReasonTimeout {
		if c.again() {
			return
		}
	} else {
		delay := min(time.Second<<min(max(c.tries-2, 0), 5), maxRetry)
		// Callers who lost the same portal must not come back to it as one.
		c.set(retry, delay-time.Duration(rand.Int64N(int64(delay/4))))
	}
	c.miss(err)
}

// miss shows the caller that the portal is away.
func (c *Call) miss(err error) {
	if !c.away {
		c.away = true
		c.emit(Event{Type: Waiting, Err: err})
		c.set(waited, c.Limits.Wait)
	}
	if !c.waiting {
		c.waiting = true
		c.ahead = nil // typed at a portal that is not there
		c.screen.Write(nil, waitingPage)
		c.note(Event{Type: Waiting})
		c.show()
	}
}

// stopWaiting forgets that the portal was away.
func (c *Call) stopWaiting() {
	c.waiting, c.away, c.queued, c.tries = false, false, false, 0
	c.clear(retry)
	c.clear(waited)
}

// ringWaited ends a call that has waited for long enough. A portal that comes
// and goes does not start the clock anew, until it has lasted.
func (c *Call) ringWaited() {
	switch {
	case c.portal == nil:
		c.hangup(ReasonNoPortal, nil)
	case c.now()-c.arrived < lasting:
		c.set(waited, lasting)
	}
}

// whileWaiting takes keys that are the gateway's own: Envoi tries again, unless the call's
// turn comes anyway.
func (c *Call) whileWaiting(keys []byte) {
	if hasEnvoi(keys) && c.seeking == nil && !c.queued {
		c.clear(retry)
		c.again()
		return
	}
	if c.screen.Size() == 0 {
		c.screen.Write(nil, []byte{videotex.BEL})
		c.show()
	}
}

func (c *Call) portalSaid(p []byte) {
	c.clear(finUnheard)
	if c.state == AtService {
		if a := c.articles.Write(p); a != nil {
			c.article(a)
			c.show()
		}
		return
	}
	if c.midway {
		p = c.articles.Skip(p)
		c.midway = p == nil
	} else {
		c.articles.Write(p)
	}
	c.screen.Write(c.portal, p)
	c.show()
}

// portalGone is told when the portal has ended the connection. In good order,
// that is how it hangs up; otherwise it is away, and the caller waits for it.
// During a visit the portal is not missed: it is dialled when the visit ends.
func (c *Call) portalGone(err error) {
	c.forget(c.portal)
	c.portal = nil
	if c.now()-c.arrived > lasting {
		c.stopWaiting()
	}
	switch {
	case c.state == Over:
	case c.state != AtPortal:
		c.emit(Event{Type: Waiting, Err: err})
	case errors.Is(err, io.EOF), c.due[finUnheard] != 0:
		if c.lastFin > 0 && c.now()-c.lastFin < finAgain {
			c.hangup(ReasonFin, nil)
		} else {
			c.hangup(ReasonHangup, nil)
		}
	default:
		c.screen.Switch(nil)
		c.wait(err)
	}
}
