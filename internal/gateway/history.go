package gateway

import (
	"context"
	"fmt"
	"time"

	"moip/internal/bus/natsbus"
	"moip/internal/control/admin"
	"moip/internal/control/cluster/ship"
	"moip/internal/history"
	"moip/internal/ledger"
)

// openHistory opens the records of calls. The gateway does without if they cannot be had
// where nobody has asked for them.
func (g *gateway) openHistory() (err error) {
	path, asked := g.cfg.HistoryFile()
	if path == "" {
		return nil
	}
	o := history.Options{Keep: time.Duration(g.cfg.History.Keep), Calls: g.cfg.History.Calls, Node: history.Node(), Ship: g.cfg.Cluster.Records != "", Log: g.log}
	if g.clustered {
		o.Node = g.cfg.NodeName() // there may be several on this machine
	}
	g.history, err = history.Open(path, o)
	switch {
	case err != nil && asked:
		return fmt.Errorf("history: %w; --history none does without", err)
	case err != nil:
		g.log.Warn("no history is kept of calls; --history names another file", "error", err)
	default:
		g.openShipping()
	}
	return nil
}

// openShipping has the records of calls brought to a stream, if they are to be.
func (g *gateway) openShipping() {
	b, ok := g.bus.(*natsbus.Bus)
	if g.cfg.Cluster.Records == "" || !ok {
		return
	}
	g.shipper = ship.New(ship.Options{Conn: b.Conn(), Prefix: g.cfg.Cluster.Prefix, Stream: g.cfg.Cluster.Records, History: g.history, Log: g.log})
	g.work = append(g.work, g.shipper.Run)
}

// shipping tells operators how that goes.
func (g *gateway) shipping() admin.Shipping {
	ctx, cancel := context.WithTimeout(g.stopped, time.Second)
	defer cancel()
	s := g.shipper.State(ctx)
	return admin.Shipping{Shipped: s.Shipped, Waiting: s.Waiting, Missed: s.Missed, Failing: s.Fault != nil}
}

// closeHistory writes what waits.
func (g *gateway) closeHistory() {
	if g.history == nil {
		return
	}
	if err := g.history.Close(); err != nil {
		g.log.Error("history", "error", err)
	}
}

// ledgers are several that are told the same.
type ledgers []ledger.Ledger

func (all ledgers) Enter(r ledger.Record) {
	for _, l := range all {
		l.Enter(r)
	}
}
