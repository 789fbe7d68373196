package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"moip/internal/config"
	"moip/internal/control/admin"
	"moip/internal/control/cluster/portals"
	"moip/internal/directory"
	"moip/internal/session"
	"moip/internal/upstream"
)

// wirePortals is wire with portals that are on the bus of the hub.
func (g *gateway) wirePortals() {
	link := portals.New(portals.Options{
		Bus: g.bus, Name: g.cfg.NodeName(), Board: g.board, Route: g.orderedRoute,
		Describe: func(i session.Info) any { return admin.Describe(g.cfg.NodeName(), i) },
		Log:      g.log,
	})
	g.link, g.linkOnBus = link.State, true
	g.work = append(g.work, link.Run)
	g.openBoard(func() session.Config {
		calls := g.outside()
		calls.DialPortal = link.Introduce(calls.DialPortal)
		return calls
	}, link.Event)
}

// orderedRoute returns the way to a service that a portal names, by its code or its URL.
func (g *gateway) orderedRoute(to string, options json.RawMessage) (r session.Route, err error) {
	if strings.Contains(to, ":") {
		r, err = config.ParseRoute(to, options)
	} else {
		r, err = g.listedRoute(to, options)
	}
	if err != nil {
		return session.Route{}, err
	}
	return r, (&upstream.Dialer{Permit: g.permit}).Permits(r)
}

func (g *gateway) listedRoute(code string, options json.RawMessage) (session.Route, error) {
	s, ok := g.book.Directory().Lookup(code)
	switch {
	case !ok:
		return session.Route{}, fmt.Errorf("%.40q is no service of the directory, and no URL", code)
	case directory.IsInside(s.Route):
		return session.Route{}, fmt.Errorf("%s is inside the portal of a gateway, and this one has another", s.Name)
	case options != nil:
		return session.Route{}, errors.New("route: how a service of the directory is reached stands there (name its URL instead, or no route)")
	}
	return s.Route, nil
}
