package pymoip

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"moip/internal/session"
)

var (
	errStranger = errors.New("this address is not a gateway's")
	errUnasked  = errors.New("the portal has not asked")
	errSecond   = errors.New("the connection was introduced before")
)

// A guest is a caller's connection to the portal. Most were made by a gateway
// on behalf of the caller, and the gateway says so: a guest is the Endpoint
// that listens for that.
type guest struct {
	around
	server *Server
	addr   netip.AddrPort // of whoever made the connection
	id     session.ID     // set once, before the first Receive; 0 if the call was not begun

	asking sync.Mutex // guards asks
	asks   enqrom
	asked  atomic.Bool // who is there

	// Owned by Receive.
	sieve  sieve
	err    error // why Receive is over
	warned bool  // of an introduction

	turn sync.Mutex // see Server

	// Guarded by Server.mu; claim is also known in the guest's turn.
	claim   *claim   // nil until a gateway has introduced the guest
	gateway *gateway // by whose link orders go, nil if there is none
	visit   *visit   // under way, nil if there is none
	doubted bool     // another guest has its gateway's caller
}

func newGuest(s *Server, e session.Endpoint, who session.Caller) *guest {
	g := &guest{around: around{e}, server: s, addr: who.Addr}
	g.sieve.found = g.introduction
	return g
}

// Send passes on what the portal sends, and notes when it asks who is there.
func (g *guest) Send(p []byte) (kept bool) {
	if !g.asked.Load() {
		g.asking.Lock()
		if g.asks.in(p) {
			g.asked.Store(true)
		}
		g.asking.Unlock()
	}
	return g.Endpoint.Send(p)
}

// Receive passes on what the caller sends, but for introductions.
func (g *guest) Receive() ([]byte, error) {
	for g.err == nil {
		chunk, err := g.Endpoint.Receive()
		if err == session.ErrQuiet {
			return nil, err
		}
		g.err = err
		passed, typed := g.sieve.sift(chunk)
		if err != nil {
			passed = g.sieve.flush(passed)
		}
		if typed {
			g.server.typed(g)
		}
		if len(passed) > 0 {
			return passed, nil
		}
	}
	return nil, g.err
}

// Dropped and Facts are what the session may ask an Endpoint.
func (g *guest) Dropped() uint64 {
	if e, ok := g.Endpoint.(interface{ Dropped() uint64 }); ok {
		return e.Dropped()
	}
	return 0
}

func (g *guest) Facts() map[string]string {
	if e, ok := g.Endpoint.(interface{ Facts() map[string]string }); ok {
		return e.Facts()
	}
	return nil
}

// introduction is told of each introduction that the caller's stream has
// brought. A gateway sends one. The others come from a caller who would be
// somebody else; they are no keys, and that is all.
func (g *guest) introduction(details []byte, err error) {
	if err == nil {
		err = g.introduce(string(details))
	}
	if err != nil && !g.warned {
		g.warned = true
		g.server.log.Warn("introduction not believed", "call", g.id, "from", g.addr, "err", err, "details", quote(details))
	}
}

func (g *guest) introduce(details string) error {
	if !g.server.allows(bare(g.addr.Addr())) {
		return errStranger
	}
	if !g.asked.Load() {
		return errUnasked
	}
	c, err := parseDetails(details)
	if err != nil {
		return err
	}
	return g.server.introduce(g, c)
}
