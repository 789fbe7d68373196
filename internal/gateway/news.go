package gateway

import (
	"moip/internal/control/cluster/news"
	"moip/internal/control/cluster/spool"
)

// openNews has what happens told to the other gateways of the hub, if there are others.
func (g *gateway) openNews() error {
	o := news.Options{Hub: g.hub, Alone: !g.clustered, Log: g.log}
	if g.clustered {
		if path, size := g.cfg.SpoolFile(); path != "" {
			o.Spool = spool.New(path, size)
		}
		g.work = append(g.work, g.events.Run)
	}
	g.events.Join(o)
	return nil
}
