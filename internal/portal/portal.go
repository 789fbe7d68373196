// Package portal is the Télétel portal inside the gateway. It joins a call by
// the two doors that any portal has: its Dial gives the leg, and over the
// switchboard it hears of calls and orders them redirected.
package portal

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"

	"moip/internal/directory"
	"moip/internal/session"
)

// A Board takes the portal's orders.
type Board interface {
	Redirect(call session.ID, r session.Route) error
}

// A Portal serves all calls of a gateway.
type Portal struct {
	board    Board
	services *directory.Directory
	log      *slog.Logger

	mu    sync.Mutex
	calls map[session.ID]*visitor
}

// A visitor is what the portal knows of a call.
type visitor struct {
	addr netip.Addr
	desk *desk // nil until the call has reached the portal
}

// New returns a portal that redirects to the services listed.
func New(board Board, services *directory.Directory, log *slog.Logger) *Portal {
	return &Portal{board: board, services: services, log: log, calls: map[session.ID]*visitor{}}
}

// Event hears what happens to calls. It does not block.
func (p *Portal) Event(e session.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch v := p.calls[e.Call]; {
	case e.Type == session.Began:
		p.calls[e.Call] = &visitor{addr: e.Caller.Addr.Addr()}
	case e.Type == session.Ended:
		delete(p.calls, e.Call)
	case e.Type == session.Returned && v != nil && v.desk != nil:
		v.desk.welcome()
	}
}

var errNoCall = errors.New("the call has ended")

// Dial gives a call its desk. It is a session.Dial.
func (p *Portal) Dial(_ context.Context, call session.ID, _ session.Route) (session.Endpoint, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.calls[call]
	if v == nil {
		return nil, errNoCall
	}
	v.desk = newDesk(p, call, v.addr)
	return v.desk, nil
}

// redirect orders a call redirected.
func (p *Portal) redirect(call session.ID, r session.Route) bool {
	err := p.board.Redirect(call, r)
	if err != nil {
		p.log.Warn("portal: redirect refused", "call", call, "to", r.Name, "error", err)
	}
	return err == nil
}
