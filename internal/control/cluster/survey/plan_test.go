package survey

import (
	"fmt"
	"testing"
)

func planOf(names ...string) *plan {
	p := new(plan)
	for _, name := range names {
		p.all = append(p.all, candidate{name: name, hash: hashOf(name), instance: name, works: true, presumed: true})
	}
	return p
}

// Services are shared out evenly, whatever gateways are called, and only those of who leaves
// move.
func TestShares(t *testing.T) {
	const services = 10_000
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprint("g", i))
	}
	all, fewer := planOf(names...), planOf(names[1:]...)
	shares := map[string]int{}
	for key := range uint64(services) {
		keeper := all.keeper(key)
		shares[keeper]++
		if then := fewer.keeper(key); then != keeper && keeper != "g0" {
			t.Fatalf("a service moves from %s to %s because g0 leaves", keeper, then)
		}
	}
	for _, name := range names {
		if n := shares[name]; n < services/10*8/10 || n > services/10*12/10 {
			t.Errorf("%s has %d of %d services", name, n, services)
		}
	}
}

// Who is about to leave tries only what nobody else has.
func TestLeaving(t *testing.T) {
	p := planOf("a", "b")
	p.all[0].works = false
	p.all[1].presumed, p.all[1].keys = false, []uint64{2, 4}
	for key, want := range map[uint64]string{1: "a", 2: "b", 3: "a", 4: "b"} {
		if got := p.keeper(key); got != want {
			t.Errorf("%d is tried by %q", key, got)
		}
	}
	if got := new(plan).keeper(1); got != "" {
		t.Error(got)
	}
}
