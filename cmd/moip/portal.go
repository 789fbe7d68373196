package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"moip/internal/config"
	"moip/internal/control/pymoip"
	"moip/internal/directory"
	"moip/internal/policy"
	"moip/internal/session"
	"moip/internal/switchboard"
)

// portalAlone runs the portal without a gateway of its own: for those of other
// machines, MoIP's or PyMoIP's, whose callers come by one port and whose control
// links by another.
type portalAlone struct {
	WS        string   `name:"ws" default:"8765" help:"Answer gateways, and callers without one, at this port or address. If not given, 8765." placeholder:"[ADDR:]PORT"`
	Link      string   `default:"8764" help:"Take gateways' control links at this port or address. If not given, 8764." placeholder:"[ADDR:]PORT"`
	Gateways  []string `default:"127.0.0.0/8,::1" help:"Addresses and networks of the gateways that are believed. If not given, 127.0.0.0/8,::1." placeholder:"NETWORK"`
	Directory string   `help:"File or folder of the services; without it, the directory inside." placeholder:"PATH"`
	Cache     string   `help:"Folder for copies of imported directories, or none." placeholder:"FOLDER"`
	Pages     string   `help:"Folder of the .vdt files that the service PAGES shows." placeholder:"FOLDER"`
	Records   string   `default:"visits.jsonl" help:"File to which each visit to a service adds a line, or none. If not given, visits.jsonl." placeholder:"FILE"`
	Log       *string  `help:"Log file, or none. If not given, portal.log." placeholder:"FILE"`
	LogLevel  string   `default:"info" help:"Least to log: debug, info, warn or error." placeholder:"LEVEL"`
}

func (p *portalAlone) Run(ctx context.Context, out io.Writer) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	gateways, err := networks(p.Gateways)
	if err != nil {
		return fmt.Errorf("--gateways: %w", err)
	}
	links, err := listenForLinks(p.Link, gateways)
	if err != nil {
		return fmt.Errorf("--link: %w", err)
	}
	defer links.Close()
	return operate(ctx, out, plan{cfg: cfg, logAsked: p.Log != nil, wire: func(g *gateway) error {
		return g.wireAlone(links, gateways)
	}})
}

// config is that of a gateway that nobody calls by telnet, and whose calls last
// for as long as other gateways let them.
func (p *portalAlone) config() (*config.Config, error) {
	cfg := single()
	cfg.Directory, cfg.Cache, cfg.Pages, cfg.Records, cfg.Log = p.Directory, p.Cache, p.Pages, p.Records, "portal.log"
	if p.Log != nil {
		cfg.Log = *p.Log
	}
	cfg.Limits.Idle, cfg.Limits.Call, cfg.Limits.Visit = 0, 0, 0
	if err := cfg.LogLevel.UnmarshalText([]byte(p.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	uri, err := config.ListenPort("ws", p.WS)
	if err != nil {
		return nil, fmt.Errorf("--ws: %w", err)
	}
	cfg.Listen = []string{uri}
	return cfg, cfg.Validate()
}

// networks reads addresses and networks.
func networks(list []string) (all []netip.Prefix, err error) {
	for _, text := range list {
		network, err := policy.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		all = append(all, network)
	}
	return all, nil
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

// wireAlone is wire for a portal whose callers come by other gateways.
func (g *gateway) wireAlone(links net.Listener, gateways []netip.Prefix) error {
	calls := g.calls()
	if err := g.openTeletel(calls.DialService); err != nil {
		return err
	}
	orders := &orders{own: g.board}
	p := g.teletel.portal(orders, true)
	orders.gateways = pymoip.NewServer(pymoip.ServerOptions{Gateways: gateways, Follow: p.Event, Ask: p.Ask, Log: g.log})
	calls.DialPortal, calls.DialService = p.Dial, g.teletel.dial(calls.DialService)
	g.about.Store(fmt.Sprintf("control links at %s, %s", strings.Join(reached("ws", links.Addr()), ", "), g.teletel.about()))
	g.board.Open(calls, p.Event, orders.gateways.Event)
	g.answer = orders.gateways.Answer(g.board.Answer)
	g.work = append(g.work, func(ctx context.Context) { serveLinks(ctx, orders.gateways, links, g.log) })
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
