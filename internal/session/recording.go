package session

import (
	"errors"
	"fmt"
	"time"

	"moip/videotex"
)

// A Recorder is told what a call is, byte for byte and as it happens: of what the
// terminal is sent when that leaves, of what it sends when that arrives. Its
// methods are called with the call's lock held, and must not block. The bytes are
// lent.
type Recorder interface {
	Sent(p []byte)
	Typed(p []byte)
	Mark(text string) // names what happens now

	// Failed reports whether the recording has ended by itself.
	Failed() bool
	// Close ends it, and tells why.
	Close(why string)
}

// ErrNoRecordings refuses to record where no recordings are kept.
var ErrNoRecordings = errors.New("no recordings are kept here")

// Record has the call recorded from now on, or no more, whatever its rules say:
// those of the caller and of the routes.
func (c *Call) Record(on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == Over:
		return ErrOver
	case c.Recorder == nil:
		return ErrNoRecordings
	}
	c.order = orderedOff
	if on {
		c.order = orderedOn
	}
	c.followRules("an operator has ended it", nil)
	c.show()
	return nil
}

// What an operator has ordered.
type recordOrder int8

const (
	orderedNone recordOrder = iota
	orderedOn
	orderedOff
)

const (
	// badge stands on row 00 of whoever is recorded, and is shown again after
	// badgeAgain without an article: a terminal may have lost it.
	badge      = "ENR"
	badgeAgain = 10 * time.Second
)

// recorded reports whether the call is to be recorded, as it stands.
func (c *Call) recorded() bool {
	switch {
	case c.Recorder == nil, c.order == orderedOff:
		return false
	case c.order == orderedOn, c.who.Record:
		return true
	case c.state == AtService:
		return c.route.Record
	}
	return c.Portal.Record
}

// followRules begins or ends the recording, if it is time to; why is for its end.
// What had has still to say, on a slow line, belongs to what ends.
func (c *Call) followRules(why string, had *leg) {
	switch on := c.recorded(); {
	case on && c.recorder == nil:
		c.recorder = c.Recorder(c.info())
		c.screen.Badge(badge)
		c.article(videotex.Article("Cet appel est enregistré"))
	case on:
		c.last = nil
	case c.recorder != nil && had != nil && c.screen.Waits(had):
		c.last = &last{had, why}
	case c.recorder != nil:
		c.endRecording(why)
	}
}

// last says after whose last words a recording ends, and why.
type last struct {
	of  *leg
	why string
}

func (c *Call) endRecording(why string) {
	if c.recorder != nil {
		c.recorder.Close(why)
		c.recorder, c.last = nil, nil
		c.clear(badgeDue)
		c.screen.Badge("")
	}
}

// ringBadge shows the badge again, and finds out if it has become untrue.
func (c *Call) ringBadge() {
	if c.recorder.Failed() {
		c.order = orderedOff // what has failed is not tried again and again
		c.endRecording("")
	} else {
		c.screen.Badge(badge)
		c.set(badgeDue, badgeAgain)
	}
	c.show()
}

// article shows a on row 00, as soon as the terminal is at rest and the line is
// given more. It brings the badge, if that is still true.
func (c *Call) article(a []byte) {
	c.screen.Article(a)
	if c.recorder != nil && !c.recorder.Failed() {
		c.set(badgeDue, badgeAgain)
	}
}

// send sends the caller what leaves the screen's queue.
func (c *Call) send(p []byte) (kept bool) {
	c.out += uint64(len(p))
	c.seen.Write(p)
	if c.recorder != nil {
		c.recorder.Sent(p)
	}
	if c.last != nil && !c.screen.Waits(c.last.of) {
		c.endRecording(c.last.why)
	}
	c.passes(c.caller, true, p)
	return c.caller.end.Send(p)
}

// typing tells the recorder what was typed.
func (c *Call) typing(p []byte) {
	if c.recorder != nil && c.last == nil {
		c.recorder.Typed(p)
	}
}

// mark gives what happens a name in the recording.
func (c *Call) mark(format string, args ...any) {
	if c.recorder != nil {
		c.recorder.Mark(fmt.Sprintf(format, args...))
	}
}

// markEvent is mark for an event of the call.
func (c *Call) markEvent(e Event) {
	switch e.Type {
	case Redirected:
		c.mark("at %s", e.Route.Name)
	case Returned:
		c.mark("back from %s: %s", e.Route.Name, e.Reason)
	case Waiting:
		c.mark("the portal is away")
	case Ended:
		c.mark("the end: %s", e.Reason)
	}
}
