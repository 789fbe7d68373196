package ban

import (
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// Parts is in how many parts the changes of a List are compared.
const Parts = 1024

// maxLifted is how many changes are remembered that lift a ban.
const maxLifted = 100_000

// A book is what was said last of each network. It belongs to whoever holds the List.
type book struct {
	parts  [Parts]map[netip.Prefix]*Change // none is changed
	sums   [Parts]uint64                   // of the changes of each part, added up
	newest int64                           // Stamp.At of all that was ever known
	n      int                             // changes
	lifted int                             // of these, that lift a ban
	floor  int64                           // such up to here were forgotten, for there were too many
}

func partOf(network netip.Prefix) int {
	h := fnv.New32a()
	a := network.Addr().As16()
	h.Write(append(a[:], byte(network.Bits())))
	return int(h.Sum32() % Parts)
}

func (k *book) get(network netip.Prefix) *Change { return k.parts[partOf(network)][network] }

func (k *book) put(c *Change) {
	k.drop(c.Network)
	i := partOf(c.Network)
	if k.parts[i] == nil {
		k.parts[i] = map[netip.Prefix]*Change{}
	}
	k.parts[i][c.Network] = c
	k.sums[i] += c.sum()
	k.newest = max(k.newest, c.At, c.Order.At)
	k.n++
	if c.Lifted {
		k.lifted++
	}
}

func (k *book) drop(network netip.Prefix) {
	i := partOf(network)
	old := k.parts[i][network]
	if old == nil {
		return
	}
	delete(k.parts[i], network)
	k.sums[i] -= old.sum()
	k.n--
	if old.Lifted {
		k.lifted--
	}
}

// stamp returns that of what a gateway says now.
func (k *book) stamp(now time.Time, gateway string) Stamp {
	k.newest = max(now.UnixNano(), k.newest+1)
	return Stamp{k.newest, gateway}
}

// merge takes c, and reports whether another Change prevails now than before.
func (k *book) merge(c Change, now time.Time) (news bool) {
	k.newest = max(k.newest, c.At, c.Order.At)
	old := k.get(c.Network)
	switch {
	case c.isOver(now) || c.Lifted && c.At <= k.floor && old == nil:
		return false
	case old == nil:
		k.put(&c)
	case c.beats(old):
		c.Last = max(c.Last, old.Last)
		k.put(&c)
	case old.Last < c.Last:
		kept := *old
		kept.Last = c.Last
		k.put(&kept)
		return false
	default:
		return false
	}
	return true
}

// purge forgets what is over in a part.
func (k *book) purge(part int, now time.Time) (some bool) {
	for network, c := range k.parts[part] {
		if c.isOver(now) {
			k.drop(network)
			some = true
		}
	}
	return some
}

// bound forgets the oldest that lift a ban if there are more than so many, a tenth of them
// at once.
func (k *book) bound(most int) {
	if k.lifted <= most {
		return
	}
	var at []int64
	for c := range k.all() {
		if c.Lifted {
			at = append(at, c.At)
		}
	}
	slices.Sort(at)
	k.floor = max(k.floor, at[len(at)-1-most*9/10])
	for c := range k.all() {
		if c.Lifted && c.At <= k.floor {
			k.drop(c.Network)
		}
	}
}

// all returns all changes, which may be dropped meanwhile.
func (k *book) all() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		for _, part := range k.parts {
			for _, c := range part {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// adopt makes the book agree with the bans of a file that is at least as new as the book:
// what is in the file and not in the book was banned since, and what is in the book alone
// was lifted. Such words are just newer than what they follow, for nobody knows when they
// were said, and others may have said something newer.
func (k *book) adopt(t Table, gateway string, now time.Time) {
	for b := range t.All(now) {
		old := k.get(b.Network)
		if old != nil && old.holds(now) && old.isBan(b) {
			continue
		}
		at := Stamp{min(b.Since.UnixNano(), now.UnixNano()), gateway}
		if old != nil {
			at.At = max(at.At, old.At+1)
		}
		k.put(follow(old, b, at))
	}
	for c := range k.all() {
		if _, banned := t.Get(c.Network, now); !banned && c.holds(now) {
			k.put(lift(c, c.Network, Stamp{c.At + 1, gateway}))
		}
	}
}

// follow returns the Change that bans a network of which old was said before, or nothing
// if that is nil.
func follow(old *Change, b Ban, at Stamp) *Change {
	c := &Change{Network: b.Network, Stamp: at, Reason: b.Reason, By: b.By, Since: b.Since, Until: b.Until, Last: last(b.Until)}
	if old != nil {
		c.Order, c.Last = old.Order, max(c.Last, old.Last)
	}
	if b.By == ByOperator {
		c.Order = at
	}
	return c
}

// lift returns the Change that ends the ban of old.
func lift(old *Change, network netip.Prefix, at Stamp) *Change {
	c := &Change{Network: network, Stamp: at, Order: at, Lifted: true}
	if old != nil {
		c.Last = old.Last
	}
	return c
}

// isBan reports whether a ban is that of c, as it is kept by a gateway whose clock may be
// behind that of who said it (Ban.timely).
func (c *Change) isBan(b Ban) bool {
	return c.By == b.By && c.Reason == b.Reason && c.Until.IsZero() == b.Until.IsZero() && !b.Since.After(c.Since) &&
		(c.Until.IsZero() || c.Until.Sub(c.Since) == b.Until.Sub(b.Since))
}

// part returns the changes of a part, by network.
func (k *book) part(i int) []Change {
	all := make([]Change, 0, len(k.parts[i]))
	for _, c := range k.parts[i] {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Change) int { return a.Network.Compare(b.Network) })
	return all
}
