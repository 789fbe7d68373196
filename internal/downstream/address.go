package downstream

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"moip/internal/session"
)

// An Address is where a Listener listens, and what lines its callers have.
type Address struct {
	Scheme string // ws, telnet or tcp
	Host   string // "" for all addresses, IPv4 and IPv6
	Port   string // from 0 to 65535, 0 for any that is free
	Speed  int    // one of session.Speeds, or 0 if the lines set their own
}

// ParseAddress reads the URI of a Listener: ws://HOST:PORT, telnet://HOST:PORT or
// tcp://HOST:PORT, each perhaps with ?speed=1200.
func ParseAddress(uri string) (a Address, err error) {
	u, err := url.Parse(uri)
	if err != nil || !strings.Contains(uri, "://") {
		return a, fmt.Errorf("%.60q is not a URI (write ws://:9001, or ws://[::1]:9001)", uri)
	}
	bare := url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), u.Port()), RawQuery: u.RawQuery}
	_, noPort := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case !slices.Contains([]string{"ws", "telnet", "tcp"}, u.Scheme):
		return a, fmt.Errorf("unknown scheme %.60q (use ws, telnet or tcp)", u.Scheme)
	case noPort != nil:
		return a, fmt.Errorf("%.60q has no port from 0 to 65535 (write %s://:9001)", uri, u.Scheme)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	query := u.Query()
	speed, err := speedOf(query)
	switch query.Del("speed"); {
	case u.String() != bare.String(), len(query) > 0:
		bare.RawQuery = ""
		return a, fmt.Errorf("%.60q is not a host and a port alone (write %.60s, perhaps with ?speed=1200)", uri, &bare)
	case !isHost(u.Hostname()):
		return a, fmt.Errorf("%.60q is not a host (write 127.0.0.1, [::1], a name, or none for all addresses)", u.Hostname())
	}
	return Address{Scheme: u.Scheme, Host: u.Hostname(), Port: u.Port(), Speed: speed}, err
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) < 254 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	})
}

// speedOf returns the speed that a query asks for, 0 if it asks for none.
func speedOf(query url.Values) (int, error) {
	text := query.Get("speed")
	if text == "" || text == "0" {
		return 0, nil
	}
	speed, err := strconv.Atoi(text)
	if err != nil || !slices.Contains(session.Speeds, speed) {
		return 0, fmt.Errorf("%.60q is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)", text)
	}
	return speed, nil
}
