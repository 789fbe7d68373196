package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultAdmin is where operators reach a gateway that was told nothing else.
const DefaultAdmin = "127.0.0.1:8999"

// AdminAddress returns where operators reach the gateway, perhaps with https:// before it,
// "" for nowhere, and whether that was asked for.
func (c *Config) AdminAddress() (address string, asked bool) {
	switch c.Admin {
	case "none":
		return "", true
	case "":
		return DefaultAdmin, false
	}
	return c.Admin, true
}

func (c *Config) checkAdmin(fault report) {
	address, _ := c.AdminAddress()
	if address == "" {
		return
	}
	address = strings.TrimPrefix(address, "https://")
	host, port, err := net.SplitHostPort(address)
	if _, number := strconv.ParseUint(port, 10, 16); err != nil || number != nil {
		fault("admin", "%.60q is not an address with a port (write %s, or none)", address, DefaultAdmin)
		return
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		fault("admin", "%.60q is not of this machine alone (write 127.0.0.1 or [::1]: whoever reaches it may do everything)", address)
	}
}
