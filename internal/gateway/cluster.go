package gateway

import (
	"fmt"

	"moip/internal/bus"
	"moip/internal/bus/natsbus"
	"moip/internal/control/cluster"
)

// openCluster connects the gateway with the others of its hub. One that is alone has a bus
// that ends in this process, and tells nobody how it is.
func (g *gateway) openCluster() (err error) {
	if g.clustered = g.cfg.Clustered(); !g.clustered {
		g.bus = new(bus.Exchange).Join()
	} else if err := g.openBus(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	g.hub = cluster.New(cluster.Options{Bus: g.bus, Name: g.cfg.NodeName(), Self: g.self, Log: g.log, Alone: !g.clustered, Heir: g.heirOf})
	if !g.clustered {
		return nil
	}
	g.work = append(g.work, g.hub.Run)
	return g.hub.Claim(g.stopped)
}

// openBus opens the gateway's place on the bus of its hub, and the server for it if that
// is inside.
func (g *gateway) openBus() (err error) {
	if g.cfg.ClusterInClear() {
		g.log.Warn("what the gateways tell each other, and by what they are known, can be read on the way; TLS would hide it (ca, and cert with listen, in [cluster])")
	}
	o := g.cfg.Bus(g.log)
	if g.cfg.Cluster.Listen != "" {
		if g.inside, err = g.openServer(); err != nil {
			return err
		}
		o.Inside = g.inside
	}
	b, err := natsbus.Open(o)
	if err != nil {
		if g.inside != nil {
			g.inside.Close()
		}
		return err
	}
	g.bus = b
	return nil
}

func (g *gateway) openServer() (*natsbus.Server, error) {
	o, err := g.cfg.BusServer(g.log)
	if err != nil {
		return nil, err
	}
	o.Heir = g.sockets.Told() != ""
	s, err := natsbus.StartServer(o)
	return s, withAdvice(err)
}
