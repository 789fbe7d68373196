package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Bare returns the address that networks are told by: IPv4 as such, and of no zone, which
// no Prefix has in it.
func Bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// ParseNetwork reads an address or a network: 192.0.2.1, 192.0.2.0/24, 2001:db8::/64.
// Bits behind the prefix are cleared, and an IPv4-mapped IPv6 address is the IPv4
// address: as ::ffff:192.0.2.1 nobody calls.
func ParseNetwork(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	network, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%.60q is neither an address nor a network (write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64)", text)
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	return Normal(network)
}

// Normal returns a network in the form in which ParseNetwork does.
func Normal(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, errors.New("it names no network (write 192.0.2.1/32, 192.0.2.0/24 or 2001:db8::/64)")
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("%v is more than the IPv4 addresses (write 0.0.0.0/0 for all of those)", p)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
