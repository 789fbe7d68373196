package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/upstream"
	"moip/videotex"
)

const (
	maxPing  = 24 * time.Hour
	maxDial  = 5 * time.Minute
	maxStart = 256 // bytes
)

// A Route is how to reach a service, as files write it.
type Route struct {
	// URL is where the service is: ws://, telnet:// or tcp://, with TLS wss://,
	// telnets:// or tcps://; or
	// replay:PATH, for a recording or a folder of them, relative to the file that
	// names it, perhaps with ?speed=1200, 2x or max.
	URL string `toml:"url" json:"-"`

	// Ping is the silence after which a WebSocket ping is sent, for services
	// that answer pings: none, or 100ms to 24h. Default none.
	Ping Duration `toml:"ping" json:"ping"`

	// Subprotocols are the WebSocket subprotocols offered, the dearest first, 8
	// at most. Default none.
	Subprotocols []string `toml:"subprotocols" json:"subprotocols"`

	// Frames says what WebSocket frames carry: text, binary, or auto for binary
	// if the subprotocol agreed is "binary" and text otherwise. Default auto.
	Frames Frames `toml:"frames" json:"frames"`

	// Fin is how Connexion/Fin is told: 49 for SEP 4/9, as from a Minitel's
	// line, 59 for SEP 5/9, as from its socket, or close for nothing but the
	// end of the connection. Default 49.
	Fin Fin `toml:"fin" json:"fin"`

	// DialTimeout is how long the service may take to accept a call: 100ms to 5m,
	// or 0 for the gateway's limit. Default 0.
	DialTimeout Duration `toml:"dial_timeout" json:"dial_timeout"`

	// Origin is the WebSocket Origin header, as in https://example.org. Default
	// none.
	Origin string `toml:"origin" json:"origin"`

	// CA is a file of PEM certificates to trust instead of the system's,
	// relative to the file that names it. Default none.
	CA string `toml:"ca" json:"-"`

	// Start is what is typed for the caller once the service is reached, with
	// the names of function keys in angle brackets: GUEST<Envoi>; see
	// videotex.Keys. It is sent as it stands, whatever Case says, and not shown.
	// Up to 256 bytes as they are sent. Default none.
	Start string `toml:"start" json:"start"`

	// Echo is for a service that leaves it to the terminal to show what is
	// typed: the gateway then shows characters, and goes to a new line on CR.
	// Default false.
	Echo bool `toml:"echo" json:"echo"`

	// Case is the case in which the service wants its letters: upper, lower, or
	// typed for as they come. Default typed.
	Case Case `toml:"case" json:"case"`

	// RealIP is how the service learns the address of the caller:
	// x-forwarded-for or forwarded (RFC 7239) for that header, which only a WebSocket
	// has, proxy-v1, or proxy, for a line of the PROXY protocol, version 1, before all
	// else, proxy-v2 for its version 2, send-location for that option of telnet (RFC
	// 779), or none. Default none.
	RealIP RealIP `toml:"real_ip" json:"real_ip"`

	// Speed is that of the line on which callers see the service, if theirs is no
	// slower: 300, 1200, 4800 or 9600 bit/s, or 0 for none. Default 0.
	Speed int `toml:"speed" json:"speed"`

	// Record has visits to the service recorded, in the folder of the gateway's
	// recordings. Default false.
	Record bool `toml:"record" json:"record"`
}

// Session returns the route under name or, if that is empty, under its URL: the owner's,
// as files are.
func (r Route) Session(name string) session.Route {
	if name == "" {
		name = r.URL
	}
	start, _ := videotex.Keys(r.Start)
	return session.Route{
		Name:         name,
		URL:          r.URL,
		Ping:         time.Duration(r.Ping),
		Subprotocols: r.Subprotocols,
		Frames:       r.Frames.session(),
		Fin:          r.Fin.session(),
		DialTimeout:  time.Duration(r.DialTimeout),
		Origin:       r.Origin,
		CA:           r.CA,
		Start:        string(start),
		Echo:         r.Echo,
		Case:         r.Case.session(),
		RealIP:       r.RealIP.session(),
		Speed:        r.Speed,
		Record:       r.Record,
		Author:       session.AuthorOwner,
	}
}

// Check reports what is wrong with the route to fault, by key.
func (r Route) Check(fault func(key, format string, args ...any)) {
	if r.URL == "" {
		fault("url", `is missing (write url = "ws://...", or wss, telnet, telnets, tcp, tcps)`)
	} else if recording.IsRoute(r.URL) {
		if _, _, err := recording.ParseRoute(r.URL); err != nil {
			fault("url", "%v", err)
		}
	} else if err := upstream.Check(session.Route{URL: r.URL}); err != nil {
		fault("url", "%v", err)
	} else {
		r.checkRealIP(fault)
	}
	r.checkOptions(fault)
}

// checkRealIP wants a service to be one that can be told so who calls.
func (r Route) checkRealIP(fault report) {
	protocol := upstream.Protocol(r.URL)
	switch r.RealIP {
	case "x-forwarded-for", "forwarded":
		if protocol != "ws" {
			fault("real_ip", "only a WebSocket has headers (use proxy-v1, proxy-v2 or none, or a ws or wss URL)")
		}
	case "send-location":
		if protocol != "telnet" {
			fault("real_ip", "only telnet has that option (use proxy-v1, proxy-v2 or none, or a telnet URL)")
		}
	}
}

// checkOptions is Check but for the URL.
func (r Route) checkOptions(fault report) {
	r.Ping.check(fault, "ping", maxPing)
	if err := checkSubprotocols(r.Subprotocols); err != nil {
		fault("subprotocols", "%v", err)
	}
	if !slices.Contains([]Frames{"", "auto", "text", "binary"}, r.Frames) {
		fault("frames", "%.60q is unknown (use auto, text or binary)", r.Frames)
	}
	if !slices.Contains([]Fin{"", "49", "59", "close"}, r.Fin) {
		fault("fin", "%.60q is unknown (use 49, 59 or close)", r.Fin)
	}
	r.DialTimeout.check(fault, "dial_timeout", maxDial)
	if r.Origin != "" && !isOrigin(r.Origin) {
		fault("origin", "%.60q is not an origin (write https://example.org)", r.Origin)
	}
	if start, err := videotex.Keys(r.Start); err != nil {
		fault("start", "%v", err)
	} else if len(start) > maxStart {
		fault("start", "is %d bytes long as it is sent (%d are the most)", len(start), maxStart)
	}
	if !slices.Contains([]Case{"", "typed", "upper", "lower"}, r.Case) {
		fault("case", "%.60q is unknown (use typed, upper or lower)", r.Case)
	}
	if !slices.Contains([]RealIP{"", "none", "x-forwarded-for", "forwarded", "proxy", "proxy-v1", "proxy-v2", "send-location"}, r.RealIP) {
		fault("real_ip", "%.60q is unknown (use none, x-forwarded-for, forwarded, proxy-v1, proxy-v2 or send-location)", r.RealIP)
	}
	if r.Speed != 0 && !slices.Contains(session.Speeds, r.Speed) {
		fault("speed", "%d is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)", r.Speed)
	}
}

// isOrigin reports whether s is the origin of a page (RFC 6454 section 6.2):
// scheme, host and perhaps port.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && s == u.Scheme+"://"+u.Host && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7F
	})
}

// checkSubprotocols wants unique tokens, as RFC 6455 section 4.1 item 10 does.
func checkSubprotocols(names []string) error {
	if len(names) > 8 {
		return fmt.Errorf("%d are too many (offer 8 at most)", len(names))
	}
	for i, name := range names {
		if !isToken(name) {
			return fmt.Errorf(`%.60q is not a subprotocol (write it in ASCII without blanks, as in "tty")`, name)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%q is there twice (offer it once)", name)
		}
	}
	return nil
}

// isToken reports whether s is a token of RFC 2616 section 2.2, of at most 64
// bytes.
func isToken(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7F || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// Subprotocols reads PyMoIP's form of a list of subprotocols, ["binary","tty"],
// and a plain binary,tty. PyMoIP's [""] is an empty list, as its [] is.
func Subprotocols(s string) ([]string, error) {
	list := strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(list, "["); ok {
		if list, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, fmt.Errorf(`%.60q has no end (write ["binary","tty"])`, s)
		}
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = unquote(strings.TrimSpace(name))
		if name != "" {
			names = append(names, name)
		}
	}
	if err := checkSubprotocols(names); err != nil {
		return nil, err
	}
	return names, nil
}

// unquote removes a pair of quotation marks.
func unquote(s string) string {
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return s[1 : n-1]
	}
	return s
}

// Interval reads PyMoIP's form of a ping interval, None or seconds up to 86400,
// and a Go duration. Nothing is None.
func Interval(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return 0, nil
	}
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s"
	}
	var d Duration
	if err := d.UnmarshalText([]byte(text)); err != nil || !d.within(maxPing) {
		return 0, fmt.Errorf("%.60q is not an interval (write None, seconds from 0 to 86400, or 10s)", s)
	}
	return time.Duration(d), nil
}
