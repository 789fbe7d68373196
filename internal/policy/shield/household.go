package shield

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

const (
	// weakMost is what weak evidence counts at the most, all of it together: less than
	// MinSlow, so that alone it does nothing. What may come of a clumsy caller, a
	// monitor, or a dongle with a bad line, is weak.
	weakMost = 20

	// What a good call is worth, and all of them. The worth of a call is halved in
	// trustLives half-lives of evidence.
	trustCall  = 10
	trustMost  = 50
	trustLives = 24
	trustLeast = trustCall / 2 // from here on a household is trusted

	least = 0.5 // points; with less of everything a household is forgotten
)

// A household is one of policy.Household, and what is known of it.
type household struct {
	at                  time.Duration // when the sums were these, on the Shield's clock
	strong, weak, trust float64
	seen                tally
	until               time.Time // of its ban, or in observe mode of what would be it
	waits               uint8     // in a row, up to 2: it has waited 1 and 2 s
	waiting             uint8     // callers who wait now
	abroad              *abroad   // what others have seen, nil for nothing
}

// decay brings the sums to a time.
func (h *household) decay(now, half time.Duration) {
	if now > h.at {
		lives := float64(now-h.at) / float64(half)
		left := math.Exp2(-lives)
		h.strong *= left
		h.weak *= left
		trusted := math.Exp2(-lives / trustLives)
		h.trust *= trusted
		if h.abroad != nil {
			for _, f := range h.abroad.of {
				f.strong *= left
				f.weak *= left
				f.trust *= trusted
			}
		}
		h.at = now
	}
	if h.strong+h.weak < least {
		h.seen = tally{}
	}
}

// add takes evidence of the kind with that number.
func (h *household) add(i int) {
	h.seen.add(i)
	if kinds[i].weak {
		h.weak = min(h.weak+kinds[i].points, weakMost)
	} else {
		h.strong += kinds[i].points
	}
}

// sums returns what speaks against the household and what speaks for it, wherever it was
// seen.
func (h *household) sums() (against, trust float64) {
	f := h.far()
	return h.strong + f.strong + min(h.weak+f.weak, weakMost), min(h.trust+f.trust, trustMost)
}

// score is what speaks against the household, never negative.
func (h *household) score() float64 {
	against, trust := h.sums()
	return max(0, against-trust)
}

// isTrusted reports whether people call from there.
func (h *household) isTrusted() bool {
	_, trust := h.sums()
	return trust >= trustLeast
}

// worth is how much would be forgotten with the household.
func (h *household) worth() float64 { return max(h.sums()) }

// words says why the household is slowed or banned.
func (h *household) words() string {
	all := h.tally()
	return fmt.Sprintf("score %.0f: %s", h.score(), all.words())
}

// A Household is what speaks against one, for operators.
type Household struct {
	Network  netip.Prefix `json:"network"`
	Score    float64      `json:"score"`
	Abroad   float64      `json:"abroad,omitzero"` // points against it of what other gateways have seen, in the score already
	Trust    float64      `json:"trust"`           // points that calls of people have earned, taken off already
	State    State        `json:"state"`
	Until    time.Time    `json:"until,omitzero"` // the ban holds
	Evidence map[Kind]int `json:"evidence"`       // how often it was seen
}

// A State says what a household comes to.
type State string

const (
	Watched State = "watched" // nothing yet
	Slowed  State = "slowed"  // its callers wait before they are answered
	Banned  State = "banned"  // they are kept out; in observe mode they would be
)
