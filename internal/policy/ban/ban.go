// Package ban keeps callers out by their addresses: which networks, why, by whom and
// until when. A Table of bans is a value; a List is one that changes, and stays in a
// file.
package ban

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"moip/internal/policy"
)

// A Ban keeps the callers of a network out.
type Ban struct {
	Network netip.Prefix `json:"network"`          // as policy.ParseNetwork returns it
	Reason  string       `json:"reason,omitempty"` // for operators, up to MaxReason characters of a line
	By      By           `json:"by"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until,omitzero"` // zero for ever

	// Gateway is which one of those who have their bans in common has banned the network,
	// "" if the gateway is alone. It is not in the file of bans.
	Gateway string `json:"gateway,omitempty"`
}

// By says who has banned a network.
type By string

const (
	ByOperator By = "operator"
	ByShield   By = "shield" // the gateway itself
	ByImport   By = "import" // a list from elsewhere
)

// MaxReason is how many characters a reason may have.
const MaxReason = 200

// HoldsAt reports whether b has not run out at a time.
func (b Ban) HoldsAt(t time.Time) bool { return b.Until.IsZero() || t.Before(b.Until) }

// outlasts reports whether b holds longer than other.
func (b Ban) outlasts(other Ban) bool {
	return !other.Until.IsZero() && (b.Until.IsZero() || b.Until.After(other.Until))
}

// check returns b as it is kept, or what is wrong with it.
func (b Ban) check() (Ban, error) {
	network, err := policy.Normal(b.Network)
	if err != nil {
		return b, err
	}
	b.Network = network
	b.Since, b.Until = b.Since.UTC().Truncate(time.Millisecond), b.Until.UTC().Truncate(time.Millisecond)
	switch {
	case !slices.Contains([]By{ByOperator, ByShield, ByImport}, b.By):
		return b, fmt.Errorf("%.20q bans nobody (use operator, shield or import)", b.By)
	case utf8.RuneCountInString(b.Reason) > MaxReason:
		return b, fmt.Errorf("the reason has more than %d characters", MaxReason)
	case !utf8.ValidString(b.Reason), strings.ContainsFunc(b.Reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return b, errors.New("the reason has characters that cannot be shown (write one line of text)")
	case b.Since.IsZero():
		return b, errors.New("it does not say since when")
	case !b.HoldsAt(b.Since):
		return b, errors.New("it ends before it begins")
	}
	for _, t := range []time.Time{b.Since, b.Until} {
		if t.Year() > 9999 || t.Year() < 0 {
			return b, fmt.Errorf("the year %d is too far away", t.Year())
		}
	}
	return b, nil
}

// timely returns a ban that has begun by now. One that begins later was made by a clock that
// was ahead: it begins now, and lasts no longer than it was to.
func (b Ban) timely(now time.Time) Ban {
	if early := b.Since.Sub(now); early > time.Minute {
		b.Since = b.Since.Add(-early).Truncate(time.Millisecond)
		if !b.Until.IsZero() {
			b.Until = b.Until.Add(-early).Truncate(time.Millisecond)
		}
	}
	return b
}

// Name returns a network as people write it: an address alone without its length.
func Name(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
