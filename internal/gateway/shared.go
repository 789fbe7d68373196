package gateway

import (
	"time"

	"moip/internal/control/cluster/shared"
	"moip/internal/policy/ban"
	"moip/internal/session"
)

// openShared has bans, what the shield sees and the counts of calls in common with the
// other gateways, if there are any.
func (g *gateway) openShared() error {
	if !g.cfg.Clustered() {
		return nil
	}
	g.shared = &shared.Bans{Hub: g.hub, List: g.bans, Log: g.log, Taken: g.takeBans}
	scores := &shared.Shield{Hub: g.hub, Shield: g.shield, Log: g.log}
	calls := &shared.Limits{Hub: g.hub, Count: g.limits, Log: g.log}
	g.shared.Open()
	scores.Open()
	calls.Open()
	g.work = append(g.work, g.shared.Run, scores.Run, calls.Run)
	return nil
}

// takeBans does what is to be done about what other gateways have said of bans.
func (g *gateway) takeBans(changes []ban.Change) {
	now := time.Now()
	for _, c := range changes {
		b := c.Ban()
		switch {
		case c.Lifted:
			g.log.Info("unbanned by another gateway", "network", c.Network, "gateway", c.Gateway)
			continue
		case !b.HoldsAt(now):
			continue
		case b.By == ban.ByShield:
			g.shield.Banned(b.Network, b.Since, b.Until)
		case b.By == ban.ByOperator:
			hungUp := 0
			if c.HangUp {
				hungUp = g.board.HangupFrom(b.Network, g.bans.IsExempt, session.ReasonBanned)
			}
			g.log.Info("banned by another gateway", "network", b.Network, "gateway", b.Gateway, "why", b.Reason, "hung up", hungUp)
		}
	}
}
