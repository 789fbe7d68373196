// Package outbound is where callers may be sent: rules about services, by scheme, name,
// address and port. It knows rules and addresses, and dials nothing.
package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"moip/internal/policy"
	"moip/internal/session"
)

// A Target is a service that a caller is to be sent to, or one of the addresses of its
// name. While the address is not known, At has the port alone.
type Target struct {
	Author session.Author
	Scheme string // ws, wss, telnet, telnets, tcp or tcps
	Host   string // name or address, as the URL has it, without brackets
	At     netip.AddrPort

	// Listed says who wrote that very URL into the directory, if anybody has. It is nil
	// without a directory.
	Listed func() (by session.Author, ok bool)
}

// A Policy says where callers may be sent. It is never changed, and may be used from any
// goroutine.
//
// A route that the gateway's own files have goes where these say, but for the operators'
// door. If they name a host that is not of this house, its owner may not lead it to an
// address that nobody wants, nor to one that Deny has. All others have to be where a rule of Allow fits and none of Deny does; and
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
	t = t.normal()
	if err := p.judgeAddress(t); err != nil {
		return err
	}
	isOwn := t.Author == session.AuthorOwner
	for _, rule := range p.Deny {
		if (!isOwn || rule.isOfAddresses() && !t.isOurName()) && rule.fits(t) == yes {
			return t.refuse(ReasonDeny, fmt.Sprintf("redirect.deny has %q", rule))
		}
	}
	if isOwn {
		return nil
	}
	for _, rule := range p.Allow {
		if rule.fits(t) != no {
			return nil
		}
	}
	return t.refuse(ReasonAllow, "no rule of redirect.allow fits")
}

// JudgeAddress is Judge for what no caller is sent to, as a directory to be fetched: by
// what holds without any rule.
func (p *Policy) JudgeAddress(t Target) error { return p.judgeAddress(t.normal()) }

func (p *Policy) judgeAddress(t Target) error {
	a := t.At.Addr()
	if !a.IsValid() {
		return nil
	}
	isOwn, forms := t.Author == session.AuthorOwner, formsOf(a)
	if isAt(p.Admin, forms, t.At.Port()) {
		return t.refuse(ReasonGateway, "there operators reach the gateway")
	}
	if what := reserved(forms); what != "" && !(isOwn && t.isLiteral()) {
		return t.refuse(ReasonReserved, what)
	}
	if !isOwn && isAt(p.Doors, forms, t.At.Port()) {
		return t.refuse(ReasonGateway, "there the gateway itself answers")
	}
	if t.Author == session.AuthorImport && isLocal(forms) {
		return t.refuse(ReasonImport, "an imported directory leads to no address of this house")
	}
	return nil
}

// normal returns t with its host as the DNS knows it, and the address if that is one.
func (t Target) normal() Target {
	if a, err := netip.ParseAddr(t.Host); err == nil && !t.At.Addr().IsValid() {
		t.At = netip.AddrPortFrom(a, t.At.Port())
	}
	t.Host = normalName(t.Host)
	return t
}

func (t Target) isLiteral() bool {
	_, err := netip.ParseAddr(t.Host)
	return err == nil
}

// isOurName reports whether the host is an address, or a name that nobody from elsewhere
// can have: what it leads to is what whoever wrote it has meant.
func (t Target) isOurName() bool {
	dot := strings.LastIndexByte(t.Host, '.')
	return t.isLiteral() || dot < 0 || strings.HasSuffix(t.Host, ".home.arpa") || // RFC 8375
		slices.Contains([]string{"localhost", "local", "lan", "internal"}, t.Host[dot+1:])
}

func (t Target) refuse(reason Reason, rule string) error { return &Refusal{reason, rule, t.place()} }

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
