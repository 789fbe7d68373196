package pymoip

import (
	"net/netip"
	"slices"
	"time"

	"moip/internal/session"
)

// settling is how long a new link is given for announcements, and its gateway to
// notice that it is up. MoIP's gateways announce all their callers at once.
const settling = time.Second

// enter notes that a link is up, one more that is open. It reports false if the
// server stops.
func (s *Server) enter(gw *gateway) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.open.Add(1)
	s.links[gw] = true
	s.mu.Unlock()
	s.reviewFrom(gw.host)
	gw.settled = time.AfterFunc(settling, func() {
		s.reviewFrom(gw.host)
		s.invite(gw.host)
	})
	return true
}

// invite has the portal ask guests who they are whose gateway could not answer,
// since it had no link. Now one is there, and the gateway knows it: asked earlier,
// it might not answer yet, and nobody would ask again.
func (s *Server) invite(host netip.Addr) {
	s.mu.Lock()
	var strangers []session.ID
	for id, g := range s.guests {
		if g.claim == nil && bare(g.addr.Addr()) == host {
			strangers = append(strangers, id)
		}
	}
	s.mu.Unlock()
	for _, id := range strangers {
		s.ask(id)
	}
}

// leave notes that a link is lost.
func (s *Server) leave(gw *gateway) {
	gw.settled.Stop()
	s.mu.Lock()
	delete(s.links, gw)
	s.mu.Unlock()
	s.reviewFrom(gw.host)
}

// announce notes that a gateway has a caller. A gateway that has too many is
// not believed to have the rest.
func (s *Server) announce(gw *gateway, c claim) {
	s.mu.Lock()
	if len(gw.announced) < callersLimit {
		gw.announced[c.pid] = c.caller
	}
	gw.lowest = min(gw.lowest, c.pid)
	guests := slices.Clone(s.places[place{gw.host, c.pid}])
	s.mu.Unlock()
	s.review(guests)
}

// gone notes that a gateway's caller has left. The call will end by itself.
func (s *Server) gone(gw *gateway, pid uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(gw.announced, pid)
}

// introduce notes whom a gateway says that g is.
func (s *Server) introduce(g *guest, c claim) (err error) {
	s.change(g, func() []session.Event {
		if g.claim != nil {
			err = errSecond
			return nil
		}
		g.claim = &c
		at := g.place()
		s.places[at] = append(s.places[at], g)
		told := s.pair(g)
		if len(s.candidates(g)) == 0 {
			err = errNoLink
		}
		return told
	})
	return err
}

func (g *guest) place() place { return place{bare(g.addr.Addr()), g.claim.pid} }

// review looks for the links of guests anew.
func (s *Server) review(guests []*guest) {
	for _, g := range guests {
		s.change(g, func() []session.Event { return s.pair(g) })
	}
}

// reviewFrom reviews all guests from one address, whose links have changed.
func (s *Server) reviewFrom(host netip.Addr) {
	s.mu.Lock()
	var guests []*guest
	for at, here := range s.places {
		if at.host == host {
			guests = append(guests, here...)
		}
	}
	s.mu.Unlock()
	s.review(guests)
}

// pair finds the link that leads to the gateway of a guest that was introduced.
// It is called in the guest's turn, with mu held.
func (s *Server) pair(g *guest) (told []session.Event) {
	gw := s.match(g)
	if gw == g.gateway {
		return nil
	}
	if g.gateway != nil {
		delete(g.gateway.guests, g.claim.pid)
		told = append(told, session.Event{Type: session.Unlinked})
		if g.visit != nil {
			g.visit.unlinked()
		}
	}
	if g.gateway = gw; gw != nil {
		gw.guests[g.claim.pid] = g
		told = append(told, session.Event{Type: session.Linked})
	}
	return told
}

// match returns the link on which the guest's gateway takes orders, nil if that
// cannot be told.
//
// A link does not say whose it is. It comes from the gateway's address, as the
// guest does, and the gateway announces on it the callers who come. If just one
// link's gateway has announced this very caller, that is it. Failing that it is
// the only one there is, for PyMoIP's gateways do not announce their callers
// anew when they have lost a link.
func (s *Server) match(g *guest) *gateway {
	all := s.candidates(g)
	sure := slices.DeleteFunc(slices.Clone(all), func(gw *gateway) bool {
		caller, ok := gw.announced[g.claim.pid]
		return !ok || caller != g.claim.caller
	})
	var gw *gateway
	switch {
	case len(sure) == 1:
		gw = sure[0]
	case len(sure) == 0 && len(all) == 1 && s.plausible(g, all[0]):
		gw = all[0]
	default:
		return nil
	}
	if other := gw.guests[g.claim.pid]; other != nil && other != g {
		if !g.doubted {
			g.doubted = true
			s.log.Warn("two calls claim to be the same caller of a gateway",
				"call", g.id, "first", other.id, "gateway", gw.addr, "pid", g.claim.pid)
		}
		return nil
	}
	return gw
}

// candidates are the links that come from where the guest does.
func (s *Server) candidates(g *guest) (all []*gateway) {
	for gw := range s.links {
		if gw.host == bare(g.addr.Addr()) {
			all = append(all, gw)
		}
	}
	return all
}

// plausible says whether a gateway that has not announced a guest on its present
// link may have done so on a former one. It has had the time to announce all.
// As gateways count callers up, it has announced no lower number since. And
// nobody else may claim the same.
func (s *Server) plausible(g *guest, gw *gateway) bool {
	return time.Since(gw.since) >= settling && g.claim.pid < gw.lowest &&
		(g.gateway == gw || len(s.places[g.place()]) == 1)
}
