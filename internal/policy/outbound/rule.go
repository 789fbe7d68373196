package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"moip/internal/policy"
	"moip/internal/session"
)

// A Rule is about services: [SCHEME://]WHERE[:PORT[-PORT]].
//
//   - everything
//     example.org      that host, by this name
//     *.example.org    those below, by their names
//     192.0.2.0/24     an address or a network, by whatever name; in [] before a port if IPv6
//     local            this machine, and private networks
//     directory        what the gateway's directory has; alone
//
// The scheme is ws, wss, telnet, telnets, tcp or tcps. Case does not matter.
type Rule struct {
	text     string
	scheme   string // "" for all
	kind     kind
	name     string // of names, and those below
	network  netip.Prefix
	from, to uint16 // ports; 0 for all
}

type kind int

const (
	everything kind = iota
	oneName
	namesBelow
	network
	local
	directory
)

func (r Rule) String() string { return r.text }

// IsDirectory reports whether the rule is about what the directory has.
func (r Rule) IsDirectory() bool { return r.kind == directory }

func (r Rule) isOfAddresses() bool { return r.kind == network || r.kind == local }

// maxRule bounds the length of a rule; a name of the DNS has 253 bytes at most.
const maxRule = 300

// ParseRule reads a Rule.
func ParseRule(text string) (Rule, error) {
	r := Rule{text: text}
	fault := func(err error) (Rule, error) {
		return Rule{}, fmt.Errorf("%.60q: %w (write *, example.org, *.example.org, 192.0.2.0/24, local or directory, as in wss://*.example.org:443)", text, err)
	}
	if len(text) > maxRule {
		return fault(fmt.Errorf("longer than %d bytes", maxRule))
	}
	where := strings.ToLower(text)
	if scheme, rest, has := strings.Cut(where, "://"); has {
		if !slices.Contains([]string{"ws", "wss", "telnet", "telnets", "tcp", "tcps"}, scheme) {
			return fault(fmt.Errorf("the scheme is %q, not ws, wss, telnet, telnets, tcp or tcps", scheme))
		}
		r.scheme, where = scheme, rest
	}
	where, ports, err := cutPorts(where)
	if err == nil && ports != "" {
		r.from, r.to, err = parsePorts(ports)
	}
	if err == nil {
		err = r.setWhere(where)
	}
	if err == nil && r.kind == directory && where != strings.ToLower(text) {
		err = errors.New("directory has neither scheme nor port")
	}
	if err != nil {
		return fault(err)
	}
	return r, nil
}

// cutPorts divides a rule at the colon before the ports. An address or a network of IPv6
// has colons of its own, and brackets if ports follow.
func cutPorts(text string) (where, ports string, err error) {
	if inside, ok := strings.CutPrefix(text, "["); ok {
		where, rest, closed := strings.Cut(inside, "]")
		ports, has := strings.CutPrefix(rest, ":")
		switch {
		case !closed, rest != "" && !has, has && ports == "":
			return "", "", errors.New("the brackets are for an address or a network, with a port behind them")
		case !strings.Contains(where, ":"):
			return "", "", fmt.Errorf("%q is no address of IPv6", where)
		}
		return where, ports, nil
	}
	if strings.Count(text, ":") > 1 {
		return text, "", nil
	}
	where, ports, has := strings.Cut(text, ":")
	if has && ports == "" {
		return "", "", errors.New("there is no port behind the colon")
	}
	return where, ports, nil
}

// parsePorts reads a port or two.
func parsePorts(text string) (from, to uint16, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return 0, 0, fmt.Errorf("the port is %q, not from 1 to 65535, nor two as in 8000-8999", text)
	}
	return uint16(a), uint16(b), nil
}

// setWhere reads what is neither scheme nor ports.
func (r *Rule) setWhere(where string) (err error) {
	switch where {
	case "*":
		r.kind = everything
		return nil
	case "local":
		r.kind = local
		return nil
	case "directory":
		r.kind = directory
		return nil
	}
	if strings.ContainsAny(where, ":/") || isNumber(where[strings.LastIndexByte(where, '.')+1:]) {
		r.kind = network
		r.network, err = policy.ParseNetwork(where)
		return err
	}
	r.kind, r.name = oneName, normalName(where)
	if below, ok := strings.CutPrefix(r.name, "*."); ok {
		r.kind, r.name = namesBelow, below
	}
	return checkName(r.name)
}

// isNumber reports whether the last part of a host makes it an address, or an attempt at
// one: 127.1, 2130706433 and 0x7f.1 are no names (RFC 3696, 2).
func isNumber(last string) bool {
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || last != "" && strings.Trim(last, "0123456789") == ""
}

// checkName reports why name is none of the DNS, where names that have other letters are
// written with xn--.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return errors.New("there is no name")
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "" || len(label) > 63:
			return fmt.Errorf("%q is no name", name)
		case strings.Contains(label, "*"):
			return errors.New("* stands alone, or before all of a name as in *.example.org")
		case strings.ContainsFunc(label, func(c rune) bool { return c > '~' }):
			return fmt.Errorf("%q has letters that the DNS does not know: write it as it has it, with xn--", name)
		case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
			return fmt.Errorf("%q is no name", name)
		}
	}
	return nil
}

// An answer is whether a rule fits.
type answer int

const (
	no    answer = iota
	maybe        // it depends on the address
	yes
)

// fits says whether the rule fits t, whose Host is normal.
func (r Rule) fits(t Target) answer {
	port := t.At.Port()
	if r.scheme != "" && r.scheme != t.Scheme || r.to != 0 && (port < r.from || port > r.to) {
		return no
	}
	switch r.kind {
	case everything:
		return yes
	case oneName:
		return is(t.Host == r.name)
	case namesBelow:
		return is(strings.HasSuffix(t.Host, "."+r.name))
	case directory:
		return t.isListed()
	}
	a := t.At.Addr()
	if !a.IsValid() {
		return maybe
	}
	forms := formsOf(a)
	if r.kind == local {
		return is(isLocal(forms))
	}
	return is(slices.ContainsFunc(forms, r.network.Contains))
}

// isListed says whether t is in the directory. What is there because somebody elsewhere
// says so leads to no address of this house, whoever names it.
func (t Target) isListed() answer {
	if t.Author != session.AuthorOther {
		return yes
	}
	if t.Listed == nil {
		return no
	}
	by, ok := t.Listed()
	switch a := t.At.Addr(); {
	case !ok, by == session.AuthorImport && a.IsValid() && isLocal(formsOf(a)):
		return no
	case by == session.AuthorImport && !a.IsValid():
		return maybe
	}
	return yes
}

func is(so bool) answer {
	if so {
		return yes
	}
	return no
}
