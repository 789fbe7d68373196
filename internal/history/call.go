package history

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"moip/internal/session"
	"moip/internal/tariff"
	"moip/videotex"
)

// maxVisits is how many visits of one call wait for the disk.
const maxVisits = 256

// A row is what is written of a call. Moments are in microseconds since 1970.
type row struct {
	number   session.ID
	caller   session.Caller
	identity [3]byte
	in, out  uint64
	ended    int64 // 0 while it is under way
	reason   session.Reason
	err      string
}

// A visit is a stay at a service, from when it is reached.
type visit struct {
	service      string
	began, ended int64 // the latter 0 while it is under way
	in, out      uint64
	reason       session.Reason

	// What it cost, if anybody has told; else the currency is empty.
	seconds          int64
	palier, currency string
	cost             tariff.Money
}

// A call is one that is under way, or has just ended.
type call struct {
	*row           // to be written, nil if all is
	visits []visit // those that have changed, or all if they are few; the last may be under way
	before int     // visits that have not
	key    int64   // of its row, from when it began; the writer's
	kept   bool    // it has a row; the writer's
}

func newCall(e session.Event) *call {
	return &call{row: new(row), key: micro(e.Began)}
}

// note changes what is known of a call, and reports whether that is to be written.
func (c *call) note(e session.Event) bool {
	switch e.Type {
	case session.Began:
	case session.Redirected:
		c.visits = append(c.visits, visit{service: clip(e.Route.Name), began: at(e), in: e.In, out: e.Out})
	case session.Returned:
		c.leave(e)
	case session.Ended:
		c.leave(e)
	default:
		return false
	}
	c.row = &row{number: e.Call, caller: e.Caller, identity: e.Identity, in: e.In, out: e.Out}
	if e.Type == session.Ended {
		c.ended, c.reason = at(e), e.Reason
		if e.Err != nil {
			c.err = clip(e.Err.Error())
		}
	}
	return true
}

// leave ends the visit under way, if there is one.
func (c *call) leave(e session.Event) {
	if v := c.visit(); v != nil {
		v.ended, v.reason = max(v.began, at(e)), e.Reason
		v.in, v.out = e.In-v.in, e.Out-v.out
	}
}

// visit returns the one under way, nil if there is none.
func (c *call) visit() *visit {
	if n := len(c.visits); n > 0 && c.visits[n-1].ended == 0 {
		return &c.visits[n-1]
	}
	return nil
}

// bound forgets visits if too many wait, and returns how many.
func (c *call) bound() (lost int) {
	if lost = len(c.visits) - maxVisits; lost <= 0 {
		return 0
	}
	c.visits = slices.Delete(c.visits, 0, lost)
	c.before += lost
	return lost
}

// A change is a call as it is to be written.
type change struct {
	row
	visits []visit
	before int
	of     *call
}

// take returns the call as it is now. Visits that have ended will not change any more.
func (c *call) take() change {
	now := change{*c.row, slices.Clone(c.visits), c.before, c}
	over := len(c.visits)
	if c.visit() != nil {
		over--
	}
	if c.visits = slices.Delete(c.visits, 0, over); len(c.visits) == 0 {
		c.visits = nil
	}
	c.before += over
	c.row = nil
	return now
}

// terminal is who the terminal says it is, "" if it has not.
func (r *row) terminal() string {
	if r.identity == [3]byte{} {
		return ""
	}
	return clip(videotex.TerminalName(r.identity))
}

// address returns 16 bytes that sort as addresses do, and the port; nil and nil if
// it is not known.
func (r *row) address() (address, port any) {
	a := r.caller.Addr
	if !a.IsValid() {
		return nil, nil
	}
	as16 := a.Addr().As16()
	return as16[:], int64(a.Port())
}

// at is the moment of an event as it is written: so long after the beginning of the call,
// also if the clock was set meanwhile.
func at(e session.Event) int64 { return micro(e.Began.Add(max(0, e.At.Sub(e.Began)))) }

// micro is a moment as it is written; 0 is none.
func micro(t time.Time) int64 { return t.UnixMicro() }

// clip bounds a text that others have written, and makes it fit for a line.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
