package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"moip/internal/config"
	"moip/internal/control/pymoip"
	"moip/internal/downstream"
	"moip/internal/portal"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/upstream"
)

// A gateway is all that runs, wired together.
type gateway struct {
	cfg       *config.Config
	log       *slog.Logger
	listeners []*downstream.Listener
	board     *switchboard.Board
	link      *pymoip.Link // nil if there is none
	about     string       // the portal, for people

	doors, linked sync.WaitGroup
	unlink        context.CancelFunc // set if there is a link
}

// open wires a gateway and opens its doors. Nobody is answered before start.
func open(cfg *config.Config, log *slog.Logger) (*gateway, error) {
	g := &gateway{cfg: cfg, log: log, board: switchboard.New(log)}
	if err := g.wire(); err != nil {
		return nil, err
	}
	for _, uri := range cfg.Listen {
		l, err := downstream.Listen(uri, downstream.Options{
			Ping: orNever(cfg.Limits.Ping), Stall: orNever(cfg.Limits.Stall), Log: log,
		})
		if err != nil {
			g.closeDoors()
			return nil, err
		}
		g.listeners = append(g.listeners, l)
	}
	return g, nil
}

// never is longer than any call.
const never = 100 * 365 * 24 * time.Hour

// orNever returns d, or for none what comes to the same where 0 means the
// default.
func orNever(d config.Duration) time.Duration {
	if d == 0 {
		return never
	}
	return time.Duration(d)
}

// wire connects the board with the portal, built in or not, and the services.
func (g *gateway) wire() error {
	limits := g.cfg.Limits
	dialer := &upstream.Dialer{Stall: orNever(limits.Stall)}
	calls := session.Config{
		Portal:      g.cfg.Portal.Session("portal"),
		DialPortal:  dialer.Dial,
		DialService: dialer.Dial,
		Limits: session.Limits{
			Idle: time.Duration(limits.Idle), Visit: time.Duration(limits.Visit), Call: time.Duration(limits.Call),
			Dial: time.Duration(limits.Dial), Wait: time.Duration(limits.Wait), Drain: time.Duration(limits.Drain),
		},
	}
	if g.cfg.Builtin() {
		list, err := services(g.cfg)
		if err != nil {
			return err
		}
		p := portal.New(g.board, list, g.log)
		calls.DialPortal = p.Dial
		g.about = fmt.Sprintf("built in, services listed: %d", len(list.Services()))
		g.board.Open(calls, p.Event)
		return nil
	}
	g.about = g.cfg.Portal.URL
	url := g.cfg.LinkURL()
	if url == "" {
		g.board.Open(calls)
		return nil
	}
	g.about += ", control link " + url
	g.link = pymoip.New(pymoip.Options{URL: url, Board: g.board, Log: g.log})
	calls.DialPortal = g.link.Introduce(dialer.Dial)
	g.board.Open(calls, g.link.Event)
	return nil
}

// welcome tells whoever started the gateway what to open.
func (g *gateway) welcome(out io.Writer) {
	fmt.Fprintln(out, "MoIP answers callers at")
	for _, l := range g.listeners {
		scheme, address, _ := strings.Cut(l.URI(), "://")
		if scheme == "ws" {
			fmt.Fprintf(out, "  http://%s/  (page to open in a browser)\n", address)
		}
		fmt.Fprintf(out, "  %s\n", l.URI())
		host, port, _ := net.SplitHostPort(address)
		if host == "localhost" {
			for _, ip := range addresses() {
				fmt.Fprintf(out, "  %s://%s\n", scheme, net.JoinHostPort(ip, port))
			}
		}
	}
	fmt.Fprintf(out, "Portal: %s\nCtrl-C stops it.\n", g.about)
}

// addresses returns where other machines may reach this one.
func addresses() (ips []string) {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP.String())
		}
	}
	return ips
}

// start answers callers.
func (g *gateway) start() {
	if g.link != nil {
		var ctx context.Context
		ctx, g.unlink = context.WithCancel(context.Background())
		g.linked.Go(func() { g.link.Run(ctx) })
	}
	for _, l := range g.listeners {
		g.doors.Go(func() {
			if err := l.Serve(g.board.Answer); err != nil {
				g.log.Error("listener failed", "at", l.URI(), "error", err)
			}
		})
	}
}

// stop takes leave of all callers. The link stays until the last has left, so
// that the portal hears of it.
func (g *gateway) stop() {
	g.log.Info("stopping", "calls", len(g.board.Calls()))
	g.closeDoors()
	g.doors.Wait()
	// A caller's farewell has the drain limit; a little more is for the rest.
	drain, cancel := context.WithTimeout(context.Background(), time.Duration(g.cfg.Limits.Drain)+time.Second)
	defer cancel()
	if g.board.Shutdown(drain) != nil {
		g.log.Warn("calls are cut", "calls", len(g.board.Calls()))
	}
	if g.link != nil {
		g.unlink()
		g.linked.Wait()
	}
	g.log.Info("stopped")
}

func (g *gateway) closeDoors() {
	for _, l := range g.listeners {
		l.Close()
	}
}
