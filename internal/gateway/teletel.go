package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"moip/internal/directory"
	"moip/internal/ledger"
	"moip/internal/portal"
	"moip/internal/recording"
	"moip/internal/services"
	"moip/internal/session"
)

// A teletel is the portal inside, with what it works with.
type teletel struct {
	log      *slog.Logger
	book     *directory.Book
	ledger   *ledger.File // nil if visits are not recorded
	ledgers  ledgers      // that learn what visits cost
	services *services.Services
}

// openTeletel reads the directory and opens the records. Services that are not
// inside are tried by dial.
func (g *gateway) openTeletel(dial session.Dial) (err error) {
	if err := services.CheckPages(g.cfg.Pages); err != nil {
		return err
	}
	t := &teletel{log: g.log, services: services.New(services.Options{Pages: g.cfg.Pages, Log: g.log})}
	t.book, err = directory.Open(directory.Options{
		Path: g.cfg.Directory, Builtin: services.Names(), Cache: g.cfg.CacheFolder(), Dial: dial, Permit: g.permitImport, Log: g.log,
	})
	if err != nil {
		return err
	}
	if path := g.cfg.RecordsFile(); path != "" {
		if t.ledger, err = ledger.Open(path, g.log); err != nil {
			return fmt.Errorf("records: %w; --records none does without", err)
		}
		t.ledgers = append(t.ledgers, t.ledger)
	}
	if g.history != nil {
		t.ledgers = append(t.ledgers, g.history)
	}
	if g.records == nil && slices.ContainsFunc(t.book.Directory().Services(), func(s directory.Service) bool { return s.Record }) {
		g.log.Warn("recordings: services ask for them, but there is no folder for any")
	}
	g.teletel, g.book = t, t.book
	g.shareProbes(t.book.Prober())
	g.work = append(g.work, t.book.Run)
	return nil
}

// about tells people what there is.
func (t *teletel) about() string {
	return fmt.Sprintf("services listed: %d", len(t.book.Directory().Services()))
}

// portal returns the portal, whose orders board takes.
func (t *teletel) portal(board portal.Board, alone bool) *portal.Portal {
	o := portal.Options{Board: board, Book: t.book, Alone: alone, Log: t.log}
	if len(t.ledgers) > 0 {
		o.Ledger = t.ledgers
	}
	return portal.New(o)
}

// dial reaches services that are inside, and the others by outside.
func (t *teletel) dial(outside session.Dial) session.Dial {
	return func(ctx context.Context, call session.ID, r session.Route) (session.Endpoint, error) {
		if directory.IsInside(r) && !recording.IsRoute(r.URL) {
			return t.services.Dial(ctx, call, r)
		}
		return outside(ctx, call, r)
	}
}

func (t *teletel) close() {
	if t.ledger == nil {
		return
	}
	if err := t.ledger.Close(); err != nil {
		t.log.Error("records", "error", err)
	}
}
