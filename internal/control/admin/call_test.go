package admin

import (
	"net/netip"
	"net/url"
	"testing"

	"moip/internal/session"
)

// Calls are chosen by the network that their address is in, however either is written.
func TestCallsFrom(t *testing.T) {
	for network, address := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.0/120": "192.0.2.7",
		"192.0.2.0/24":         "::ffff:192.0.2.7",
		"fe80::/10":            "fe80::1%eth0",
	} {
		f, err := filterOf(url.Values{"from": {network}})
		i := session.Info{Caller: session.Caller{Addr: netip.AddrPortFrom(netip.MustParseAddr(address), 4000)}}
		if err != nil || !f.has(i, Call{}) {
			t.Errorf("%v: from %s is not of %s", err, address, network)
		}
	}
}
