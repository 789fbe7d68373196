package gateway

import "moip/internal/control/cluster/news"

// openNews has what happens told to the other gateways of the hub, if there are others.
func (g *gateway) openNews() error {
	g.events.Join(news.Options{Hub: g.hub, Alone: !g.cfg.Clustered(), Log: g.log})
	if g.cfg.Clustered() {
		g.work = append(g.work, g.events.Run)
	}
	return nil
}
