package session

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"time"

	"moip/internal/stack"
	"moip/videotex"
)

// An attempt to reach a service or the portal goes on while it is the call's.
// Its field belongs to whoever holds the call's lock.
type attempt struct {
	cancel context.CancelFunc // nil once it is over
}

// stop ends an attempt; what it may still bring is closed.
func (a *attempt) stop() {
	if a != nil && a.cancel != nil {
		a.cancel()
		a.cancel = nil
	}
}

// dial starts an attempt to reach r, and tells done how it went unless it was
// stopped. Unless t is nil, it taps what is reached.
func (c *Call) dial(d Dial, r Route, t Tap, done func(Endpoint, error)) *attempt {
	const never = math.MaxInt64
	if r.RealIP != RealIPNone {
		r.Caller = &c.who.Addr
	}
	ctx, cancel := context.WithTimeout(withTap(context.Background(), t), cmp.Or(r.DialTimeout, c.Limits.Dial, never))
	a := &attempt{cancel}
	c.run(func() {
		stack.Grow()
		e, err := d(ctx, c.id, r)
		c.mu.Lock()
		defer c.mu.Unlock()
		if a.cancel == nil { // nobody waits any more
			if err == nil {
				e.Close()
			}
			return
		}
		a.stop()
		done(e, err)
	})
	return a
}

// redirect dials r for a call at the portal.
func (c *Call) redirect(r Route) {
	c.seeking.stop()
	c.stopWaiting()
	c.clear(remind)
	c.clear(finUnheard)
	c.state, c.route = Dialing, &r
	if c.notice != "" { // of the visit before
		c.notice = ""
		c.say("")
	}
	c.emit(Event{Type: Redirecting, Route: r})
	c.attempt = c.dial(c.DialService, r, c.tap(LegService), c.connected)
	c.takeBack()
	c.show()
}

// takeBack takes the keys back that the portal has been given and has not
// obeyed, if it can give them back: who knows the way types the code of a
// service and, without waiting, what is for the service.
func (c *Call) takeBack() {
	if c.portal == nil {
		return
	}
	e, ok := c.portal.end.(interface{ Unread() []byte })
	if !ok {
		return
	}
	var reader videotex.KeyReader
	for key, rest := reader.Next(e.Unread()); key != nil; key, rest = reader.Next(rest) {
		if a := videotex.AnswerOf(key); isAnswer(key, a) {
			c.give(c.portal, key) // it has asked
			continue
		}
		c.lastFin = 0 // if this is Connexion/Fin, it is not the second one
		c.key(key)
	}
	c.batch = append(c.batch, reader.Held()...) // such as an ESC that stood alone
	c.deliver()
}

// connected gives the keyboard to the service, with what was typed for the
// caller and what was typed ahead.
func (c *Call) connected(e Endpoint, err error) {
	if err != nil {
		c.recall(failure(err), err)
		return
	}
	c.attempt, c.state, c.lastFin = nil, AtService, 0
	c.service = c.join(LegService, e)
	c.screen.Switch(c.service)
	c.limitVisit()
	if len(c.visited) < 16 {
		c.visited = append(c.visited, c.route.Name)
	}
	c.followRules("the visit begins", c.portal)
	c.emit(Event{Type: Redirected, Route: *c.route})
	c.give(c.service, []byte(c.route.Start))
	c.catchUp()
	c.show()
}

// failure names what kept a service from being reached.
func failure(err error) Reason {
	var late interface{ Timeout() bool }
	if errors.Is(err, ErrForbidden) {
		return ReasonForbidden
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout() {
		return ReasonTimeout
	}
	return ReasonRefused
}

func (c *Call) serviceSaid(p []byte) {
	if c.state != AtService {
		return
	}
	c.screen.Write(c.service, p)
	c.show()
}

func (c *Call) serviceGone(err error) {
	switch {
	case errors.Is(err, io.EOF):
		c.recall(ReasonClosed, nil)
	case errors.Is(err, ErrStalled):
		c.recall(ReasonStalled, err)
	default:
		c.recall(ReasonLost, err)
	}
}

// recall gives the keyboard back to the portal and drops the service, or the
// attempt to reach it. Unless the service left by itself, what it had still to
// say is dropped too.
func (c *Call) recall(r Reason, err error) {
	switch c.state {
	case Dialing:
		c.attempt.stop()
	case AtService:
		c.leave(r)
	default:
		return
	}
	service, route := c.service, c.route
	c.attempt, c.service, c.route, c.state = nil, nil, nil, AtPortal
	c.emit(Event{Type: Returned, Route: *route, Reason: r, Err: err})
	c.followRules("the visit is over", service)
	if c.portal == nil {
		if !c.again() {
			c.miss(nil)
		}
	} else {
		c.catchUp()
	}
	if text := returned[r]; text != "" {
		c.notice = text
		c.say(text)
		c.set(remind, noticeAgain)
	}
	c.show()
}

// noticeAgain is when the caller is told again why a visit ended: by then the
// portal has drawn its page, row 00 and all.
const noticeAgain = 1500 * time.Millisecond

// leave drops the service.
func (c *Call) leave(r Reason) {
	c.give(c.service, c.route.Fin.bytes())
	if r != ReasonClosed && r != ReasonLost {
		c.screen.Discard()
	}
	c.screen.Switch(c.portal)
	c.midway = !c.articles.AtRest()
	c.forget(c.service)
	c.drop(c.service)
	c.clear(visitWarn)
	c.clear(visitOver)
}
