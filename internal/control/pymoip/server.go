package pymoip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"moip/internal/policy"
	"moip/internal/session"
)

// ServerOptions say what a server needs.
type ServerOptions struct {
	// Gateways are the addresses whose links are accepted and whose
	// introductions are believed. If there are none, it is this machine's
	// loopback addresses.
	Gateways []netip.Prefix

	// TokenFile has the tokens of the gateways. If there is one, a link is accepted only
	// with a token that is in it; those that are up lose it within half a minute when
	// theirs is there no more. It is read anew each time.
	TokenFile string

	// Follow is told Linked, Unlinked, Redirecting, Redirected and Returned of
	// the calls that gateways brought, Caller being the true one; of one call
	// in the order in which they happen. It must neither block nor call the
	// Server. What is under way when a call ends may be told after its Ended.
	Follow func(session.Event)

	// Ask has the portal ask who calls (ENQROM), on a call whose gateway has not
	// answered that and may do so now. It must neither block nor call the Server.
	Ask func(call session.ID)

	// Linked is told of each connection by which a link is had, before the gateway hears
	// that it has one. Nil for nobody.
	Linked func(by net.Conn)

	Log *slog.Logger // nil for none
}

// A Server is the portal's end of all control links. It accepts them, finds out
// which gateway brought which call, and orders that gateway to redirect it. Its
// methods may be called from any goroutine.
//
// There are three kinds of locks. A guest's turn is held by whoever changes the
// guest's state, from before the change until Follow has been told of it; this
// keeps events in order. mu guards the state of all, and is held for the moment
// of the change itself; under it nothing is called but the log. A lock of the
// session's comes before both: Event is called under it, so Event takes mu, and
// waits for no turn.
type Server struct {
	allowed   []netip.Prefix
	tokenFile string
	tries     policy.Tries
	follow    func(session.Event)
	ask       func(session.ID)
	linked    func(by net.Conn)
	log       *slog.Logger
	muffler   *muffler
	http      *http.Server

	life context.Context // done when the server stops
	stop context.CancelFunc
	room chan struct{}  // for links
	open sync.WaitGroup // links

	answering sync.Mutex // held while a call is answered

	mu       sync.Mutex
	closed   bool
	links    map[*gateway]bool
	arriving *guest // whose call is being answered
	guests   map[session.ID]*guest
	places   map[place][]*guest // guests that were introduced, oldest first
	visits   map[uint64]*visit  // under way, by the number of the order
	last     uint64             // number given
}

// A place is an address of gateways and a number they have given a caller. Two
// guests of one place may be different gateways', or one may be a fraud.
type place struct {
	host netip.Addr
	pid  uint64
}

// by is the key of the connection in the context of what is asked by it.
type by struct{}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// NewServer returns a server without links. Serve accepts them.
func NewServer(o ServerOptions) *Server {
	s := &Server{
		allowed:   o.Gateways,
		tokenFile: o.TokenFile,
		follow:    o.Follow,
		ask:       o.Ask,
		linked:    o.Linked,
		log:       o.Log,
		room:      make(chan struct{}, linksLimit),
		links:     map[*gateway]bool{},
		guests:    map[session.ID]*guest{},
		places:    map[place][]*guest{},
		visits:    map[uint64]*visit{},
	}
	if len(s.allowed) == 0 {
		s.allowed = loopback
	}
	if s.follow == nil {
		s.follow = func(session.Event) {}
	}
	if s.ask == nil {
		s.ask = func(session.ID) {}
	}
	if s.linked == nil {
		s.linked = func(net.Conn) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.muffler = &muffler{log: s.log}
	s.life, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.accept),
		ReadHeaderTimeout: handshakeTime,
		ReadTimeout:       handshakeTime,
		WriteTimeout:      handshakeTime,
		IdleTimeout:       handshakeTime,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, by{}, conn)
		},
	}
	return s
}

// Serve accepts links on l, at any path, until l is closed or the server shut
// down, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown accepts no more links, closes those there are, and waits for their
// end or for ctx, whose error it then returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.http.Close()
	done := make(chan struct{})
	go func() {
		s.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Links returns how many links are up.
func (s *Server) Links() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

func (s *Server) allows(host netip.Addr) bool {
	return slices.ContainsFunc(s.allowed, func(p netip.Prefix) bool { return p.Contains(host) })
}

// Answer wraps next, the Answer of a switchboard whose events come to Event:
// calls that come through it may be introduced by their gateways. A gateway's
// introduction does not reach the call.
func (s *Server) Answer(next func(session.Endpoint, session.Caller)) func(session.Endpoint, session.Caller) {
	return func(e session.Endpoint, who session.Caller) {
		g := newGuest(s, e, who)
		// One at a time, so that it is clear whose Began it is that comes
		// before next returns. The address alone would not tell the calls of
		// two listeners apart.
		s.answering.Lock()
		defer s.answering.Unlock()
		s.expect(g)
		defer s.expect(nil)
		next(g, who)
	}
}

func (s *Server) expect(g *guest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arriving = g
}

// Event follows the switchboard. It may be called with the call locked: it does
// not block, and calls nobody.
func (s *Server) Event(e session.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Type {
	case session.Began:
		if g := s.arriving; g != nil && g.addr == e.Caller.Addr {
			s.arriving = nil
			g.id = e.Call
			s.guests[g.id] = g
		}
	case session.Ended:
		if g := s.guests[e.Call]; g != nil {
			s.forget(g)
		}
	}
}

// forget is called with mu held.
func (s *Server) forget(g *guest) {
	delete(s.guests, g.id)
	if g.visit != nil {
		s.end(g.visit)
	}
	if g.gateway != nil {
		delete(g.gateway.guests, g.claim.pid)
	}
	if g.claim == nil {
		return
	}
	at := g.place()
	others := slices.DeleteFunc(s.places[at], func(other *guest) bool { return other == g })
	if len(others) == 0 {
		delete(s.places, at)
		return
	}
	s.places[at] = others
	go s.review(slices.Clone(others)) // one may have waited for this
}

// change has f change the state of g, under mu and in g's turn, and tells of
// what f says has happened. A guest that has left does not change any more.
func (s *Server) change(g *guest, f func() []session.Event) {
	g.turn.Lock()
	defer g.turn.Unlock()
	for _, e := range s.locked(g, f) {
		e.Call, e.At, e.Caller = g.id, time.Now(), g.claim.caller
		s.follow(e)
	}
}

func (s *Server) locked(g *guest, f func() []session.Event) []session.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guests[g.id] != g {
		return nil
	}
	return f()
}
