package main

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"

	"moip/bench/load"
	"moip/bench/peer"
	"moip/bench/result"
)

// A scenario is what callers do.
type scenario struct {
	name, what string
	also       []string             // names of what else it finds
	calls      int                  // at the most
	sizes      []int                // instead of one measurement of all calls, some of so many
	evenings   []evening            // instead of one measurement of a peer
	together   bool                 // it takes time, but little else: peers are measured at once
	with       func(peer.Peer) bool // those that it makes sense with
	measure    func(context.Context, *trial) error
}

var scenarios = []scenario{
	{
		name: "idle", what: "memory and descriptors of calls that have had a page and a key",
		calls: math.MaxInt, together: true, with: but(peer.Peer.Direct), measure: idle,
	},
	{
		name: "growth", what: "the same of few calls and many",
		sizes: []int{1000, 5000, 10_000}, together: true, with: comparable, measure: idle,
	},
	{
		name: "keys", what: "5,000 keys a second over all calls; keys-1000 is 1,000; page is a page of 1,000 bytes to all at once",
		also: []string{"keys-1000", "page"}, calls: math.MaxInt, with: outside, measure: keys,
	},
	{
		name: "ping-pong", what: "one call, a key as soon as the one before is back",
		calls: 1, with: outside, measure: pingPong,
	},
	{
		name: "churn", what: "calls that have a page of 1,000 bytes and end, as fast as they can, 32 at a time",
		calls: 32, with: func(p peer.Peer) bool { return outside(p) && p.Caller != load.WSS }, measure: churn,
	},
	{
		name: "tls", what: "the same with TLS: handshakes",
		calls: 32, with: func(p peer.Peer) bool { return p.Caller == load.WSS }, measure: churn,
	},
	{
		name: "slow", what: "keys, while a tenth of the callers take little of pages without end",
		calls: 1000, with: func(p peer.Peer) bool { return p.Path() == "ws→ws" }, measure: slow,
	},
	{
		name: "paced", what: "callers on lines of 1,200 bit/s",
		calls: math.MaxInt, evenings: evenings, with: ours, measure: paced,
	},
	{
		name: "redirect", what: "5,000 redirects and Connexion/Fin a minute, while keys are typed",
		calls: 1200, with: ours, measure: redirect,
	},
}

func but(f func(peer.Peer) bool) func(peer.Peer) bool {
	return func(p peer.Peer) bool { return !f(p) }
}

func outside(p peer.Peer) bool { return !p.Inside }

func ours(p peer.Peer) bool { return p.MoIP() && p.Path() == "ws→ws" }

func comparable(p peer.Peer) bool {
	return p.Path() == "ws→ws" && (p.MoIP() || p.Name == "HAProxy HTTP")
}

// names are those of what it finds.
func (s scenario) names() []string { return append([]string{s.name}, s.also...) }

// A spec is what a measurement is to be of: all but what it finds.
type spec struct {
	result.Measurement
	Evening int    // which
	MoIP    string // the program
	Quick   bool
}

// specs are what is measured in a round, peer by peer. What is missing is named.
func (s scenario) specs(round int, moip string) (all []spec, missing []string) {
	asked := regexp.MustCompile(*peers) // which choose has tried
	for _, p := range peer.All {
		if !s.with(p) || !asked.MatchString(p.Name+" "+p.Path()) {
			continue
		}
		if what := p.Missing(); what != "" {
			missing = append(missing, fmt.Sprintf("%s %s is left out: install %s", p.Name, p.Path(), what))
			continue
		}
		one := spec{
			Measurement: result.Measurement{Scenario: s.name, Peer: p.Name, Path: p.Path(), Round: round, Calls: min(s.calls, *calls)},
			MoIP:        moip,
			Quick:       *quick,
		}
		if p.Most > 0 {
			one.Calls = min(one.Calls, p.Most)
		}
		switch {
		case s.sizes != nil:
			for _, one.Calls = range s.sizes {
				if one.Calls = min(one.Calls, *calls); !slices.ContainsFunc(all, func(o spec) bool {
					return o.Peer == one.Peer && o.Path == one.Path && o.Calls == one.Calls
				}) {
					all = append(all, one)
				}
			}
		case s.evenings != nil:
			for i, e := range s.evenings {
				one.Evening, one.Path = i, p.Path()+", "+e.title
				all = append(all, one)
			}
		default:
			all = append(all, one)
		}
	}
	return all, missing
}
