package gateway

import (
	"fmt"
	"strconv"
	"strings"

	"moip/internal/control/cluster"
	"moip/internal/control/cluster/survey"
	"moip/internal/directory/probe"
	"moip/internal/session"
)

// self is how this gateway is.
func (g *gateway) self() cluster.Gateway {
	calls, _, most := g.limits.Count()
	return cluster.Gateway{
		Version: g.version, Began: g.began.UTC(), State: g.state.Load().(string), Calls: calls, MaxCalls: most,
		Events: g.events.Next(), Config: g.digest.Load().(string),
	}
}

// become notes another state of this gateway, and tells the hub.
func (g *gateway) become(state string) {
	g.state.Store(state)
	g.hub.Tell()
}

// shareProbes has the services of the directory tried by one gateway of the hub each.
func (g *gateway) shareProbes(p *probe.Prober) {
	if !g.hub.Alone() {
		g.work = append(g.work, survey.New(survey.Options{Hub: g.hub, Prober: p, Log: g.log}).Run)
	}
}

// room is how many calls may begin here after the process that replaces this one was
// told where to go on counting.
const room = 1000

// legacy is what the process that replaces this one is told: from which number calls count,
// and who has the gateway's name until it is ready.
func (g *gateway) legacy(last session.ID) string {
	return fmt.Sprint(uint64(last)+room, " ", g.hub.Instance())
}

// inherit goes on where the process before has told, if there was one.
func (g *gateway) inherit(told string) {
	number, instance, _ := strings.Cut(told, " ")
	if last, err := strconv.ParseUint(number, 10, 64); err == nil {
		g.board.Continue(session.ID(last))
	}
	g.heirOf = instance
}

// digestConfig notes which configuration is in force.
func (g *gateway) digestConfig() { g.digest.Store(g.cfg.Digest()) }
