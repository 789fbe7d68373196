package trace

import (
	"fmt"
	"net/netip"
	"strconv"

	"moip/internal/policy"
	"moip/internal/session"
)

// A Target says which calls are meant: one by its number, or all from an address or a
// network.
type Target struct {
	call session.ID // 0 if it is not by number
	from netip.Prefix
}

// ParseTarget reads 17, 192.0.2.1, 2001:db8::1 or 192.0.2.0/24.
func ParseTarget(s string) (t Target, err error) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && n > 0 {
		return Target{call: session.ID(n)}, nil
	}
	if t.from, err = policy.ParseNetwork(s); err != nil {
		return t, fmt.Errorf("%.50q is neither the number of a call, nor an address, nor a network as 192.0.2.0/24", s)
	}
	return t, nil
}

// Call returns the number of the call that is meant, 0 if it is not one alone.
func (t Target) Call() session.ID { return t.call }

// has reports whether a call is meant.
func (t Target) has(id session.ID, from netip.AddrPort) bool {
	return t.call != 0 && id == t.call || t.from.IsValid() && t.from.Contains(policy.Bare(from.Addr()))
}

// Legs are those of which a trace tells.
type Legs [3]bool

// AllLegs are all.
var AllLegs = Legs{true, true, true}

// ParseLegs reads caller, portal, service or all, which is meant by "" too.
func ParseLegs(s string) (l Legs, err error) {
	for leg := session.LegCaller; int(leg) < len(l); leg++ {
		if s == "" || s == "all" || s == leg.String() {
			l[leg] = true
		}
	}
	if l == (Legs{}) {
		return l, fmt.Errorf("%.20q is no leg of a call (use caller, portal, service or all)", s)
	}
	return l, nil
}
