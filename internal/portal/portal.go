// Package portal is the Télétel portal: the home page, the directory, the cost
// of visits and the receipt.
//
// It joins a call by the two doors that any portal has: its Dial gives the leg,
// and events tell it what happens to the call while its orders redirect it. So
// it does not matter whether the gateway that obeys is its own, or another one
// at the end of a control link.
package portal

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"moip/internal/directory"
	"moip/internal/ledger"
	"moip/internal/seat"
	"moip/internal/session"
	"moip/internal/tariff"
	"moip/minitel"
)

// A Board takes the portal's orders.
type Board interface {
	// Redirect puts a call through to r, or says why not. If it returns nil,
	// events tell how it went.
	Redirect(call session.ID, r session.Route) error
}

// Options say what a portal works with.
type Options struct {
	Board  Board
	Book   *directory.Book
	Ledger ledger.Ledger // takes the record of each visit; nil for nobody
	Log    *slog.Logger

	// Alone is for a portal whose callers come by other gateways. Until one
	// has introduced a caller (session.Linked), services that are not inside
	// are out of reach.
	Alone bool
}

// A Portal serves all calls of a gateway.
type Portal struct {
	Options

	mu    sync.Mutex
	calls map[session.ID]*visitor
}

// New returns a portal that nobody has called yet.
func New(o Options) *Portal {
	return &Portal{Options: o, calls: map[session.ID]*visitor{}}
}

// Event hears what happens to calls. It does not block.
func (p *Portal) Event(e session.Event) {
	v := p.visitor(e)
	if v == nil {
		return
	}
	ended := v.event(e)
	if ended == nil {
		return
	}
	switch {
	case ended.reached():
		p.Book.Note(ended.name, true, nil)
		if p.Ledger != nil {
			p.Ledger.Enter(v.record(e.Call, ended))
		}
	case e.Reason == session.ReasonRefused, e.Reason == session.ReasonTimeout, e.Reason == session.ReasonForbidden:
		p.Book.Note(ended.name, false, e.Err)
	}
}

// visitor returns whom e is about, nil if the portal does not know.
func (p *Portal) visitor(e session.Event) *visitor {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Type {
	case session.Began:
		p.calls[e.Call] = &visitor{caller: e.Caller, linked: !p.Alone, tariff: p.tariff}
	case session.Ended:
		defer delete(p.calls, e.Call)
	}
	return p.calls[e.Call]
}

// Ask asks a call's terminal who it is. Before it, its gateway answers who calls.
func (p *Portal) Ask(call session.ID) {
	p.mu.Lock()
	v := p.calls[call]
	p.mu.Unlock()
	if v != nil {
		v.inquire()
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
	t := minitel.New(newDesk(p, call, v))
	t.AtEnd(v.leave)
	v.arrive(t)
	return seat.Seat{Terminal: t}, nil
}

// tariff is what a service costs; nothing if the directory does not list it.
func (p *Portal) tariff(service string) tariff.Tariff {
	s, _ := p.Book.Directory().Lookup(service)
	return s.Tariff
}
