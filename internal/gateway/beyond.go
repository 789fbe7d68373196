package gateway

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"moip/internal/discreet"
	"moip/internal/session"
)

// Beyond is a portal that is a gateway itself. That is told the speed of the line, so
// that little is on its way when Connexion/Fin is pressed.
func Beyond(g *gateway) error {
	calls := g.calls()
	calls.Portal = g.cfg.Portal.Session("portal")
	calls.DialPortal = func(ctx context.Context, id session.ID, r session.Route) (session.Endpoint, error) {
		for _, call := range g.board.Calls() {
			if call.ID == id {
				r.URL = withSpeed(r.URL, call.Caller.Speed)
			}
		}
		return calls.DialService(ctx, id, r)
	}
	g.about.Store(discreet.URL(g.cfg.Portal.URL))
	g.board.Open(calls)
	return nil
}

// withSpeed returns the URL of a WebSocket with ?speed, unless it has a query of its
// own.
func withSpeed(to string, speed int) string {
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(u.Scheme, "ws") || u.RawQuery != "" || u.ForceQuery || speed == 0 {
		return to
	}
	u.RawQuery = "speed=" + strconv.Itoa(speed)
	return u.String()
}
