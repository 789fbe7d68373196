package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"moip/internal/bus/natsbus"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/news"
	"moip/internal/control/cluster/tunnel"
	"moip/internal/session"
)

// A hub is the gateways and what connects them.
type hub struct {
	nats *nats
	all  []*gateway
	lost int                          // that were killed
	idle struct{ nats, ours float64 } // seconds of CPU that a second of beats costs
}

// A gateway is one without calls.
type gateway struct {
	bus  *natsbus.Bus
	hub  *cluster.Hub
	wire *news.Wire
	stop context.CancelFunc
	done sync.WaitGroup
}

func (h *hub) open(ctx context.Context, name string) (g *gateway, err error) {
	g = new(gateway)
	log := slog.New(slog.DiscardHandler)
	if g.bus, err = natsbus.Open(natsbus.Options{Servers: []string{h.nats.url}, Prefix: "bench", Name: name, Log: log}); err != nil {
		return nil, err
	}
	g.wire = news.New()
	g.hub = cluster.New(cluster.Options{Bus: g.bus, Name: name, Log: log, Self: func() cluster.Gateway {
		return cluster.Gateway{State: "running", Version: "bench", Calls: 9900, MaxCalls: 10000, Events: g.wire.Told(), Config: "bench"}
	}})
	g.wire.Join(news.Options{Hub: g.hub, Log: log})
	ctx, g.stop = context.WithCancel(ctx)
	g.done.Go(func() { g.hub.Run(ctx) })
	g.done.Go(func() { g.wire.Run(ctx) })
	g.done.Go(func() {
		tunnel.Serve(ctx, tunnel.Options{Bus: g.bus, Name: name, Instance: g.hub.Instance(), Log: log, Handler: http.HandlerFunc(obey)})
	})
	return g, nil
}

// obey is the command that costs nothing but its way.
func obey(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// note has a gateway tell of an event, as a call has it. Its call is the event's number.
func (g *gateway) note() {
	g.wire.Note(session.Event{
		Call: session.ID(g.wire.Told()), At: time.Now(), Type: session.Redirected,
		Caller: session.Caller{Addr: netip.MustParseAddrPort("192.0.2.1:49152"), Transport: "ws"},
		Route:  session.Route{Name: "ANNUAIRE"}, In: 12, Out: 3456,
	})
}

// close ends a gateway; one that is killed says nothing.
func (g *gateway) close(killed bool) {
	if killed {
		g.bus.Close()
	}
	g.stop()
	g.done.Wait()
	g.bus.Close()
}

func (h *hub) leave() {
	var leaving sync.WaitGroup
	for _, g := range h.all {
		leaving.Go(func() { g.close(false) })
	}
	leaving.Wait()
}

// know waits until each gateway knows all others: so many that are heard, and those that
// were killed silent. It returns how long that took.
func (h *hub) know(within time.Duration) (time.Duration, error) {
	began := time.Now()
	for {
		wrong := h.wrong()
		switch {
		case wrong == "":
			return time.Since(began), nil
		case time.Since(began) > within:
			return 0, fmt.Errorf("after %v, %s", within, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (h *hub) wrong() string {
	for _, g := range h.all {
		heard, silent := 0, 0
		for _, other := range g.hub.Gateways() {
			if other.Silent {
				silent++
			} else {
				heard++
			}
		}
		if heard != len(h.all) || silent != h.lost {
			return fmt.Sprintf("%s knows %d gateways and %d that are silent, of %d and %d", g.hub.Name(), heard, silent, len(h.all), h.lost)
		}
	}
	return ""
}
