package upstream

import (
	"fmt"
	"net/netip"
)

// proxyLine is the header of the PROXY protocol, version 1, by which the service
// at the address to learns who calls (proxy-protocol.txt, section 2.1). The
// addresses of both must be known and of one family.
func proxyLine(caller *netip.AddrPort, to netip.AddrPort) string {
	from, at := ip(caller), ip(&to)
	family := ""
	switch {
	case from.Is4() && at.Is4():
		family = "TCP4"
	case from.Is6() && at.Is6():
		family = "TCP6"
	default:
		return "PROXY UNKNOWN\r\n"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, from, at, caller.Port(), to.Port())
}

// ip returns the address alone of a, in the form that other machines know. It
// is not valid if a is nil, or unknown.
func ip(a *netip.AddrPort) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}
