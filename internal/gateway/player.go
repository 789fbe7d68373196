package gateway

import (
	"context"

	"moip/internal/recording"
	"moip/internal/session"
)

// Player is a recording, or a folder of them, in the place of a portal.
func Player(path string, speed recording.Speed) Portal {
	return func(g *gateway) error {
		calls := g.calls()
		calls.Portal = session.Route{Name: "portal", Fin: session.FinClose}
		calls.DialPortal = func(context.Context, session.ID, session.Route) (session.Endpoint, error) {
			return g.projector.Open(path, speed)
		}
		g.about.Store(path)
		g.board.Open(calls)
		return nil
	}
}
