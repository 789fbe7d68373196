package outbound

import (
	"fmt"
	"net"
	"net/netip"

	"moip/internal/policy"
)

// Addresses that no service has, and those by which a cloud tells its machines their
// secrets. The latter are what somebody looks for who has a gateway dial for them.
var nobodyWants = []struct {
	network netip.Prefix
	what    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "no address"}, // RFC 1122, 3.2.1.3; dialled, it is this machine
	{netip.MustParsePrefix("::/128"), "no address"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"}, // RFC 5771
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},    // RFC 4291, 2.7
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"}, // RFC 3927; metadata of most clouds
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},      // RFC 4291, 2.5.6
	{netip.MustParsePrefix("fd00:ec2::/32"), "metadata of a cloud"},   // Amazon: ::254, and its neighbours ::23, ::123, ::253
	{netip.MustParsePrefix("fd20:ce::254/128"), "metadata of a cloud"},
	{netip.MustParsePrefix("100.100.100.200/32"), "metadata of a cloud"}, // Alibaba
	{netip.MustParsePrefix("168.63.129.16/32"), "metadata of a cloud"},   // Azure's "wire server"
	{netip.MustParsePrefix("192.0.0.192/32"), "metadata of a cloud"},     // Oracle
}

// private networks and this machine, which "local" stands for.
var localNetworks = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("10.0.0.0/8"), // RFC 1918
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), // RFC 6598: providers, and overlay networks
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fec0::/10"),      // RFC 3879: what was site-local
	netip.MustParsePrefix("fc00::/7"),       // RFC 4193
	netip.MustParsePrefix("64:ff9b:1::/48"), // RFC 8215: translation within a network
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052, 2.1
	localNat64 = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, 2.1
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, 2.5.5.1
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380, 4
)

// formsOf returns a, and the addresses of IPv4 that lie in it: whoever dials a may
// come out there. Mapped addresses are those of IPv4 alone.
func formsOf(a netip.Addr) []netip.Addr {
	a = policy.Bare(a)
	forms := []netip.Addr{a}
	if !a.Is6() || a.IsUnspecified() || a.IsLoopback() {
		return forms
	}
	b := a.As16()
	v4 := func(p []byte) netip.Addr { return netip.AddrFrom4([4]byte(p)) }
	switch {
	case nat64.Contains(a), localNat64.Contains(a), translated.Contains(a), compatible.Contains(a):
		forms = append(forms, v4(b[12:]))
	case sixToFour.Contains(a):
		forms = append(forms, v4(b[2:6]))
	case teredo.Contains(a): // the server, and the client in disguise
		forms = append(forms, v4(b[4:8]), v4([]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	return forms
}

// reserved says why nobody wants an address with these forms, "" if that is not so.
func reserved(forms []netip.Addr) string {
	for i, a := range forms {
		for _, n := range nobodyWants {
			if !n.network.Contains(a) {
				continue
			}
			if i > 0 {
				return fmt.Sprintf("in it is %v, %s", a, n.what)
			}
			return "it is " + n.what
		}
	}
	return ""
}

// isLocal reports whether an address with these forms is of this machine or of a
// private network.
func isLocal(forms []netip.Addr) bool {
	for _, a := range forms {
		if within(localNetworks, a) || isOurs(a) {
			return true
		}
	}
	return false
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// isOurs reports whether a is of this machine, as far as that can be found out.
func isOurs(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	all, _ := net.InterfaceAddrs()
	for _, at := range all {
		if n, ok := at.(*net.IPNet); ok {
			if own, ok := netip.AddrFromSlice(n.IP); ok && policy.Bare(own) == a {
				return true
			}
		}
	}
	return false
}
