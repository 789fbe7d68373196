package gateway

import "net/netip"

// refuseUnknown sees to it that operators hear of a caller who is refused because a proxy,
// from an address, has not said who calls. It is no fault of that address's.
func (g *gateway) refuseUnknown(from netip.AddrPort, transport, reason string, err error) {
	g.metrics.CountRefusal(transport, reason)
	if n, aloud := g.hush.Tell(from.Addr()); aloud {
		g.log.Warn("caller refused", "from", from, "by", transport, "reason", reason, "error", err, "refused", n)
		g.events.NoteRefusal(from, transport, reason, n)
	}
}
