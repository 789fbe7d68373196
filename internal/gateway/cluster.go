package gateway

import (
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/bus"
)

// openCluster connects the gateway with the others of its hub. One that is alone has a bus
// that ends in this process, and tells nobody how it is.
func (g *gateway) openCluster() error {
	g.bus = new(bus.Exchange).Join()
	g.hub = cluster.New(cluster.Options{Bus: g.bus, Name: g.cfg.NodeName(), Self: g.self, Log: g.log})
	return nil
}

// self is how this gateway is.
func (g *gateway) self() cluster.Gateway {
	calls, _, most := g.limits.Count()
	return cluster.Gateway{Version: g.version, Began: g.began.UTC(), State: g.state.Load().(string), Calls: calls, MaxCalls: most, Events: g.events.Told()}
}
