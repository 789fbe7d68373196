package limit

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"moip/internal/policy"
)

// Several gateways have their counts in common: each tells how many calls it has, in all
// and of those households and networks that have a share of their limit which matters, and
// counts what all have told last beside its own. What one lets in before the others have
// heard of it is too much at the worst.

const (
	// shareOf is which part of a limit all calls together may be that are not told of: an
	// eighth.
	shareOf = 8

	// fewest is from how many calls on a household or a network is told of at the least,
	// unless a sixteenth of its limit is less. Most have one or two: where many gateways make
	// the share small, to tell of all of them would be most of what gateways say.
	fewest = 4

	maxTold    = 4096    // households and networks that a gateway tells of
	maxHeard   = 1 << 18 // that all others have told of, and are counted
	maxSources = 4096    // other gateways
	staleTime  = 5 * time.Second
	leastTime  = time.Minute // after which more may be told of again
)

// A Told is what one gateway tells the others.
type Told struct {
	Calls int     `json:"calls"`
	Of    []Share `json:"of,omitempty"` // the most calls first
}

// A HubUsage is what a Turnstile knows of other gateways.
type HubUsage struct {
	Calls    int `json:"calls"`    // of all gateways, this one included
	Most     int `json:"most"`     // that there may be, 0 for any number
	Gateways int `json:"gateways"` // that tell of theirs, this one included; 0 if it is alone

	// From how many calls on a household, or a network, is told of by this gateway; 0 if it
	// never is.
	Household int `json:"household"`
	Network   int `json:"network"`
}

// An abroad is what others have told, and what they are told. Its methods are called with
// the Turnstile's lock held, and do nothing if it is nil.
type abroad struct {
	bell      func()
	home, net int             // from how many calls on a household, and a network, is told of
	least     int             // that either is at the least, since there were too many to tell of
	raised    time.Duration   // when least was raised last, or lowered
	heavy     map[*party]bool // that are told of

	total  int
	counts map[netip.Prefix]int
	heard  map[string]source
}

type source struct {
	at time.Duration // when it was heard last
	Told
}

// Share has the counts in common with other gateways. bell is called when there is
// something to tell; it must not block, nor call the Turnstile. It comes before Enter.
func (t *Turnstile) Share(bell func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.abroad = &abroad{bell: bell, counts: map[netip.Prefix]int{}, heard: map[string]source{}}
	t.abroad.weigh(t)
}

// of returns how many calls others have of a household or a network.
func (a *abroad) of(who netip.Prefix) int {
	if a == nil {
		return 0
	}
	return a.counts[who]
}

// calls returns how many others have in all.
func (a *abroad) calls() int {
	if a == nil {
		return 0
	}
	return a.total
}

func (a *abroad) hub(t *Turnstile) HubUsage {
	if a == nil {
		return HubUsage{}
	}
	return HubUsage{t.calls + a.total, t.rules.HubCalls, 1 + len(a.heard), a.home, a.net}
}

// Hub returns what is known of the calls of other gateways.
func (t *Turnstile) Hub() HubUsage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.abroad.hub(t)
}

// weigh sets from how many calls on others are told, which depends on how many gateways
// there are: what none of them tells of is an eighth of a limit together at the most, or
// fewest but one for each other gateway.
func (a *abroad) weigh(t *Turnstile) {
	if a == nil {
		return
	}
	share := func(limit int) int {
		if limit == 0 {
			return 0
		}
		return max(1, min(fewest, limit/(2*shareOf)), limit/(shareOf*max(1, len(a.heard))), a.least)
	}
	home, net := share(t.rules.HouseholdCalls), share(t.rules.NetworkCalls)
	if a.heavy != nil && home == a.home && net == a.net {
		return
	}
	a.home, a.net, a.heavy = home, net, map[*party]bool{}
	for _, p := range t.parties {
		a.note(p)
	}
}

// isHome reports whether a party is a household.
func isHome(who netip.Prefix) bool { return who.Bits() == 32 || who.Bits() == 64 }

// note notes that a party has another call, or one less.
func (a *abroad) note(p *party) {
	if a == nil {
		return
	}
	least := a.net
	if isHome(p.who) {
		least = a.home
	}
	switch {
	case least > 0 && p.calls >= least:
		a.heavy[p] = true
	case a.heavy[p]:
		delete(a.heavy, p)
	default:
		return
	}
	a.bell()
}

// noteAll notes that there is another call, or one less.
func (a *abroad) noteAll(t *Turnstile) {
	if a != nil && t.rules.HubCalls > 0 {
		a.bell()
	}
}

// Tell returns what the others are to be told now.
func (t *Turnstile) Tell() Told {
	t.mu.Lock()
	defer t.mu.Unlock()
	told, a := Told{Calls: t.calls}, t.abroad
	if a == nil {
		return told
	}
	for p := range a.heavy {
		told.Of = append(told.Of, Share{Of: p.who, Calls: p.calls})
	}
	slices.SortFunc(told.Of, func(x, y Share) int { return cmp.Or(y.Calls-x.Calls, x.Of.Compare(y.Of)) })
	switch n := len(told.Of); {
	case n > maxTold: // only those that have more from now on
		a.least, a.raised = told.Of[maxTold].Calls+1, time.Since(t.began)
		told.Of = told.Of[:maxTold]
		a.weigh(t)
	case a.least > 0 && n < maxTold/8 && time.Since(t.began)-a.raised > leastTime:
		a.least, a.raised = a.least/2, time.Since(t.began)
		a.weigh(t)
	}
	return told
}

// Hear counts what another gateway, an instance, has told, in place of what it told before.
func (t *Turnstile) Hear(from string, told Told) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.abroad
	if a == nil {
		return
	}
	a.quiet(from)
	now := time.Since(t.began)
	if told.Calls < 0 || len(a.heard) >= maxSources || len(told.Of) > maxTold {
		return
	}
	told.Of = slices.DeleteFunc(told.Of, func(s Share) bool {
		normal, err := policy.Normal(s.Of)
		return err != nil || normal != s.Of || s.Calls <= 0 || s.Calls > told.Calls || len(a.counts) >= maxHeard
	})
	a.heard[from] = source{now, told}
	a.total += told.Calls
	for _, s := range told.Of {
		a.counts[s.Of] += s.Calls
	}
	a.weigh(t)
}

// quiet counts what a gateway has told no more.
func (a *abroad) quiet(from string) {
	old := a.heard[from]
	a.total -= old.Calls
	for _, s := range old.Of {
		if a.counts[s.Of] -= s.Calls; a.counts[s.Of] == 0 {
			delete(a.counts, s.Of)
		}
	}
	delete(a.heard, from)
}

// Quiet has what a gateway has told count no more, since it has left.
func (t *Turnstile) Quiet(from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.abroad != nil {
		t.abroad.quiet(from)
		t.abroad.weigh(t)
	}
}

// Listen has what a gateway has told count no more of which nothing was heard for 5 s, or
// if the others cannot be heard at all, of any.
func (t *Turnstile) Listen(any bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.abroad == nil {
		return
	}
	now := time.Since(t.began)
	for from, s := range t.abroad.heard {
		if any || now-s.at > staleTime {
			t.abroad.quiet(from)
		}
	}
	t.abroad.weigh(t)
}
