package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"moip/internal/discreet"
	"moip/internal/session"
	"moip/internal/transport"
)

// A scheme says how a service is spoken with.
type scheme struct {
	protocol string // ws, telnet or tcp
	port     string // where it is unless the URL says so; plain TCP has none
	tls      bool
}

var schemes = map[string]scheme{
	"ws": {"ws", "80", false}, "wss": {"ws", "443", true},
	"telnet": {"telnet", "23", false}, "telnets": {"telnet", "992", true},
	"tcp": {"tcp", "", false}, "tcps": {"tcp", "", true},
}

// Protocol returns what is spoken at a URL, with TLS or without: ws, telnet or tcp, or ""
// if its scheme is none of a service's.
func Protocol(url string) string {
	name, _, _ := strings.Cut(strings.ToLower(url), ":")
	return schemes[name].protocol
}

// Check reports whether r is well-formed: whether it may be dialled, not
// whether somebody answers.
//
// The URL is ws://HOST[:PORT][/PATH][?QUERY], telnet://HOST[:PORT] or tcp://HOST:PORT,
// or with TLS wss, telnets or tcps. It may also be written as terminal programs do,
// tcp:HOST:PORT or ws:HOST:PORT:/PATH.
func Check(r session.Route) error {
	_, err := check(r)
	return err
}

// check is Check, and returns the URL in the usual form.
func check(r session.Route) (*url.URL, error) {
	u, err := parse(r.URL)
	if err != nil {
		return nil, err
	}
	for _, name := range r.Subprotocols {
		if !transport.IsSubprotocol(name) {
			return nil, fmt.Errorf("%s: %q is no name for a subprotocol", display(u), name)
		}
	}
	if strings.ContainsFunc(r.Origin, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%s: %q is no origin", display(u), r.Origin)
	}
	switch r.Frames {
	case session.FramesAuto, session.FramesText, session.FramesBinary:
	default:
		return nil, fmt.Errorf("%s: the frames are %q, not text or binary", display(u), r.Frames)
	}
	if err := checkRealIP(u, r); err != nil {
		return nil, err
	}
	return u, nil
}

// parse reads a URL.
func parse(raw string) (*url.URL, error) {
	u, err := url.Parse(usual(raw))
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // the rest may hold a password
		}
		if strings.Contains(raw, "@") { // and so may what is taken for the port
			return nil, errors.New("a URL that cannot be read (in a name or a password, write / as %2F, ? as %3F, # as %23 and % as %25)")
		}
		return nil, fmt.Errorf("a URL that cannot be read: %w", err)
	}
	fault := func(format string, a ...any) (*url.URL, error) {
		return nil, fmt.Errorf("%s: %s", display(u), fmt.Sprintf(format, a...))
	}
	_, known := schemes[u.Scheme]
	port := portOf(u)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case !known:
		return fault("the scheme is %q, not ws, wss, telnet, telnets, tcp or tcps", u.Scheme)
	case u.Hostname() == "":
		return fault("there is no host")
	case strings.ContainsAny(u.Hostname(), "[]"):
		return fault("%q is no host", u.Hostname())
	case port == "":
		return fault("there is no port")
	case portErr != nil || number == 0:
		return fault("the port is not from 1 to 65535")
	case u.Fragment != "":
		return fault("there is a fragment") // RFC 6455, section 3
	case !isWeb(u) && strings.Trim(u.Path, "/")+u.RawQuery != "":
		return fault("there is more than a host and a port")
	case strings.Contains(u.RawQuery, " "):
		return fault("there is a blank in the query")
	}
	return u, nil
}

func isWeb(u *url.URL) bool { return schemes[u.Scheme].protocol == "ws" }

// usual turns SCHEME:HOST:PORT:/PATH into a URL.
func usual(raw string) string {
	name, rest, _ := strings.Cut(raw, ":")
	if _, known := schemes[name]; !known || strings.HasPrefix(rest, "//") {
		return raw
	}
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = strings.TrimSuffix(rest[:i], ":"), rest[i:]
	}
	return name + "://" + host + path
}

// address returns what to dial for u.
func address(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), portOf(u))
}

// Same reports whether two URLs lead to one place: however their hosts are written, with
// a port or without, and whoever calls.
func Same(a, b string) bool {
	u, err := parse(a)
	if err != nil {
		return false
	}
	v, err := parse(b)
	return err == nil && u.Scheme == v.Scheme && hostOf(u) == hostOf(v) && portOf(u) == portOf(v) &&
		cmp.Or(u.EscapedPath(), "/") == cmp.Or(v.EscapedPath(), "/") && u.RawQuery == v.RawQuery
}

// hostOf returns the host in the one form that the DNS knows.
func hostOf(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

func portOf(u *url.URL) string { return cmp.Or(u.Port(), schemes[u.Scheme].port) }

// display returns u as package discreet shows it.
func display(u *url.URL) string {
	if u.Scheme == "" {
		return u.Path
	}
	if u.Host == "" && u.Opaque == "" { // which String leaves out, slashes and all
		return u.Scheme + "://" + u.Path
	}
	return discreet.URL(u.String())
}
