// Package services has the services inside the binary, for a first evening, for
// tests, and as examples of how to write one: a test card, a keyboard tester, a
// clock, a slide show, a chat and an echo. See doc/services.md.
package services

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"moip/internal/seat"
	"moip/internal/session"
	"moip/minitel"
)

// Options say what the services of a gateway work with.
type Options struct {
	// Pages is the folder of .vdt files that PAGES shows; "" is for a few pages
	// of our own.
	Pages string
	// Log hears of a folder that cannot be read. None if nil.
	Log *slog.Logger
}

// Services are the services of one gateway: all callers of SALON meet.
type Services struct {
	pages atomic.Pointer[string]
	log   *slog.Logger
	room  *room
}

// New returns the services. Nothing runs until somebody calls.
func New(o Options) *Services {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Services{log: o.Log, room: newRoom()}
	s.SetPages(o.Pages)
	return s
}

// SetPages has those who come to PAGES from now on see another folder, as Options.Pages.
func (s *Services) SetPages(folder string) { s.pages.Store(&folder) }

// services are all there are, each with what makes its first page for a caller.
var services = []struct {
	name  string
	enter func(*Services, *slog.Logger) minitel.Page
}{
	{"mire", func(*Services, *slog.Logger) minitel.Page { return &mire{} }},
	{"clavier", func(*Services, *slog.Logger) minitel.Page { return &clavier{} }},
	{"heure", func(*Services, *slog.Logger) minitel.Page { return &heure{} }},
	{"pages", func(s *Services, log *slog.Logger) minitel.Page { return openAlbum(*s.pages.Load(), log) }},
	{"salon", func(s *Services, _ *slog.Logger) minitel.Page { return newEntrance(s.room) }},
	{"echo", func(*Services, *slog.Logger) minitel.Page { return &echo{} }},
}

// Names returns the names of the services, as they stand in builtin:NAME.
func Names() []string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.name
	}
	return names
}

// Dial reaches the service that r names by its URL, builtin:NAME in whatever
// case. It is a session.Dial, and fails only for a name that there is not.
func (s *Services) Dial(_ context.Context, call session.ID, r session.Route) (session.Endpoint, error) {
	name, _ := strings.CutPrefix(r.URL, "builtin:")
	for _, service := range services {
		if strings.EqualFold(service.name, name) {
			return seat.Seat{Terminal: minitel.New(service.enter(s, s.log.With("call", call)))}, nil
		}
	}
	return nil, fmt.Errorf("%.60q is not a service inside (there are builtin:%s)", r.URL, strings.Join(Names(), ", "))
}
