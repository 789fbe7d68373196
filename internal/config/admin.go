package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
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

// AdminOpen reports whether everybody who reaches the operators' address may do
// everything: nobody does from elsewhere, and nothing is named by which operators are
// known.
func (c *Config) AdminOpen() bool {
	_, host, _ := c.adminPlace()
	return isOwn(host) && !c.adminKnows()
}

// adminKnows reports whether there is something by which operators are known.
func (c *Config) adminKnows() bool {
	secure, _, _ := c.adminPlace()
	return c.AdminTokenFile != "" || c.AdminLookTokenFile != "" || secure && c.TLS.AdminClientCA != ""
}

// AdminUnasked reports whether nobody is asked for the certificates by which operators were
// to be known, and everybody may do everything: they do not come by TLS.
func (c *Config) AdminUnasked() bool { return c.TLS.AdminClientCA != "" && c.AdminOpen() }

// adminPlace returns where the operators' address is, and whether it is one with TLS.
func (c *Config) adminPlace() (secure bool, host, port string) {
	address, _ := c.AdminAddress()
	address, secure = strings.CutPrefix(address, "https://")
	host, port, err := net.SplitHostPort(address)
	if _, number := strconv.ParseUint(port, 10, 16); err != nil || number != nil {
		return secure, "", ""
	}
	return secure, host, port
}

// isOwn reports whether nobody elsewhere reaches a host.
func isOwn(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c *Config) checkAdmin(fault report) {
	for _, host := range c.AdminHosts {
		if _, err := netip.ParseAddr(host); err != nil && !isName.MatchString(host) {
			fault("admin_hosts", "%.60q is neither a name nor an address of this machine (write hub.example, without a port)", host)
		}
	}
	address, asked := c.AdminAddress()
	if address == "" {
		return
	}
	secure, host, port := c.adminPlace()
	switch {
	case port == "":
		fault("admin", "%.60q is not an address with a port (write %s, or none)", address, DefaultAdmin)
	case asked && c.AdminUnasked():
		fault("tls.admin_client_ca", `nobody at "%[1]s" is asked for a certificate, and everybody there may do everything (write admin = "https://%[1]s")`, address)
	case isOwn(host):
	case !c.adminKnows():
		fault("admin", `%.60q is reached from elsewhere, and from there operators need a token (write admin_token_file = "FILE" for one made with openssl rand -hex 24, or an address of this machine alone, as %s)`, address, DefaultAdmin)
	case !secure && !c.AdminPlain:
		fault("admin", `%.60q has no TLS, so that tokens can be read on the way (write "https://%s"; or admin_plain = true, where a VPN or a proxy with TLS is in between)`, address, net.JoinHostPort(host, port))
	}
}

// AdminInClear reports whether the tokens of operators can be read on their way.
func (c *Config) AdminInClear() bool {
	address, _ := c.AdminAddress()
	secure, host, _ := c.adminPlace()
	return address != "" && !secure && !isOwn(host)
}

// LinkInClear reports whether the token of the control link can be read on its way.
func (c *Config) LinkInClear() bool {
	u, err := url.Parse(c.LinkURL())
	return err == nil && c.LinkTokenFile != "" && u.Scheme == "ws" && !isOwn(u.Hostname())
}

var isName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
