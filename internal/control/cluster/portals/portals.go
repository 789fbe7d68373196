// Package portals is the control link between gateways and their portals over the bus: for
// portals that do not want a link to each gateway, and share the work.
//
// Callers still reach a portal where it answers them. On the bus it hears who has come,
// and gives orders. A call is known to all as NAME-NUMBER, of its gateway and its number
// there: so it is called in the handshake of its WebSocket, and in the introduction.
package portals

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"moip/internal/bus"
	"moip/internal/control/pymoip"
	"moip/internal/session"
)

// A Board knows the calls and takes orders for them, as switchboard.Board does.
type Board interface {
	Redirect(session.ID, session.Route) error
	Recall(session.ID) error
	Message(id session.ID, text string) error
	Hangup(session.ID, session.Reason) error
	Info(session.ID) (session.Info, error)
	Calls() []session.Info
}

// Options of a Link.
type Options struct {
	Bus   bus.Bus
	Name  string // of the gateway
	Board Board

	// Route returns the way to what a portal names: the code of a service or a URL. The
	// options are JSON, nil if there are none. It must not wait for anybody.
	Route func(to string, options json.RawMessage) (session.Route, error)

	// Describe returns what is told of a call, which has a JSON.
	Describe func(session.Info) any

	Log *slog.Logger
}

// A Link is a gateway's end of the control link. Its methods may be called from any
// goroutine.
type Link struct {
	o       Options
	answers string        // subject below which arrivals are answered
	bell    chan struct{} // of one: arrivals are to be told
	strange chan struct{} // has one for each order for a call that is not here, until that is answered
	last    complaint

	mu      sync.Mutex // never held while anything else is called
	pending map[session.ID]*arrival
	queue   []session.ID // of those that are to be told now, or have gone
	flying  int          // told and not answered, since all were told anew
	heard   bool         // of a portal since then
}

// New returns a Link, which works while Run runs.
func New(o Options) *Link {
	return &Link{
		o: o, answers: bus.Inbox(), bell: make(chan struct{}, 1), strange: make(chan struct{}, maxStrange),
		pending: map[session.ID]*arrival{},
	}
}

// Call returns the name of one of the gateway's calls.
func (l *Link) Call(id session.ID) string { return l.o.Name + "-" + strconv.FormatUint(uint64(id), 10) }

// State says whether portals can be heard, and since when that is so.
func (l *Link) State() (up bool, since time.Time) {
	s := l.o.Bus.State()
	return s.Up, s.Since
}

// Introduce wraps the dial of the portal, which is told whose connection it has: in the
// handshake if it is a WebSocket, and if it asks who is there, as PyMoIP's servers do.
func (l *Link) Introduce(dial session.Dial) session.Dial {
	named := func(ctx context.Context, id session.ID, r session.Route) (session.Endpoint, error) {
		r.Call = l.Call(id)
		return dial(ctx, id, r)
	}
	return pymoip.IntroduceAs(named, func(id session.ID) (name string, who session.Caller, ok bool) {
		info, err := l.o.Board.Info(id)
		return l.Call(id), info.Caller, err == nil
	})
}

// Run follows portals until ctx is done.
func (l *Link) Run(ctx context.Context) {
	stop, err := bus.SubscribeAll(l.o.Bus, map[string]func(bus.Message){
		"call." + l.o.Name + ".*": l.ofCall,
		"calls":                   l.ofAll,
		"calls." + l.o.Name:       l.ofAll,
		l.answers + ".*":          l.answered,
	})
	if err != nil {
		l.o.Log.Error("portals are not heard", "error", err)
		return
	}
	defer stop()
	defer l.o.Bus.Follow(func(s bus.State) {
		if s.Up {
			l.tellAnew()
		}
	})()
	l.announce(ctx)
}
