package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"moip/internal/downstream"
	"moip/internal/policy/ban"
)

// openPolicy opens what says who is let in.
func (g *gateway) openPolicy() (err error) {
	o := g.cfg.Bans.Options()
	o.Log = g.log
	if g.cfg.Clustered() {
		o.Gateway = g.cfg.NodeName()
	}
	if g.bans, err = ban.Open(o); err != nil {
		return fmt.Errorf("bans: %w", err)
	}
	g.openLimits()
	g.openShield()
	return nil
}

// admit says why a caller may not come.
func (g *gateway) admit(from netip.AddrPort, transport string) *downstream.Refusal {
	if r := g.kept(from, transport); r != nil {
		return r
	}
	if transport == "ws" || transport == "wss" { // others ask for a call at once
		return g.ask(from, transport)
	}
	return nil
}

// kept says that a caller is kept out, if it is.
func (g *gateway) kept(from netip.AddrPort, transport string) *downstream.Refusal {
	if _, banned := g.bans.Find(from.Addr()); banned {
		return g.refuse(from, transport, "banned", downstream.Refusal{Text: "Accès refusé."})
	}
	return nil
}

// refuse sees to it that operators hear of a caller who is refused.
func (g *gateway) refuse(from netip.AddrPort, transport, reason string, r downstream.Refusal) *downstream.Refusal {
	g.noteRefusal(from, transport, reason, slog.LevelInfo)
	return &r
}

// refuseUnknown is told of a caller who is refused because a proxy, from an address, has
// not said who calls. It is no fault of that address's.
func (g *gateway) refuseUnknown(from netip.AddrPort, transport, reason string, err error) {
	g.noteRefusal(from, transport, reason, slog.LevelWarn, "error", err)
}

// noteRefusal tells of a crowd no more than hush does.
func (g *gateway) noteRefusal(from netip.AddrPort, transport, reason string, level slog.Level, more ...any) {
	g.metrics.CountRefusal(transport, reason)
	n, aloud := g.hush.Tell(from.Addr())
	if !aloud {
		return
	}
	told := append(append([]any{"from", from, "by", transport, "reason", reason}, more...), "refused", n)
	g.log.Log(context.Background(), level, "caller refused", told...)
	g.events.NoteRefusal(from, transport, reason, n)
}
