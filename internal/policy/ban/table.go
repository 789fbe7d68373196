package ban

import (
	"iter"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"moip/internal/policy"
)

// A Table holds bans, one a network. It is a value: what changes it returns another,
// which has most of it in common, so that a Table may be read while there is a newer
// one. The zero Table is empty.
type Table struct {
	bans *bart.Table[*Ban] // and no Ban is changed either
}

func (t Table) tree() *bart.Table[*Ban] {
	if t.bans == nil {
		return new(bart.Table[*Ban])
	}
	return t.bans
}

// Len returns how many bans there are, those that have run out included.
func (t Table) Len() int { return t.tree().Size() }

// With returns the Table with b, in place of the ban of the same network.
func (t Table) With(b Ban) Table { return Table{t.tree().InsertPersist(b.Network, &b)} }

// Without returns the Table without the ban of just this network.
func (t Table) Without(network netip.Prefix) Table {
	return Table{t.tree().DeletePersist(network)}
}

// Get returns the ban of just this network, if it holds.
func (t Table) Get(network netip.Prefix, now time.Time) (Ban, bool) {
	if b, ok := t.tree().Get(network); ok && b.HoldsAt(now) {
		return *b, true
	}
	return Ban{}, false
}

// Find returns the ban that keeps an address out: of several that hold, that of the
// smallest network.
func (t Table) Find(a netip.Addr, now time.Time) (Ban, bool) {
	if t.bans == nil || !a.IsValid() {
		return Ban{}, false
	}
	a = policy.Bare(a)
	b, ok := t.bans.Lookup(a)
	if !ok || b.HoldsAt(now) {
		return value(b), ok
	}
	for _, b := range t.bans.Supernets(netip.PrefixFrom(a, a.BitLen())) { // the smallest first
		if b.HoldsAt(now) {
			return *b, true
		}
	}
	return Ban{}, false
}

func value(b *Ban) Ban {
	if b == nil {
		return Ban{}
	}
	return *b
}

// All returns the bans that hold, by network, IPv4 first.
func (t Table) All(now time.Time) iter.Seq[Ban] {
	return func(yield func(Ban) bool) {
		for _, b := range t.tree().AllSorted() {
			if b.HoldsAt(now) && !yield(*b) {
				return
			}
		}
	}
}

// Swept returns the Table without the bans that have run out. Those that a clock has made
// that was ahead begin now.
func (t Table) Swept(now time.Time) Table {
	for network, b := range t.tree().All() {
		if timely := b.timely(now); !timely.HoldsAt(now) {
			t = t.Without(network)
		} else if timely.Since != b.Since {
			t = t.With(timely)
		}
	}
	return t
}
