package pymoip

import (
	"io"
	"maps"
	"testing"

	"moip/internal/session"
)

// What begins like an introduction when the caller leaves was none.
func TestLastBytes(t *testing.T) {
	e := newEnd(t)
	g := newGuest(NewServer(ServerOptions{}), e, session.Caller{})
	e.say("a\x01\x7f")
	e.hangup()
	for _, want := range []string{"a", "\x01\x7f"} {
		if got, err := g.Receive(); string(got) != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	for range 2 {
		if got, err := g.Receive(); len(got) > 0 || err != io.EOF {
			t.Errorf("%q, %v, want the end", got, err)
		}
	}
}

type telling struct{ *end }

func (telling) Dropped() uint64          { return 7 }
func (telling) Facts() map[string]string { return map[string]string{"TTYPE": "MINITEL1B"} }

// The session asks what some Endpoints know.
func TestWhatEndpointsKnow(t *testing.T) {
	s := NewServer(ServerOptions{})
	g := newGuest(s, telling{newEnd(t)}, session.Caller{})
	if g.Dropped() != 7 || !maps.Equal(g.Facts(), map[string]string{"TTYPE": "MINITEL1B"}) {
		t.Errorf("dropped %d, facts %v", g.Dropped(), g.Facts())
	}
	g = newGuest(s, newEnd(t), session.Caller{})
	if g.Dropped() != 0 || g.Facts() != nil {
		t.Errorf("dropped %d, facts %v", g.Dropped(), g.Facts())
	}
}

// Calls are told apart by the time of their arrival and their address.
func TestWhoseBegan(t *testing.T) {
	h := newHouse(t)
	other := session.Caller{Transport: "ws", Addr: alice.caller.Addr}
	mine := session.Caller{Transport: "ws", Addr: boris.caller.Addr}
	h.server.Answer(func(e session.Endpoint, _ session.Caller) {
		h.server.Event(session.Event{Call: 1, Type: session.Began, Caller: other})
		h.server.Event(session.Event{Call: 2, Type: session.Began, Caller: mine})
		h.server.Event(session.Event{Call: 3, Type: session.Began, Caller: mine})
	})(newEnd(t), mine)
	h.server.Event(session.Event{Call: 4, Type: session.Began, Caller: mine})
	if len(h.server.guests) != 1 || h.server.guests[2] == nil {
		t.Errorf("guests %v", h.server.guests)
	}
	h.server.Event(session.Event{Call: 3, Type: session.Ended})
	h.server.Event(session.Event{Call: 2, Type: session.Ended})
	h.empty(0)
}
