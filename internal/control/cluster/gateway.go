// Package cluster knows the gateways of a hub. Each says every two seconds how it is; who
// says nothing for a while is silent, and shown as that. Nothing is elected, and nobody
// keeps another's calls: what a gateway carries, it is asked for.
//
// Clocks may be wrong. What is known of another's clock is how far it is from ours; how
// long ago somebody was heard, each takes from its own.
package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"moip/internal/bus"
)

// Protocol is the version of what the gateways of a hub say to each other. It grows when
// older ones would misunderstand; what is merely new to them they leave aside. What a
// Gateway says of itself means the same in all versions: one with a newer protocol is
// shown, but its part in what the hub shares is not understood (Gateway.Foreign).
const Protocol = 1

// A Gateway is what one says of itself. From an older one some may be missing, which is
// zero then.
type Gateway struct {
	Name     string    `json:"name"`     // a word of a bus, unique in the hub
	Instance string    `json:"instance"` // a word of a bus, of the process: new with each start
	Host     string    `json:"host"`     // the machine's name, for people
	Protocol int       `json:"protocol"`
	Version  string    `json:"version"`         // of the program
	Began    time.Time `json:"began"`           // by its clock, as the times below
	Told     time.Time `json:"told"`            //
	State    string    `json:"state"`           // running, draining, replaced, stopping or Gone
	Calls    int       `json:"calls"`           // under way
	MaxCalls int       `json:"maxCalls"`        // that may be
	Events   uint64    `json:"events"`          // that it has told of so far
	Config   string    `json:"config"`          // which configuration is in force: equal ones have the same
	Aside    bool      `json:"aside,omitempty"` // it keeps out of what the hub shares, for another has its name
}

// States of a Gateway that are of matter here.
const (
	running = "running"
	Gone    = "gone" // it has said that it leaves
)

// Works reports whether a gateway takes part in what the hub shares, as far as it says. One
// that drains, or has been replaced, does not: it is about to leave.
func (g Gateway) Works() bool { return g.State == running && !g.Aside && !g.Foreign() }

// Foreign reports whether a gateway may mean by what it says what we do not understand.
func (g Gateway) Foreign() bool { return g.Protocol > Protocol }

// before reports whether, of two with one name, g is the older one. Both find the same, even
// if their clocks are wrong: it may be the other then that should have been, but never none.
func (g Gateway) before(other Gateway) bool {
	return cmp.Or(g.Began.Compare(other.Began), cmp.Compare(g.Instance, other.Instance)) < 0
}

const (
	maxBeat = 8 << 10 // bytes
	maxText = 64      // characters of what a gateway says for people
)

// parse reads what a gateway says of itself. What comes from a bus may be anything: what
// is too long is cut, what cannot be is an error.
func parse(data []byte) (g Gateway, ok bool) {
	if len(data) > maxBeat || json.Unmarshal(data, &g) != nil || !isName(g.Name) || !isName(g.Instance) || !bus.IsWord(g.State) {
		return g, false
	}
	for _, s := range []*string{&g.Host, &g.Version, &g.State, &g.Config} {
		*s = plain(*s)
	}
	g.Calls, g.MaxCalls, g.Protocol = max(g.Calls, 0), max(g.MaxCalls, 0), max(g.Protocol, 0)
	return g, true
}

const maxName = 32 // as the configuration has it

func isName(s string) bool { return len(s) <= maxName && bus.IsWord(s) }

// plain returns text for people without what a terminal might obey, cut where it is long.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText])
	}
	return s
}

// Seen is a Gateway as another knows it.
type Seen struct {
	Gateway
	Self   bool          // it is who has been asked
	Heard  time.Time     // last, by our clock
	Silent bool          // for too long: it may be gone, or cut off
	Skew   time.Duration // of its clock against ours, some milliseconds wrong; positive if it is ahead
	Fault  string        // what is wrong with it, for people; "" for nothing

	wrong bool // its clock, or ours
}

// A clock is wrong that is farther from ours than maxSkew, until it is nearer than minSkew.
const (
	maxSkew = 5 * time.Second
	minSkew = 4 * time.Second
)

// judge finds what is wrong with a gateway.
func (s *Seen) judge() {
	skew := s.Skew.Abs()
	s.wrong = skew > maxSkew || s.wrong && skew > minSkew
	var all []string
	if s.Aside {
		all = append(all, "another gateway has its name, and was there first: this one keeps out of what the hub shares (give it another name: --node)")
	}
	if s.wrong {
		ahead := "ahead of"
		if s.Skew < 0 {
			ahead = "behind"
		}
		all = append(all, fmt.Sprintf("its clock is %v %s that of who tells this (one of the two is wrong: see to NTP on both machines)", skew.Round(time.Second), ahead))
	}
	if s.Foreign() {
		all = append(all, fmt.Sprintf("it speaks protocol %d, and who tells this no more than %d: they share no work (upgrade the older one)", s.Protocol, Protocol))
	}
	s.Fault = strings.Join(all, "; ")
}
