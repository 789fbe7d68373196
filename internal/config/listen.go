package config

import (
	"fmt"
	"strings"

	"moip/internal/downstream"
)

// ListenPort returns the URI for scheme of what PyMoIP's flags give, a port or
// a host and port: "9001", "127.0.0.1:9001", "[::1]:9001".
func ListenPort(scheme, s string) (uri string, err error) {
	addr := strings.TrimSpace(s)
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	uri = scheme + "://" + addr
	if _, err := downstream.ParseAddress(uri); err != nil {
		return "", fmt.Errorf("%.60q is not a port (write 9001, 127.0.0.1:9001 or [::1]:9001)", s)
	}
	return uri, nil
}
