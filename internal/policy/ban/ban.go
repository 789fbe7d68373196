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
)

// A Ban keeps the callers of a network out.
type Ban struct {
	Network netip.Prefix `json:"network"`          // as ParseNetwork returns it
	Reason  string       `json:"reason,omitempty"` // for operators, up to MaxReason characters of a line
	By      By           `json:"by"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until,omitzero"` // zero for ever
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
	network, err := normal(b.Network)
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

// ParseNetwork reads an address or a network: 192.0.2.1, 192.0.2.0/24, 2001:db8::/64.
// Bits behind the prefix are cleared, and an IPv4-mapped IPv6 address is the IPv4
// address: as ::ffff:192.0.2.1 nobody calls.
func ParseNetwork(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	network, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%.60q is neither an address nor a network (write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64)", text)
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	return normal(network)
}

// normal returns a network in the one form in which it is kept.
func normal(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, errors.New("it names no network (write 192.0.2.1/32, 192.0.2.0/24 or 2001:db8::/64)")
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("%v is more than the IPv4 addresses (write 0.0.0.0/0 for all of those)", p)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// Name returns a network as people write it: an address alone without its length.
func Name(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
