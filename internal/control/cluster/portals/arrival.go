package portals

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/bus"
	"moip/internal/session"
)

const (
	maxFlying  = 256             // arrivals that are told and not answered, at the most
	againFirst = 2 * time.Second // after which they are told again, growing to againLast while no portal answers
	againLast  = 10 * time.Second
)

// An arrival is that of a caller, of which no portal has said that it knows. All that goes
// on is told once, by events, to whoever listens. But that somebody has come must not be
// lost with a portal that dies with the message in its hands: so it is a question to one of
// them, and goes to another until one has answered, or the call is over.
type arrival struct {
	Gateway string    `json:"gateway"`
	Call    uint64    `json:"call"`
	Type    string    `json:"type"` // as of events
	At      time.Time `json:"at"`
	From    string    `json:"from,omitempty"` // address and port of the terminal
	By      string    `json:"by,omitempty"`   // transport
}

// Event takes note of what happens to a call. It blocks nobody.
func (l *Link) Event(e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Type {
	case session.Began:
		a := &arrival{Gateway: l.o.Name, Call: uint64(e.Call), Type: string(e.Type), At: e.At.UTC(), By: e.Caller.Transport}
		if e.Caller.Addr.IsValid() {
			a.From = e.Caller.Addr.String()
		}
		l.pending[e.Call] = a
		l.queue = append(l.queue, e.Call)
		l.ring()
	case session.Ended:
		delete(l.pending, e.Call)
	}
}

func (l *Link) ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// announce tells of arrivals until ctx is done. While there are none it sleeps.
func (l *Link) announce(ctx context.Context) {
	again := againFirst
	var late <-chan time.Time // when those that are not answered are told again
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.bell:
		case <-late:
			if again = min(2*again, againLast); l.tellAnew() {
				again = againFirst
			}
			late = nil
		}
		if l.tell() && late == nil {
			late = time.After(again)
		}
	}
}

// tellAnew has all told that nobody has answered, the oldest first. It reports whether
// there is a portal.
func (l *Link) tellAnew() (heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = l.queue[:0]
	for id := range l.pending {
		l.queue = append(l.queue, id)
	}
	slices.Sort(l.queue)
	heard, l.heard, l.flying = l.heard, false, 0
	l.ring()
	return heard
}

// tell tells what is to be told, and reports whether anything is not answered.
func (l *Link) tell() (open bool) {
	for {
		id, data, ok := l.next()
		if !ok {
			break
		}
		err := l.o.Bus.Publish(bus.Message{Subject: "arrival." + l.o.Name, Reply: l.answers + "." + strconv.FormatUint(uint64(id), 10), Data: data})
		if err != nil {
			break // and all are told anew, later or when the bus is up
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) > 0
}

func (l *Link) next() (id session.ID, data []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 && l.flying < maxFlying {
		id = l.queue[0]
		l.queue = l.queue[1:]
		if a := l.pending[id]; a != nil {
			l.flying++
			data, _ = json.Marshal(a) // which it has
			return id, data, true
		}
	}
	if len(l.queue) == 0 {
		l.queue = nil // no buffer is kept
	}
	return 0, nil, false
}

// answered is told of a portal's answer to an arrival. What says anything but yes, as the
// bus does when nobody listens, is none.
func (l *Link) answered(m bus.Message) {
	var said answer
	_, number, _ := strings.Cut(strings.TrimPrefix(m.Subject, l.answers), ".")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil || json.Unmarshal(m.Data, &said) != nil || !said.OK {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = true
	if l.pending[session.ID(id)] != nil {
		delete(l.pending, session.ID(id))
		l.flying = max(0, l.flying-1)
		l.ring()
	}
}
