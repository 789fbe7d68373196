package limit

import (
	"cmp"
	"net/netip"
	"slices"
)

// A Usage is what holds, and how much of it is taken.
type Usage struct {
	Rules    Rules   `json:"rules"`
	Calls    int     `json:"calls"`
	Arriving int     `json:"arriving"`
	Busiest  []Share `json:"busiest"` // most calls first, ten at the most

	Hub HubUsage `json:"hub"`
}

// A Share is what a household, or a network, has of all calls. The exempt have none.
type Share struct {
	Of    netip.Prefix `json:"of"`
	Calls int          `json:"calls"`

	Abroad int `json:"abroad,omitempty"` // that other gateways have told of, beside
}

const maxShares = 10

// Count returns how many calls and connections on the way there are, and how many calls
// there may be, 0 for any number.
func (t *Turnstile) Count() (calls, arriving, most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls, t.arriving.guests.n, t.rules.Calls
}

// Usage returns the figures as they are now. Of networks it names those that are more
// than one household that is named.
func (t *Turnstile) Usage() Usage {
	u, shares := t.usage()
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(b.Calls-a.Calls, b.Of.Bits()-a.Of.Bits(), a.Of.Addr().Compare(b.Of.Addr()))
	})
	for _, s := range shares {
		within := func(h Share) bool { return h.Calls == s.Calls && s.Of.Overlaps(h.Of) }
		if len(u.Busiest) < maxShares && !slices.ContainsFunc(u.Busiest, within) {
			u.Busiest = append(u.Busiest, s)
		}
	}
	return u
}

func (t *Turnstile) usage() (Usage, []Share) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := Usage{Rules: t.rules, Calls: t.calls, Arriving: t.arriving.guests.n, Busiest: []Share{}}
	var shares []Share
	for _, p := range t.parties {
		if p.calls > 0 {
			shares = append(shares, Share{p.who, p.calls, t.abroad.of(p.who)})
		}
	}
	u.Hub = t.abroad.hub(t)
	return u, shares
}
