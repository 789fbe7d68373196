package survey

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// A plan says who tries which service. All who know the same of each other have the same.
// It is never changed.
type plan struct {
	self string // our instance
	all  []candidate
}

// A candidate is a gateway that may try services.
type candidate struct {
	name, instance string
	works          bool     // or it is about to leave, and tries what nobody else has
	hash           uint64   // of name
	presumed       bool     // to have all that we have: it has, or has not told yet
	keys           []uint64 // of the services that it has, sorted
	digest         string   // of keys
}

func (c candidate) is(other candidate) bool {
	return c.name == other.name && c.instance == other.instance && c.works == other.works && c.presumed == other.presumed && c.digest == other.digest
}

func (c *candidate) has(key uint64) bool {
	if c.presumed {
		return true
	}
	_, found := slices.BinarySearch(c.keys, key)
	return found
}

// keeper returns the instance of the gateway that tries a service, "" if nobody has it. It
// is who has the highest weight of those who have it: when one leaves, only its services
// move, and when one comes, only those that become its own (Thaler and Ravishankar, "Using
// name-based mappings to increase hit rates", 1998).
func (p *plan) keeper(key uint64) string {
	var best *candidate
	for i := range p.all {
		if c := &p.all[i]; c.has(key) && (best == nil || c.over(best, key) > 0) {
			best = c
		}
	}
	if best == nil {
		return ""
	}
	return best.instance
}

func (c *candidate) over(other *candidate, key uint64) int {
	if c.works != other.works {
		if c.works {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(mix(c.hash^mix(key)), mix(other.hash^mix(key))), cmp.Compare(c.instance, other.instance))
}

// hashOf is what the weights of a gateway go by: its name, so that one that is started anew
// has its services again.
func hashOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// mix is the finalizer of MurmurHash3: each bit has a say in all.
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func (p *plan) ours(key uint64) bool { return p.keeper(key) == p.self }
