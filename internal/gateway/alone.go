package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
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

// Links say how a portal takes the control links of gateways.
type Links struct {
	At        string         // a port or an address
	Gateways  []netip.Prefix // networks of those that are believed
	Tokens    string         // a file of tokens, of which a link needs one; "" for none
	Cert, Key string         // files of a certificate for TLS, which may be one; "" for none
}

// Alone is the portal inside for callers who come by other gateways.
func Alone(o Links) Portal {
	return func(g *gateway) error { return g.wireAlone(o) }
}

func (g *gateway) wireAlone(o Links) (err error) {
	if _, err := tokensOf("--link-token-file", o.Tokens); err != nil {
		return err
	}
	if g.links, err = listenForLinks(o.At, o.Gateways); err != nil {
		return fmt.Errorf("--link: %w", err)
	}
	g.links = visitors{g.links, g, "link"}
	scheme := "ws"
	if o.Cert != "" {
		scheme = "wss"
		if g.links, err = o.secure(g.links); err != nil {
			return fmt.Errorf("--link-cert: %w", err)
		}
	}
	calls := g.calls()
	if err := g.openTeletel(calls.DialService); err != nil {
		return err
	}
	orders := &orders{own: g.board}
	p := g.teletel.portal(orders, true)
	orders.gateways = pymoip.NewServer(pymoip.ServerOptions{
		Gateways: o.Gateways, TokenFile: o.Tokens, Follow: p.Event, Ask: p.Ask, Log: g.log,
		Linked: func(by net.Conn) { visitorOf(by).left() },
	})
	calls.DialPortal, calls.DialService = p.Dial, g.teletel.dial(calls.DialService)
	g.about.Store(fmt.Sprintf("control links at %s, %s", strings.Join(reached(scheme, g.links.Addr()), ", "), g.teletel.about()))
	g.board.Open(calls, p.Event, orders.gateways.Event)
	g.answer = orders.gateways.Answer(g.board.Answer)
	g.work = append(g.work, func(ctx context.Context) { serveLinks(ctx, orders.gateways, g.links, g.log) })
	return nil
}

// secure has a listener speak TLS. The files are read with each link, so that a certificate
// may be renewed.
func (o Links) secure(l net.Listener) (net.Listener, error) {
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(o.Cert, cmp.Or(o.Key, o.Cert))
		return &pair, err
	}
	_, err := load(nil)
	return tls.NewListener(l, &tls.Config{GetCertificate: load, NextProtos: []string{"http/1.1"}}), err
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
