package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parseListener reads the URI of a listener, as in Config.Listen.
func parseListener(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || !strings.Contains(uri, "://") {
		return nil, fmt.Errorf("%.60q is not a URI (write ws://:9001, or ws://[::1]:9001)", uri)
	}
	bare := url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), u.Port())}
	_, noPort := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case !slices.Contains([]string{"ws", "telnet", "tcp"}, u.Scheme):
		return nil, fmt.Errorf("unknown scheme %.60q (use ws, telnet or tcp)", u.Scheme)
	case noPort != nil:
		return nil, fmt.Errorf("%.60q has no port from 0 to 65535 (write %s://:9001)", uri, u.Scheme)
	case strings.TrimSuffix(u.String(), "/") != bare.String():
		return nil, fmt.Errorf("%.60q is not a host and a port alone (write %.60s)", uri, &bare)
	case !isHost(u.Hostname()):
		return nil, fmt.Errorf("%.60q is not a host (write 127.0.0.1, [::1], a name, or none for all addresses)", u.Hostname())
	}
	return u, nil
}

// ListenPort returns the URI for scheme of what PyMoIP's flags give, a port or
// a host and port: "9001", "127.0.0.1:9001", "[::1]:9001".
func ListenPort(scheme, s string) (uri string, err error) {
	addr := strings.TrimSpace(s)
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	uri = scheme + "://" + addr
	if _, err := parseListener(uri); err != nil {
		return "", fmt.Errorf("%.60q is not a port (write 9001, 127.0.0.1:9001 or [::1]:9001)", s)
	}
	return uri, nil
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) < 254 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	})
}
