package session

import (
	"context"
	"errors"
	"io"
)

// A Tap is told what passes on the line of one leg, in the order in which the gateway
// sends and receives it; sent is what the gateway sends. It is called from any
// goroutine, with locks held: it must neither block nor call a method of the call or its
// ends. The bytes are lent.
type Tap func(what Passage, sent bool, p []byte)

// Passage says what it is that passes.
type Passage uint8

const (
	PassBytes  Passage = iota // bytes of the stream; of a WebSocket, those within frames
	PassTelnet                // bytes of the stream with the telnet commands among them
	PassFrame                 // the header of a WebSocket frame, and if it is none of the stream its payload, unmasked
	PassHead                  // the head of an HTTP request, or of the answer
	PassNote                  // nothing; p is what the gateway says of the line
	PassEnd                   // nothing, and no more from this end; p says why
)

// A Leg is one of the connections of a call.
type Leg uint8

const (
	LegCaller Leg = iota
	LegPortal
	LegService

	legs = iota
)

func (l Leg) String() string { return [...]string{"caller", "portal", "service"}[l] }

// A Tapper gives the Tap of a leg; the name is a service's. It is called as a Tap is.
type Tapper func(l Leg, name string) Tap

// taps are those of a call that is traced.
type taps struct {
	give Tapper
	of   [legs]Tap
	own  [legs]bool // the call itself tells of what passes, for the leg's end does not
}

// tappable is an Endpoint that knows the wire. It tells of what passes from now on, nil
// for nobody. Others have no wire of their own, and the call tells of what they are sent
// and say.
type tappable interface{ Tap(Tap) }

// Tap has all legs tapped from now on, nil for no more. It returns ErrOver if the call
// has ended.
func (c *Call) Tap(give Tapper) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Over {
		return ErrOver
	}
	c.tapBy(give)
	for leg, l := range [legs]*leg{c.caller, c.portal, c.service} {
		c.tapLeg(Leg(leg), l)
	}
	return nil
}

func (c *Call) tapBy(give Tapper) {
	c.taps = nil
	if give != nil {
		c.taps = &taps{give: give}
	}
}

// tapLeg has l tapped if the call is, and no more if it is not.
func (c *Call) tapLeg(which Leg, l *leg) {
	if l == nil || l.gone {
		return
	}
	var t Tap
	if c.taps != nil {
		if t = c.taps.of[which]; t == nil {
			t = c.tap(which)
		}
	}
	e, ok := l.end.(tappable)
	if ok {
		e.Tap(t)
	}
	if c.taps != nil {
		c.taps.own[which] = !ok
	}
}

// tap makes a new Tap for a leg, nil if the call is not tapped.
func (c *Call) tap(which Leg) Tap {
	if c.taps == nil {
		return nil
	}
	name := ""
	if which == LegService {
		name = c.route.Name
	}
	t := c.taps.give(which, name)
	c.taps.of[which] = t
	return t
}

// passes tells of what passes on l, if its end does not.
func (c *Call) passes(l *leg, sent bool, p []byte) {
	if t, own := c.tapOf(l); own {
		t(PassBytes, sent, p)
	}
}

// ends tells that l has ended, or if err is nil that the gateway ends it.
func (c *Call) ends(l *leg, err error) {
	t, _ := c.tapOf(l)
	switch {
	case t == nil:
	case err == nil:
		t(PassEnd, true, []byte("closed by the gateway"))
	case errors.Is(err, io.EOF):
		t(PassEnd, false, []byte("closed in good order"))
	default:
		t(PassEnd, false, []byte("ended: "+err.Error()))
	}
}

// tapOf returns the Tap of l, and whether the call is to tell it of what passes.
func (c *Call) tapOf(l *leg) (t Tap, own bool) {
	if c.taps == nil {
		return nil, false
	}
	for which, known := range [legs]*leg{c.caller, c.portal, c.service} {
		if l == known {
			return c.taps.of[which], c.taps.own[which]
		}
	}
	return nil, false
}

type tapKey struct{}

// withTap returns a ctx in which a leg is dialled that t taps.
func withTap(ctx context.Context, t Tap) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, tapKey{}, t)
}

// TapOf returns the Tap of what is dialled with ctx: it is told of handshakes, too. It
// is nil if there is none.
func TapOf(ctx context.Context) Tap {
	t, _ := ctx.Value(tapKey{}).(Tap)
	return t
}
