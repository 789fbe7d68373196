package gateway

import (
	"context"
	"fmt"
	"strings"

	"moip/internal/control/admin"
	"moip/internal/control/admin/access"
	"moip/internal/control/admin/console"
	"moip/internal/control/cluster/tunnel"
	"moip/internal/directory"
	"moip/internal/discreet"
	"moip/internal/session"
	"moip/internal/upstream"
)

// openAdmin opens the operators' door. A port that is taken keeps nobody from running
// a second gateway, unless this very address was asked for.
func (g *gateway) openAdmin() (err error) {
	o := g.operations()
	if g.cfg.Clustered() {
		g.work = append(g.work, func(ctx context.Context) { g.answerGateways(ctx, o) })
	}
	address, asked := g.cfg.AdminAddress()
	if address == "" {
		return nil
	}
	address, g.adminTLS = strings.CutPrefix(address, "https://")
	rules, err := g.rulesOf(g.cfg)
	if err != nil {
		return err
	}
	g.admin, err = g.sockets.Listen(address)
	switch {
	case err != nil && asked:
		return withAdvice(fmt.Errorf("admin: %w", err))
	case err != nil:
		g.log.Warn("operators cannot reach this gateway; --admin names another address", "error", err)
		return nil
	}
	if g.cfg.AdminUnasked() {
		g.log.Warn("operators do not come by TLS: nobody is asked for a certificate of tls.admin_client_ca, and everybody may do everything", "at", address)
	}
	g.gate = access.New(rules, g.log)
	o.Gate, o.Console = g.gate, console.Handler()
	g.api = admin.NewServer(o)
	g.api.ConnContext = operators
	return nil
}

// operations are what operators ask for, here or through another gateway.
func (g *gateway) operations() admin.Options {
	o := admin.Options{
		Hub: g.hub, Board: g.board, Route: g.route, House: g, Bans: g.bans, Limits: g.limits, Memory: g.memory.Usage, Unlogged: g.unlogged, Shield: g.shield, History: g.history, Traces: g.traces,
		Level: g.level, Events: g.events, Metrics: g.metrics, Log: g.log,
	}
	if g.teletel != nil {
		o.Services = g.teletel.list
	}
	if g.shared != nil {
		o.SharedBans = g.shared.Counts
	}
	if g.shipper != nil {
		o.Shipping = g.shipping
	}
	if g.link != nil {
		url := discreet.URL(g.cfg.LinkURL()) // for good
		if g.cfg.LinkOnBus() {
			url = g.bus.State().At
		}
		o.Link = func() admin.Link {
			up, since := g.link()
			return admin.Link{URL: url, Up: up, Since: since.UTC()}
		}
	}
	return o
}

// answerGateways answers what other gateways ask, until ctx is done.
func (g *gateway) answerGateways(ctx context.Context, o admin.Options) {
	err := tunnel.Serve(ctx, tunnel.Options{Bus: g.bus, Name: g.hub.Name(), Instance: g.hub.Instance(), Handler: admin.Inside(o), Log: g.log})
	if err != nil {
		g.log.Error("other gateways are not answered", "error", err)
	}
}

func (g *gateway) closeAdmin() {
	if g.admin != nil {
		g.api.Close()
		g.admin.Close() // if it was never served
	}
}

// route returns the way to a service that an operator names.
func (g *gateway) route(name string) (session.Route, error) {
	if g.teletel != nil {
		if s, ok := g.teletel.book.Directory().Lookup(name); ok {
			if directory.IsInside(s.Route) {
				return s.Route, nil
			}
			return s.Route, (&upstream.Dialer{Permit: g.permit}).Permits(s.Route)
		}
	}
	if !strings.Contains(name, ":") {
		return session.Route{}, fmt.Errorf("%.40q is no service of the directory, and no URL", name)
	}
	r := session.Route{Name: discreet.URL(name), URL: name}
	return r, (&upstream.Dialer{Permit: g.permit}).Permits(r)
}

// list tells operators of the services of the directory.
func (t *teletel) list() []admin.Service {
	all := []admin.Service{}
	for _, s := range t.book.Directory().Services() {
		told := admin.Service{
			Code: s.Name, Title: s.Title, Category: s.Category, URL: discreet.URL(s.URL), Palier: s.Tariff.Palier, State: "unknown", Record: s.Record,
		}
		if state := t.book.State(s.Name); directory.IsInside(s.Route) {
			told.State = "open"
		} else if state.Known {
			told.State, told.Since, told.Error, told.Found, told.By = "closed", state.Since.UTC(), state.Err, state.At.UTC(), state.By
			if state.Up {
				told.State = "open"
			}
		}
		all = append(all, told)
	}
	return all
}
