package pymoip

import (
	"errors"
	"time"

	"moip/internal/session"
)

const (
	orderLimit = 10 * time.Second // for a gateway to say that it has an order
	crossing   = 2 * time.Second  // in which keys and an order may pass each other
)

var (
	// ErrNoGateway refuses to redirect a call that came without a gateway, or
	// whose gateway has no link to the portal.
	ErrNoGateway = errors.New("no gateway takes orders for the call")

	errNoLink = errors.New("no control link is up from that address")
	errStale  = errors.New("no such order is under way at this gateway")
)

// A visit is the stay of a guest at a service, from the order that leads there.
// Guarded by Server.mu is what is not set once.
type visit struct {
	guest  *guest        // set once
	pid    uint64        // set once
	number uint64        // set once, of the order
	route  session.Route // set once

	heard   time.Time // when the gateway last said that it goes on, zero before it has
	reached bool      // the service is
	fin     bool      // the caller has pressed Connexion/Fin
	timer   *time.Timer
}

// Redirect orders the gateway that brought a call to put it through to r. It
// returns ErrNoGateway, session.ErrBusy, an ErrUnsayable, or nil if the order
// is on its way: then Follow has been told Redirecting, and is told how it
// goes on. A gateway of which nothing is heard in 10 s has not got the order;
// that is Returned with session.ReasonTimeout.
func (s *Server) Redirect(call session.ID, r session.Route) error {
	s.mu.Lock()
	g := s.guests[call]
	s.mu.Unlock()
	if g == nil {
		return ErrNoGateway
	}
	err := ErrNoGateway // also if the call ends meanwhile
	s.change(g, func() (told []session.Event) {
		if g.claim == nil {
			return nil
		}
		told = s.pair(g)
		if err = s.order(g, r); err == nil {
			told = append(told, session.Event{Type: session.Redirecting, Route: r})
		}
		return told
	})
	return err
}

// order begins a visit.
func (s *Server) order(g *guest, r session.Route) error {
	switch {
	case g.visit != nil:
		return session.ErrBusy
	case g.gateway == nil:
		return ErrNoGateway
	}
	// Each order has a number of its own, so that what is said late of one
	// visit is not taken for the next. PyMoIP's server gives its sessions
	// numbers; to gateways that is the same.
	v := &visit{guest: g, pid: g.claim.pid, number: s.last + 1, route: r}
	p, err := writeOrder(v.pid, v.number, r)
	if err != nil {
		return err
	}
	select {
	case g.gateway.orders <- p:
	default:
		g.gateway.drop(errUnreadOrders)
		return ErrNoGateway
	}
	s.last = v.number
	s.visits[v.number], g.visit = v, v
	v.timer = time.AfterFunc(orderLimit, func() { s.overdue(v) })
	return nil
}

// hear takes note of what a gateway says.
func (s *Server) hear(gw *gateway, n news) error {
	switch n.verb {
	case "NewWsUser", "NewTelnetUser":
		s.announce(gw, n.claim)
		return nil
	case "UserGone":
		s.gone(gw, n.claim.pid)
		return nil
	}
	// The link may be another one than that of the order.
	s.mu.Lock()
	v := s.visits[n.number]
	s.mu.Unlock()
	if v == nil || v.pid != n.claim.pid || bare(v.guest.addr.Addr()) != gw.host {
		return errStale
	}
	s.change(v.guest, func() []session.Event {
		if v.guest.visit != v {
			return nil
		}
		return s.progress(v, n.verb)
	})
	return nil
}

// progress carries a visit on.
func (s *Server) progress(v *visit, verb string) []session.Event {
	switch verb {
	case "UserGotCommand", "UserRedirecting":
		v.heard = time.Now()
	case "UserRedirected":
		if v.reached {
			return nil
		}
		v.heard, v.reached = time.Now(), true
		v.timer.Stop()
		return []session.Event{{Type: session.Redirected, Route: v.route}}
	case "UserRequestedClose":
		v.fin = true
		if v.heard.IsZero() { // the messages before were lost
			v.heard = time.Now()
		}
	case "UserRedirectEnded":
		return s.returned(v, v.outcome())
	}
	return nil
}

// outcome is why a visit that is over has ended.
func (v *visit) outcome() session.Reason {
	switch {
	case v.fin:
		return session.ReasonFin
	case !v.reached:
		return session.ReasonRefused
	}
	return session.ReasonClosed
}

// returned ends a visit whose guest is back.
func (s *Server) returned(v *visit, why session.Reason) []session.Event {
	s.end(v)
	return []session.Event{{Type: session.Returned, Route: v.route, Reason: why}}
}

func (s *Server) end(v *visit) {
	v.timer.Stop()
	v.guest.visit = nil
	delete(s.visits, v.number)
}

// unlinked is told when the link is lost. A guest at a service stays there. One
// on the way may be lost for us, unless the gateway comes back.
func (v *visit) unlinked() {
	if !v.reached && !v.heard.IsZero() {
		v.timer.Reset(orderLimit)
	}
}

// overdue gives up an order that the gateway has not got, or that went down
// with its link.
func (s *Server) overdue(v *visit) {
	g := v.guest
	s.change(g, func() []session.Event {
		underWay := v.reached || !v.heard.IsZero() && g.gateway != nil
		if g.visit != v || underWay {
			return nil
		}
		return s.returned(v, session.ReasonTimeout)
	})
}

// typed is told when there are keys of a guest, before the portal gets them. A
// gateway gives the portal no key during a visit, but for those that were on
// their way; so the visit is over, and the message that said so was lost, as
// PyMoIP's gateways lose the first one on each new link.
func (s *Server) typed(g *guest) {
	s.mu.Lock()
	quiet := g.visit == nil
	s.mu.Unlock()
	if quiet { // as nearly always
		return
	}
	s.change(g, func() []session.Event {
		v := g.visit
		if v == nil || v.heard.IsZero() || time.Since(v.heard) <= crossing {
			return nil
		}
		return s.returned(v, v.outcome())
	})
}
