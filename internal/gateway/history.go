package gateway

import (
	"fmt"
	"time"

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
	g.history, err = history.Open(path, history.Options{
		Keep: time.Duration(g.cfg.History.Keep), Calls: g.cfg.History.Calls, Node: history.Node(), Log: g.log,
	})
	switch {
	case err != nil && asked:
		return fmt.Errorf("history: %w; --history none does without", err)
	case err != nil:
		g.log.Warn("no history is kept of calls; --history names another file", "error", err)
	}
	return nil
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
