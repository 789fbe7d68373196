// Package policy is what a gateway thinks of those who call, as far as several of its
// rules need it.
package policy

import "net/netip"

// Household returns the network that is one party's as far as anybody can tell: of IPv4
// an address, of IPv6 a /64, in which each machine takes whatever address it likes.
func Household(a netip.Addr) netip.Prefix {
	a = Bare(a)
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for no address, which is no household
	return p
}
