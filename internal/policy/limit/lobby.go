package limit

import (
	"net/netip"

	"moip/internal/policy"
)

// A lobby is where connections are that are no calls yet.
type lobby struct {
	guests queue[*guest]
	of     map[netip.Prefix]int // how many of each household are there
}

type guest struct {
	home  netip.Prefix
	out   func()
	place *place[*guest] // nil once it has left
}

// Arrive counts a connection from an address that is no call yet, until left is called:
// when it has become one, or is closed. To call left again does nothing.
//
// If there are too many, the oldest has to go, of its household or of all: out, which
// closes it, is called, once at the most, by whoever arrives then. Whoever means to call is
// through in less than a second, and who keeps doors open is what grows old.
func (t *Turnstile) Arrive(from netip.Addr, out func()) (left func()) {
	g := &guest{home: policy.Household(from), out: out}
	exempt := t.exempt(from)
	for _, g := range t.arrive(g, exempt) {
		g.out()
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.arriving.leave(g)
	}
}

// arrive lets g in, and returns who has to go.
func (t *Turnstile) arrive(g *guest, exempt bool) (gone []*guest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, r := &t.arriving, t.rules
	if !exempt && full(l.of[g.home], r.HouseholdArriving) {
		gone = append(gone, l.oldest(g.home))
	} else if full(l.guests.n, r.Arriving) {
		gone = append(gone, l.guests.first.who)
	}
	for _, old := range gone {
		l.leave(old)
	}
	g.place = l.guests.add(g)
	l.of[g.home]++
	return gone
}

// oldest returns the guest of a household, which has some, who came first. They are among
// the first where they are many.
func (l *lobby) oldest(home netip.Prefix) *guest {
	at := l.guests.first
	for at.who.home != home {
		at = at.next
	}
	return at.who
}

func (l *lobby) leave(g *guest) {
	if g.place == nil {
		return
	}
	l.guests.drop(g.place)
	g.place = nil
	if l.of[g.home]--; l.of[g.home] == 0 {
		delete(l.of, g.home)
	}
}

// A queue is who has come, in that order. Whoever has a place may leave it at any time.
type queue[T any] struct {
	first, last *place[T]
	n           int
}

type place[T any] struct {
	who        T
	prev, next *place[T]
}

func (q *queue[T]) add(who T) *place[T] {
	at := &place[T]{who: who, prev: q.last}
	if q.last == nil {
		q.first = at
	} else {
		q.last.next = at
	}
	q.last = at
	q.n++
	return at
}

// drop takes a place out, which is in q, or nil.
func (q *queue[T]) drop(at *place[T]) {
	if at == nil {
		return
	}
	if at.prev == nil {
		q.first = at.next
	} else {
		at.prev.next = at.next
	}
	if at.next == nil {
		q.last = at.prev
	} else {
		at.next.prev = at.prev
	}
	q.n--
}
