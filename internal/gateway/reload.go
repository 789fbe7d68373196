package gateway

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"moip/internal/config"
	"moip/internal/control/admin"
	"moip/internal/directory"
	"moip/internal/downstream"
	"moip/internal/services"
	"moip/internal/smallfile"
)

// lookEvery is how often the configuration file is looked at.
const lookEvery = 2 * time.Second

// attend obeys signals, and follows the configuration file, until ctx is done or nothing
// is left to do.
func (g *gateway) attend(ctx context.Context) {
	if g.source == nil {
		select {
		case <-ctx.Done():
		case <-g.gone:
		}
		return
	}
	reload, replace, stop := signalled(g.file != "")
	defer stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	file := smallfile.Since(smallfile.Look(g.file))
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.gone:
			return
		case <-reload:
			g.Reload() // which tells the log
		case <-replace:
			g.Upgrade()
		case <-look.C:
			if file.Changed(smallfile.Look(g.file)) && g.runs() == nil {
				g.Reload()
			}
		}
	}
}

// Reload reads the configuration anew, and has the gateway go by it as far as that cuts
// no call. If anything is wrong, nothing changes.
func (g *gateway) Reload() (admin.Reloaded, error) {
	told, err := g.reload()
	if err != nil {
		g.log.Error("configuration is not changed", "error", err)
	} else {
		g.log.Info("configuration read anew", "changed", told.Changed, "needs an upgrade", told.Left)
	}
	return told, err
}

func (g *gateway) reload() (admin.Reloaded, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.runs(); err != nil {
		return admin.Reloaded{}, err
	}
	next, err := g.source()
	if err != nil {
		return admin.Reloaded{}, err
	}
	next, changed, left := g.cfg.With(next, mayChange(g.cfg, next))
	if err := next.Validate(); err != nil { // what has changed may not go with what has not
		return admin.Reloaded{}, err
	}
	rules, err := g.rulesOf(next) // there may be other tokens in the same files
	if err != nil {
		return admin.Reloaded{}, err
	}
	if err := g.change(next, changed); err != nil {
		return admin.Reloaded{}, err
	}
	if g.gate != nil {
		g.gate.Change(rules)
	}
	return admin.Reloaded{Changed: append([]string{}, changed...), Left: append([]string{}, left...)}, nil
}

// mayChange returns which keys may change while calls go on. What is not among them was
// opened at the start, for good.
func mayChange(was, is *config.Config) func(key string) bool {
	samePortal := was.Builtin() == is.Builtin()
	sameDirectory := was.NeedsDirectory() == is.NeedsDirectory()
	return func(key string) bool {
		table, _, _ := strings.Cut(key, ".")
		switch table {
		case "listen", "directory", "pages", "log_level", "limits", "proxies", "tls":
			return true
		case "admin_token_file", "admin_look_token_file", "admin_hosts", "admin_plain":
			return true
		case "portal":
			return samePortal
		case "redirect":
			return sameDirectory
		case "bans":
			return key == "bans.never"
		case "cluster":
			return key == "cluster.max_calls"
		case "shield":
			return key != "shield.file"
		case "recordings":
			return key != "recordings.folder"
		}
		return false
	}
}

// change has the gateway go by cfg, in which some keys have changed. What may fail comes
// first; if it does, nothing changes.
func (g *gateway) change(cfg *config.Config, changed []string) error {
	certificates, err := g.keys.Prepare(cfg.TLS.Options()) // there may be others in the same files
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		certificates()
		return nil
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(changed, key) })
	}
	if err := services.CheckPages(cfg.Pages); err != nil {
		return err
	}
	doors, err := g.changeDoors(cfg, has("limits.ping", "limits.stall", "recordings.calls"))
	if err != nil {
		return err
	}
	if g.book != nil && has("directory") {
		if err := move(g.stopped, g.book, cfg.Directory); err != nil {
			doors.undo()
			return err
		}
	}
	if g.teletel != nil {
		g.teletel.services.SetPages(cfg.Pages)
	}
	if g.records != nil {
		g.records.Change(cfg.Recordings.Options())
	}
	g.proxies.Store(cfg.Proxies.Options())
	g.bans.SetNever(cfg.Bans.Options().Never)
	g.limits.Change(g.rules(cfg))
	g.shield.Change(cfg.Shield.Rules())
	if has("log_level") {
		g.level.Set(cfg.LogLevel.Level())
	}
	certificates()
	g.cfg = cfg
	g.digestConfig()
	g.board.Change(g.configure())
	g.exchange(doors)
	g.redirectBy()
	return nil
}

// move has the directory read from elsewhere.
func move(ctx context.Context, book *directory.Book, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return book.Move(ctx, path)
}

// doors are listeners after a change of the configuration.
type doors struct{ all, opened, closed []*downstream.Listener }

// undo closes what was opened.
func (d doors) undo() {
	for _, l := range d.opened {
		l.Close()
	}
}

// changeDoors opens the listeners that cfg has beside those that there are, or all if
// they are to be others. One at a socket that is open takes that.
func (g *gateway) changeDoors(cfg *config.Config, others bool) (d doors, err error) {
	rest := slices.Clone(g.listeners)
	take := func(is func(*downstream.Listener) bool) *downstream.Listener {
		i := slices.IndexFunc(rest, is)
		if i < 0 {
			return nil
		}
		l := rest[i]
		rest = slices.Delete(rest, i, i+1)
		return l
	}
	had := make([]*downstream.Listener, len(cfg.Listen))
	for i, uri := range cfg.Listen {
		had[i] = take(func(l *downstream.Listener) bool { return l.Asked() == uri })
	}
	for i, uri := range cfg.Listen {
		if had[i] != nil && !others {
			d.all = append(d.all, had[i])
			continue
		}
		if had[i] == nil {
			had[i] = take(func(l *downstream.Listener) bool { return l.IsAt(uri) })
		}
		l, err := g.openDoor(cfg, uri, g.socketOf(had[i]))
		if err != nil {
			d.undo()
			return doors{}, err
		}
		d.all, d.opened = append(d.all, l), append(d.opened, l)
		if had[i] != nil {
			d.closed = append(d.closed, had[i])
		}
	}
	d.closed = append(d.closed, rest...)
	return d, nil
}

// socketOf returns what opens the socket of l once more, or a new one if l is nil.
func (g *gateway) socketOf(l *downstream.Listener) func(string) (net.Listener, error) {
	if l == nil || l.Socket() == nil {
		return g.sockets.Listen
	}
	return func(string) (net.Listener, error) { return g.sockets.Again(l.Socket()) }
}

// exchange answers callers at other doors.
func (g *gateway) exchange(d doors) {
	g.listeners = d.all
	g.noteBrowse()
	g.keys.At(places(g.listeners))
	for _, l := range d.opened {
		g.log.Info("listening", "at", l.URI())
		g.serve(l)
	}
	for _, l := range d.closed {
		g.doors.Go(func() { g.retire(l) })
	}
}

// retire closes a listener, and waits a little for those who have come and are no call yet.
func (g *gateway) retire(l *downstream.Listener) {
	ctx, cancel := context.WithTimeout(g.stopped, 10*time.Second)
	defer cancel()
	l.Retire(ctx)
}

// Settings tells operators what is in force.
func (g *gateway) Settings() admin.Settings {
	g.mu.Lock()
	defer g.mu.Unlock()
	return admin.Settings{File: g.file, Settings: g.cfg.Settings()}
}
