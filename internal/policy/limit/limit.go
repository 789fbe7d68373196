// Package limit bounds what callers may take of a gateway: how many calls there are, how
// fast new ones come, and how many connections are on the way to be one; in all, and for
// those who are one party as far as anybody can tell.
//
// Who is counted is a household (policy.Household), and the network around it, which is
// what one customer of a provider may have of IPv6, a /48, and of IPv4 a /24.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"moip/internal/policy"
)

// Rules are the limits that hold. 0 is none.
type Rules struct {
	Calls          int `json:"calls"`           // at a time, in all
	HouseholdCalls int `json:"household_calls"` // of these, of a household
	NetworkCalls   int `json:"network_calls"`   // of these, of a network

	// HubCalls are calls at a time of this gateway and all those that it shares counts with.
	HubCalls int `json:"hub_calls,omitempty"`

	// New calls in a second, in all and of a household. Of each, there may be five
	// seconds' worth at once. When more come in all there is a crush, in which as many
	// again are let in of households that are not of those who make it: that have not
	// called for 10 s, or whose calls last.
	NewCalls          int `json:"new_calls"`
	HouseholdNewCalls int `json:"household_new_calls"`

	// Requests in a second of a household, for a page or a call. Of them, too, there may
	// be five seconds' worth at once.
	HouseholdRequests int `json:"household_requests"`

	// Connections at a time that are no calls yet, in all and of a household.
	Arriving          int `json:"arriving"`
	HouseholdArriving int `json:"household_arriving"`
}

// A Reason is why somebody is not let in.
type Reason string

const (
	Full          Reason = "full"               // no more calls, in all
	HubFull       Reason = "hub-full"           // no more calls of all gateways together
	HouseholdFull Reason = "household-full"     // no more calls of the household
	NetworkFull   Reason = "network-full"       // no more calls of the network
	TooFast       Reason = "too-fast"           // new calls come too fast, in all
	HouseholdFast Reason = "household-too-fast" // new calls, or requests, of the household do
	Crowded       Reason = "crowded"            // it was no call yet, and had to make room for another
	Memory        Reason = "memory"             // there is not enough for another call
	Files         Reason = "files"              // the last descriptors are not for calls, see FilesForCalls
)

// maxIdle is how many households and networks without calls are remembered, for as long
// as those they had count for how fast new ones come.
const maxIdle = 16 << 10

// A Turnstile counts who comes in and who leaves. It may be used from any goroutine, and
// never blocks. Its memory is bounded by its rules, at some 400 bytes for each call, and
// of those who have none it forgets the oldest.
type Turnstile struct {
	began time.Time

	mu       sync.Mutex // guards what follows
	rules    Rules
	exempt   func(netip.Addr) bool
	calls    int
	pace     meter
	crush    meter // of those let in though pace would not
	parties  map[netip.Prefix]*party
	idle     queue[*party] // those without calls
	arriving lobby
	abroad   *abroad // nil if the gateway is alone
}

// A party is a household, or a network.
type party struct {
	who      netip.Prefix
	calls    int
	pace     meter // of new calls
	requests meter
	place    *place[*party] // among the idle, nil while it has calls

	// Of a household, and as all times here since the beginning of the Turnstile.
	since  time.Duration // it has calls
	recent time.Duration // until when it is one that has called
	credit int           // calls that it may make in a crush, for others that have lasted
	earned bool          // credit for those that it has
}

const (
	aWhile     = 3 * time.Second  // which a call takes in which somebody looks at a page
	briefPast  = 10 * time.Second // for how long a household is one that has called
	lastedPast = 10 * time.Minute // if it has credit
	lasted     = 2                // credit for a call that has lasted
	maxCredit  = 20
)

// isStranger reports whether nothing counts that a household has done.
func (p *party) isStranger(now time.Duration) bool { return p.calls == 0 && now >= p.recent }

// crushes reports whether a household may be one of those who make a crush: its calls come
// and go.
func (p *party) crushes(now time.Duration) bool {
	return !p.isStranger(now) && p.credit == 0 && !p.earns(now)
}

// earns reports whether a household has a call that has lasted, and no credit for it yet.
func (p *party) earns(now time.Duration) bool {
	return p.calls > 0 && !p.earned && now-p.since >= aWhile
}

// entered notes a call of a household, that came in a crush or did not.
func (p *party) entered(now time.Duration, crushed bool) {
	stranger := p.isStranger(now)
	if stranger {
		p.credit = 0
	}
	if p.earns(now) {
		p.earned = true
		p.credit = min(p.credit+lasted, maxCredit)
	}
	if crushed && !stranger {
		p.credit--
	}
	if p.calls == 0 {
		p.since, p.earned = now, false
	}
}

// left notes that a call of a household is over that has begun then.
func (p *party) left(began, now time.Duration) {
	if now-began >= aWhile {
		p.credit = min(p.credit+lasted, maxCredit)
	}
	p.recent = now + briefPast
	if p.credit > 0 {
		p.recent = now + lastedPast
	}
}

// New returns a Turnstile that goes by rules. Of whom exempt reports true, only what is in
// all is bounded; it must not block.
func New(rules Rules, exempt func(netip.Addr) bool) *Turnstile {
	return &Turnstile{
		began: time.Now(), rules: rules, exempt: exempt, parties: map[netip.Prefix]*party{},
		arriving: lobby{of: map[netip.Prefix]int{}},
	}
}

// Change has others come in by other rules. Who is in stays, and counts.
func (t *Turnstile) Change(rules Rules) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = rules
	t.abroad.weigh(t)
}

// Enter counts a call from an address, until leave is called, or says why there may be
// none, and then leave is nil. To call leave again does nothing.
func (t *Turnstile) Enter(from netip.Addr) (leave func(), refused Reason) {
	exempt := t.exempt(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Since(t.began)
	t.forget(now)
	r := t.rules
	if full(t.calls, r.Calls) {
		return nil, Full
	}
	if full(t.calls+t.abroad.calls(), r.HubCalls) {
		return nil, HubFull
	}
	if exempt {
		if t.passes(now, true) == nil {
			return nil, TooFast
		}
		return t.enter(now, nil), ""
	}
	home, around := policy.Household(from), Network(from)
	h, n := t.known(home), t.known(around)
	switch {
	case full(h.calls+t.abroad.of(home), r.HouseholdCalls):
		return nil, HouseholdFull
	case full(n.calls+t.abroad.of(around), r.NetworkCalls):
		return nil, NetworkFull
	case !h.pace.lets(r.HouseholdNewCalls, now):
		return nil, HouseholdFast
	}
	by := t.passes(now, !h.crushes(now))
	if by == nil {
		return nil, TooFast
	}
	mine := t.party(home)
	mine.pace.pass(r.HouseholdNewCalls, now)
	mine.entered(now, by == &t.crush)
	return t.enter(now, mine, t.party(around)), ""
}

// passes counts a new call that may come, of somebody who makes no crush or may do so, and
// returns by which meter; nil if it may not.
func (t *Turnstile) passes(now time.Duration, crushed bool) *meter {
	m := &t.pace
	if !m.lets(t.rules.NewCalls, now) && crushed {
		m = &t.crush
	}
	if !m.lets(t.rules.NewCalls, now) {
		return nil
	}
	m.pass(t.rules.NewCalls, now)
	return m
}

// enter counts a call of a household, which may be nil, and of the parties it is part of.
func (t *Turnstile) enter(began time.Duration, home *party, around ...*party) (leave func()) {
	of := around
	if home != nil {
		of = append(of, home)
	}
	t.calls++
	for _, p := range of {
		p.calls++
		t.idle.drop(p.place)
		p.place = nil
		t.abroad.note(p)
	}
	t.abroad.noteAll(t)
	left := false // guarded by t.mu
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if left {
			return
		}
		left = true
		now := time.Since(t.began)
		if home != nil {
			home.left(began, now)
		}
		t.calls--
		for _, p := range of {
			if p.calls--; p.calls == 0 {
				p.place = t.idle.add(p)
			}
			t.abroad.note(p)
		}
		t.abroad.noteAll(t)
		t.forget(now)
	}
}

// Ask reports whether a request may come from an address, and counts it.
func (t *Turnstile) Ask(from netip.Addr) bool {
	if t.exempt(from) {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Since(t.began)
	t.forget(now)
	home, most := policy.Household(from), t.rules.HouseholdRequests
	if most == 0 {
		return true
	}
	if !t.known(home).requests.lets(most, now) {
		return false
	}
	t.party(home).requests.pass(most, now)
	return true
}

func full(n, most int) bool { return most > 0 && n >= most }

// known returns what is known of a party, which may be nothing.
func (t *Turnstile) known(who netip.Prefix) party {
	if p := t.parties[who]; p != nil {
		return *p
	}
	return party{}
}

// party returns a party, and begins to know it if need be.
func (t *Turnstile) party(who netip.Prefix) *party {
	p := t.parties[who]
	if p == nil {
		p = &party{who: who}
		p.place = t.idle.add(p)
		t.parties[who] = p
	}
	return p
}

// forget forgets some parties that have no calls: whose past does not matter any more,
// or if there are too many, those that have been idle for longest. Each call brings two
// parties at the most.
func (t *Turnstile) forget(now time.Duration) {
	for range 4 {
		oldest := t.idle.first
		if oldest == nil {
			return
		}
		p := oldest.who
		if p.pace > meter(now) || p.requests > meter(now) || p.recent > now {
			if t.idle.n <= maxIdle {
				return
			}
		}
		t.idle.drop(oldest)
		delete(t.parties, p.who)
	}
}

// Network returns the network around a household: of IPv4 a /24, of IPv6 a /48.
func Network(a netip.Addr) netip.Prefix {
	a = policy.Bare(a)
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, _ := a.Prefix(bits) // fails for no address, which is of no network
	return p
}

// A meter lets so much pass in a second, and five seconds' worth at once. It is the time,
// since a beginning, at which what has passed would have, had it come evenly: the virtual
// scheduling algorithm of ITU-T I.371, annex A. One that is past is as good as new.
type meter time.Duration

// atOnce is how long that may be ahead.
const atOnce = 5 * time.Second

// lets reports whether something may pass now. A rate of 0 lets all pass.
func (m meter) lets(rate int, now time.Duration) bool {
	return rate == 0 || m.next(rate, now) <= meter(now+atOnce)
}

// pass notes that it does.
func (m *meter) pass(rate int, now time.Duration) {
	if rate > 0 {
		*m = m.next(rate, now)
	}
}

func (m meter) next(rate int, now time.Duration) meter {
	return max(m, meter(now)) + meter(time.Second)/meter(rate)
}
