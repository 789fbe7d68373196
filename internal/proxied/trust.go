package proxied

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"moip/internal/policy"
)

// A Header is that of the requests of HTTP by which proxies tell who calls.
type Header string

const (
	HeaderNone    Header = "none"
	XForwardedFor Header = "x-forwarded-for" // addresses between commas, the nearest proxy's word last
	Forwarded     Header = "forwarded"       // the same as RFC 7239 writes it
	XRealIP       Header = "x-real-ip"       // one address
)

// A Trust says whom to believe, and what. The zero Trust believes nobody. It is not
// changed while it is used.
type Trust struct {
	Networks []netip.Prefix // of the proxies, as policy.Normal has them
	Header   Header         // of requests; "" is HeaderNone
}

// Trusts reports whether who connects from an address is a proxy that is believed.
func (t *Trust) Trusts(a netip.Addr) bool {
	a = policy.Bare(a)
	return slices.ContainsFunc(t.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Caller returns who makes a request that has come from an address with some headers: from
// there, back along the proxies that are trusted, each of which tells of the one before it,
// to the first that is not. Behind it, anybody may have written anything. If all are
// trusted, it is the farthest; if one does not know (unknown, _hidden), it is the last
// that is known. The port is 0 if it is not told.
//
// It fails if what a trusted proxy says cannot be understood: whom the request comes from
// is then not known, and a caller who can bring that about must not pass for the proxy.
func (t *Trust) Caller(at netip.AddrPort, said http.Header) (netip.AddrPort, error) {
	if !t.Trusts(at.Addr()) {
		return at, nil
	}
	for hop, err := range t.hops(said) {
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%s of %v: %w", t.Header, at.Addr(), err)
		}
		if !hop.IsValid() {
			return at, nil
		}
		if at = hop; !t.Trusts(at.Addr()) {
			return at, nil
		}
	}
	return at, nil
}

// hops yields what proxies have said, the nearest first. What is behind the last that is
// asked for is not looked at, but in the same line of Forwarded.
func (t *Trust) hops(said http.Header) func(yield func(netip.AddrPort, error) bool) {
	return func(yield func(netip.AddrPort, error) bool) {
		for _, line := range slices.Backward(t.lines(said)) {
			nodes, err := t.nodes(line)
			if err != nil {
				yield(netip.AddrPort{}, err)
				return
			}
			for _, node := range slices.Backward(nodes) {
				// What is empty does not count (RFC 9110, section 5.6.1.2).
				if node != "" && !yield(parseNode(node)) {
					return
				}
			}
		}
	}
}

func (t *Trust) lines(said http.Header) []string {
	switch t.Header {
	case XForwardedFor:
		return said["X-Forwarded-For"]
	case Forwarded:
		return said["Forwarded"]
	case XRealIP: // a proxy that adds it to another, and does not replace that, adds it behind
		lines := said["X-Real-Ip"]
		return lines[max(0, len(lines)-1):]
	}
	return nil
}

// nodes returns who is named on a line, the nearest last, and "" for nobody.
func (t *Trust) nodes(line string) ([]string, error) {
	if t.Header == Forwarded {
		return forwarders(line)
	}
	nodes := strings.Split(line, ",")
	for i, node := range nodes {
		nodes[i] = strings.Trim(node, " \t")
	}
	return nodes, nil
}

// forwarders returns the nodes that the elements of a line say the requests came from
// (RFC 7239, section 4), "unknown" where one does not say.
func forwarders(line string) (nodes []string, err error) {
	node, element := "", false
	for rest := line; ; {
		var name, value string
		var end byte
		if name, value, end, rest, err = pair(rest); err != nil {
			return nil, err
		}
		if strings.EqualFold(name, "for") {
			if node != "" {
				return nil, errors.New("an element has for twice")
			}
			if node = value; value == "" {
				return nil, errors.New("for is empty")
			}
		}
		element = element || name != ""
		if end == ';' {
			continue
		}
		if element && node == "" {
			node = "unknown"
		}
		nodes = append(nodes, node) // "" for an empty element
		node, element = "", false
		if end == 0 {
			return nodes, nil
		}
	}
}

// pair reads a pair such as for="[2001:db8::7]" at the beginning of s, or nothing, and
// what ends it: a semicolon, a comma, or 0 for the end of s. Blanks around it are
// forgiven, and so are characters that should be in quotes.
func pair(s string) (name, value string, end byte, rest string, err error) {
	const blank = " \t"
	s = strings.TrimLeft(s, blank)
	i := strings.IndexAny(s, "=;,\"")
	if i >= 0 && s[i] == '=' {
		name, s = s[:i], s[i+1:]
		if value, s, err = word(s); err != nil {
			return "", "", 0, "", err
		}
		if name == "" || strings.ContainsAny(name, blank) {
			return "", "", 0, "", fmt.Errorf("%.60q is no name", name)
		}
	}
	s = strings.TrimLeft(s, blank)
	switch {
	case s == "":
		return name, value, 0, "", nil
	case s[0] == ';' || s[0] == ',':
		return name, value, s[0], s[1:], nil
	}
	return "", "", 0, "", fmt.Errorf("at %.60q there is neither a pair nor a separator", s)
}

// word reads a token or a quoted string (RFC 9110, section 5.6.4) at the beginning of s.
func word(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		if end := strings.IndexAny(s, " \t;,\""); end >= 0 {
			return s[:end], s[end:], nil
		}
		return s, "", nil
	}
	var said strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return said.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				continue
			}
		}
		said.WriteByte(s[i])
	}
	return "", "", errors.New("a quotation has no end")
}

// parseNode reads who is named by a node (RFC 7239, section 6), or by what proxies write
// instead: 192.0.2.7, 192.0.2.7:4000, 2001:db8::7, [2001:db8::7]:4000. For "unknown", and
// for what is hidden behind a name, it returns an address that is not valid.
func parseNode(s string) (netip.AddrPort, error) {
	host, port, hasPort := s, "", false
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 || end+1 < len(s) && s[end+1] != ':' {
			return netip.AddrPort{}, noNode(s)
		}
		host = s[1:end]
		_, port, hasPort = strings.Cut(s[end+1:], ":")
	case strings.Count(s, ":") == 1:
		host, port, hasPort = strings.Cut(s, ":")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if hasPort && err != nil && !isHidden(port) {
		return netip.AddrPort{}, noNode(s)
	}
	if s[0] != '[' && (strings.EqualFold(host, "unknown") || isHidden(host)) {
		return netip.AddrPort{}, nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil || s[0] == '[' && a.Is4() {
		return netip.AddrPort{}, noNode(s)
	}
	return bare(netip.AddrPortFrom(a, uint16(number))), nil
}

func noNode(s string) error { return fmt.Errorf("%.60q is no address", s) }

// isHidden reports whether s is an obfuscated identifier (RFC 7239, section 6.3).
func isHidden(s string) bool {
	return len(s) > 1 && s[0] == '_' && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// Node returns an address as the header Forwarded names it, without its port: 192.0.2.7
// or, in quotes, "[2001:db8::7]" (RFC 7239, section 6), or unknown.
func Node(a netip.AddrPort) string {
	switch a := bare(a).Addr(); {
	case !a.IsValid():
		return "unknown"
	case a.Is4():
		return a.String()
	default:
		return `"[` + a.String() + `]"`
	}
}
