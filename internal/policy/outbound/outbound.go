// Package outbound is where callers may be sent: rules about services, by scheme, name,
// address and port. It knows rules and addresses, and dials nothing.
package outbound

import (
	"fmt"
	"net/netip"
	"strings"

	"moip/internal/policy"
	"moip/internal/session"
)

// A Target is a service that a caller is to be sent to, or one of the addresses of its
// name. While the address is not known, At has the port alone.
type Target struct {
	Author session.Author
	Scheme string // ws, wss, telnet or tcp
	Host   string // name or address, as the URL has it, without brackets
	At     netip.AddrPort
	Listed func() bool // whether the directory has that very URL, nil for no directory
}

// A Policy says where callers may be sent. It is never changed, and may be used from any
// goroutine.
//
// A route that the gateway's own files have goes where these say, but for the operators'
// door; and if they name a host, its owner may not lead it to an address that nobody
// wants. All others have to be where a rule of Allow fits and none of Deny does; and
// routes that are imported from elsewhere lead to no address of this house.
type Policy struct {
	Allow, Deny []Rule
	Doors       []netip.AddrPort // where the gateway itself answers callers
	Admin       []netip.AddrPort // where it answers operators
}

// Reason is why a Target is refused, in a word.
type Reason string

const (
	ReasonDeny     Reason = "deny"     // a rule of Deny fits
	ReasonAllow    Reason = "allow"    // no rule of Allow does
	ReasonReserved Reason = "reserved" // an address that nobody wants: link-local, metadata, multicast and such
	ReasonImport   Reason = "import"   // an imported route leads into this house
	ReasonGateway  Reason = "gateway"  // it is the gateway itself
)

// A Refusal is why a caller may not be sent somewhere. It is session.ErrForbidden.
type Refusal struct {
	Reason Reason
	Rule   string // what it goes by, as people read it
	Place  string // host or address, and port
}

func (r *Refusal) Error() string { return r.Place + " is refused: " + r.Rule }

// Is makes it session.ErrForbidden.
func (r *Refusal) Is(target error) bool { return target == session.ErrForbidden }

// Judge returns a *Refusal if t may not be dialled. While the address is not known, that is
// so only if no address would change it: Judge wants to be asked again for each.
func (p *Policy) Judge(t Target) error {
	literal, err := netip.ParseAddr(t.Host)
	isLiteral := err == nil
	if isLiteral && !t.At.Addr().IsValid() {
		t.At = netip.AddrPortFrom(literal, t.At.Port())
	}
	t.Host = normalName(t.Host)
	refuse := func(reason Reason, rule string) error { return &Refusal{reason, rule, t.place()} }

	if a := t.At.Addr(); a.IsValid() {
		forms := formsOf(a)
		if isAt(p.Admin, forms, t.At.Port()) {
			return refuse(ReasonGateway, "there operators reach the gateway")
		}
		if what := reserved(forms); what != "" && !(t.Author == session.AuthorOwner && isLiteral) {
			return refuse(ReasonReserved, what)
		}
		if t.Author != session.AuthorOwner && isAt(p.Doors, forms, t.At.Port()) {
			return refuse(ReasonGateway, "there the gateway itself answers")
		}
		if t.Author == session.AuthorImport && isLocal(forms) {
			return refuse(ReasonImport, "an imported directory leads to no address of this house")
		}
	}
	if t.Author == session.AuthorOwner {
		return nil
	}
	for _, rule := range p.Deny {
		if rule.fits(t) == yes {
			return refuse(ReasonDeny, fmt.Sprintf("deny has %q", rule))
		}
	}
	for _, rule := range p.Allow {
		if rule.fits(t) != no {
			return nil
		}
	}
	return refuse(ReasonAllow, "no rule of allow fits")
}

// place is where t is, for people.
func (t Target) place() string {
	host := t.Host
	if a := t.At.Addr(); a.IsValid() {
		host = a.Unmap().String()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%.253s:%d", host, t.At.Port())
}

// normalName is the one way to write a name of the DNS, which knows neither case nor the
// dot at its end.
func normalName(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// isAt reports whether who dials the port at an address, in any of its forms, reaches one
// of doors. A door at no address in particular is at all of this machine.
func isAt(doors []netip.AddrPort, forms []netip.Addr, port uint16) bool {
	for _, door := range doors {
		if door.Port() != port {
			continue
		}
		at := policy.Bare(door.Addr())
		for _, a := range forms {
			// The kernel takes no address at all for this machine's.
			if a == at || (at.IsUnspecified() || a.IsUnspecified()) && isOurs(a) {
				return true
			}
		}
	}
	return false
}
