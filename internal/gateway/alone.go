package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"moip/internal/config"
	"moip/internal/control/pymoip"
	"moip/internal/directory"
	"moip/internal/session"
	"moip/internal/switchboard"
)

// Alone is the portal inside for callers who come by other gateways, whose control links
// are taken at a port or address, from the networks that are believed, and with a token
// that is in a file, if one is named.
func Alone(at string, gateways []netip.Prefix, tokens string) Portal {
	return func(g *gateway) error { return g.wireAlone(at, gateways, tokens) }
}

func (g *gateway) wireAlone(at string, gateways []netip.Prefix, tokens string) (err error) {
	if _, err := tokensOf("--link-token-file", tokens); err != nil {
		return err
	}
	if g.links, err = listenForLinks(at, gateways); err != nil {
		return fmt.Errorf("--link: %w", err)
	}
	calls := g.calls()
	if err := g.openTeletel(calls.DialService); err != nil {
		return err
	}
	orders := &orders{own: g.board}
	p := g.teletel.portal(orders, true)
	orders.gateways = pymoip.NewServer(pymoip.ServerOptions{Gateways: gateways, TokenFile: tokens, Follow: p.Event, Ask: p.Ask, Log: g.log})
	calls.DialPortal, calls.DialService = p.Dial, g.teletel.dial(calls.DialService)
	g.about.Store(fmt.Sprintf("control links at %s, %s", strings.Join(reached("ws", g.links.Addr()), ", "), g.teletel.about()))
	g.board.Open(calls, p.Event, orders.gateways.Event)
	g.answer = orders.gateways.Answer(g.board.Answer)
	g.work = append(g.work, func(ctx context.Context) { serveLinks(ctx, orders.gateways, g.links, g.log) })
	return nil
}

// serveLinks takes gateways' control links until ctx is done.
func serveLinks(ctx context.Context, s *pymoip.Server, links net.Listener, log *slog.Logger) {
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(links); err != nil {
			log.Error("control links: listener failed", "at", links.Addr(), "error", err)
		}
	})
	<-ctx.Done()
	// A gateway that does not listen any more costs a second.
	limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.Shutdown(limited)
	serving.Wait()
}

// orders gives the portal's orders to whoever can obey: what is inside is
// reached from here, the rest by the gateway that brought the caller.
type orders struct {
	own      *switchboard.Board
	gateways *pymoip.Server
}

func (o *orders) Redirect(call session.ID, r session.Route) error {
	if directory.IsInside(r) {
		return o.own.Redirect(call, r)
	}
	return o.gateways.Redirect(call, r)
}

// listenForLinks opens the port of the control links. If a port is all that is
// given, it is open to other machines only when some of them may use it.
func listenForLinks(at string, gateways []netip.Prefix) (net.Listener, error) {
	uri, err := config.ListenPort("ws", at)
	if err != nil {
		return nil, err
	}
	address := strings.TrimPrefix(uri, "ws://")
	if strings.HasPrefix(address, ":") && !anyAbroad(gateways) {
		address = "localhost" + address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		if failed, ok := errors.AsType[*net.OpError](err); ok {
			err = failed.Err // we say the rest
		}
		return nil, withAdvice(fmt.Errorf("listen on %q: %w", uri, err))
	}
	return l, nil
}

func anyAbroad(networks []netip.Prefix) bool {
	for _, n := range networks {
		if !n.Addr().IsLoopback() {
			return true
		}
	}
	return false
}
