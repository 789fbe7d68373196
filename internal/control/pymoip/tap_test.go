package pymoip

import (
	"testing"

	"moip/internal/session"
)

// A tappable wire remembers its tap.
type tappable struct {
	session.Endpoint
	tap session.Tap
}

func (w *tappable) Tap(t session.Tap) { w.tap = t }

// What stands before a wire does not keep a tap from it.
func TestTap(t *testing.T) {
	for name, wrap := range map[string]func(session.Endpoint) session.Endpoint{
		"portal": func(e session.Endpoint) session.Endpoint { return &portal{around: around{e}} },
		"guest":  func(e session.Endpoint) session.Endpoint { return newGuest(nil, e, session.Caller{}) },
	} {
		wire := &tappable{}
		e := wrap(wire).(interface{ Tap(session.Tap) })
		e.Tap(func(session.Passage, bool, []byte) {})
		if wire.tap == nil {
			t.Errorf("%s: the wire is not tapped", name)
		}
		e.Tap(nil)
		if wire.tap != nil {
			t.Errorf("%s: the wire is still tapped", name)
		}
		wrap(newWire()).(interface{ Tap(session.Tap) }).Tap(nil) // has none
	}
}
