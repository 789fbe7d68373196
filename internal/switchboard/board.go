// Package switchboard knows all calls of a gateway: it answers callers, tells
// whoever follows what happens to them, and takes orders for them.
package switchboard

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"moip/internal/policy"
	"moip/internal/session"
	"moip/videotex"
)

// ErrUnknown refuses an order for a call that is not there (any more).
var ErrUnknown = errors.New("no such call")

// A Board is the switchboard of one gateway. Its methods may be called from
// any goroutine.
type Board struct {
	log    *slog.Logger
	follow []func(session.Event) // set by Open

	mu     sync.Mutex
	cfg    *session.Config // of calls to come
	calls  map[session.ID]*session.Call
	last   session.ID
	closed bool
	empty  chan struct{} // closed once closed and without calls
}

// New returns a Board that is not yet in service.
func New(log *slog.Logger) *Board {
	return &Board{log: log, calls: map[session.ID]*session.Call{}, empty: make(chan struct{})}
}

// Open puts the board in service, before the first Answer. Its calls are made
// by cfg. Each of follow is told of every event of every call, in the order in
// which they happen to the call. It is called with the call locked: it must
// not block, nor give orders.
func (b *Board) Open(cfg session.Config, follow ...func(session.Event)) {
	b.follow = follow
	b.Change(cfg)
}

// Change has all calls go by cfg, those under way too, see session.Call.Adopt.
func (b *Board) Change(cfg session.Config) {
	cfg.Emit = b.event
	b.mu.Lock()
	b.cfg = &cfg
	b.mu.Unlock()
	for _, c := range b.all() {
		c.Adopt(&cfg)
	}
}

// Answer starts a call. The Board owns e from now on. It does not block.
func (b *Board) Answer(e session.Endpoint, who session.Caller) {
	id, c := b.list(who)
	if c == nil {
		e.Close()
		return
	}
	c.Begin(e)
	b.log.Info("call began", "call", id, "from", who.Addr, "by", who.Transport)
}

// list makes a call, which is listed before it begins, for whoever follows may give an
// order as soon as it has heard of it. To begin takes longer, and in a crowd the others'
// orders must not wait for all of them.
func (b *Board) list(who session.Caller) (session.ID, *session.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, nil
	}
	b.last++
	c := session.New(b.cfg, b.last, who)
	b.calls[b.last] = c
	return b.last, c
}

// Redirect puts a call through to r. It returns ErrUnknown, session.ErrBusy or
// session.ErrOver, or nil once the order is taken; events tell how it went.
func (b *Board) Redirect(id session.ID, r session.Route) error {
	c, err := b.call(id)
	if err != nil {
		return err
	}
	return c.Redirect(r)
}

// Recall gives a call back to the portal.
func (b *Board) Recall(id session.ID) error {
	c, err := b.call(id)
	if err != nil {
		return err
	}
	return c.Recall()
}

// Record has a call recorded from now on, or no more, whatever its rules say. It
// returns ErrUnknown, session.ErrOver or session.ErrNoRecordings, or nil.
func (b *Board) Record(id session.ID, on bool) error {
	c, err := b.call(id)
	if err != nil {
		return err
	}
	return c.Record(on)
}

// Tap has a call tapped from now on, nil for no more. It returns ErrUnknown,
// session.ErrOver or nil.
func (b *Board) Tap(id session.ID, give session.Tapper) error {
	c, err := b.call(id)
	if err != nil {
		return err
	}
	return c.Tap(give)
}

// Message shows text on row 00 of a caller.
func (b *Board) Message(id session.ID, text string) error {
	c, err := b.call(id)
	if err != nil {
		return err
	}
	return c.Message(text)
}

// Hangup ends a call for a reason, with a word to the caller.
func (b *Board) Hangup(id session.ID, r session.Reason) error {
	c, err := b.call(id)
	if err != nil {
		return err
	}
	c.Hangup(r)
	return nil
}

// HangupFrom is Hangup of all calls from a network, but for those of whom exempt reports
// true. It returns how many it has ended.
func (b *Board) HangupFrom(network netip.Prefix, exempt func(netip.Addr) bool, r session.Reason) (n int) {
	for _, info := range b.Calls() {
		from := policy.Bare(info.Caller.Addr.Addr())
		if info.State != session.Over && network.Contains(from) && !exempt(from) && b.Hangup(info.ID, r) == nil {
			n++
		}
	}
	return n
}

// Info returns how a call stands.
func (b *Board) Info(id session.ID) (session.Info, error) {
	c, err := b.call(id)
	if err != nil {
		return session.Info{}, err
	}
	return c.Info(), nil
}

// Screen returns what a caller sees.
func (b *Board) Screen(id session.ID) (*videotex.Screen, error) {
	c, err := b.call(id)
	if err != nil {
		return nil, err
	}
	return c.Screen(), nil
}

// Calls returns how all calls stand, oldest first.
func (b *Board) Calls() []session.Info {
	all := b.all()
	infos := make([]session.Info, len(all))
	for i, c := range all {
		infos[i] = c.Info()
	}
	slices.SortFunc(infos, func(x, y session.Info) int { return cmp.Compare(x.ID, y.ID) })
	return infos
}

func (b *Board) call(id session.ID) (*session.Call, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.calls[id]; ok {
		return c, nil
	}
	return nil, ErrUnknown
}

// all lists the calls. Orders are given without the lock, since calls take it
// when they end.
func (b *Board) all() []*session.Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*session.Call, 0, len(b.calls))
	for _, c := range b.calls {
		all = append(all, c)
	}
	return all
}

// Continue has the next call numbered after last: of the gateway before this one.
func (b *Board) Continue(last session.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = max(b.last, last)
}

// Count returns how many calls there are, and the number of the last that began.
func (b *Board) Count() (calls int, last session.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls), b.last
}

// Retire answers no more calls. It returns what is closed when the last of those there
// are has ended.
func (b *Board) Retire() (empty <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.checkEmpty()
	}
	return b.empty
}

// Shutdown answers no more calls, ends those there are with a farewell, and
// waits for the last to end or for ctx. It returns ctx's error if calls were
// left.
func (b *Board) Shutdown(ctx context.Context) error {
	empty := b.Retire()
	for _, c := range b.all() {
		c.Hangup(session.ReasonShutdown)
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkEmpty is called with the lock held.
func (b *Board) checkEmpty() {
	if b.closed && len(b.calls) == 0 {
		close(b.empty)
	}
}

// event is what calls report to. A call that has ended is forgotten once all
// have been told.
func (b *Board) event(e session.Event) {
	for _, f := range b.follow {
		f(e)
	}
	b.note(e)
	if e.Type == session.Ended {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.calls, e.Call)
		b.checkEmpty()
	}
}

// note logs what an operator wants to know.
func (b *Board) note(e session.Event) {
	switch e.Type {
	case session.Redirecting, session.Redirected:
		b.log.Debug("call "+string(e.Type), "call", e.Call, "to", e.Route.Name)
	case session.Returned:
		level := slog.LevelDebug
		if e.Err != nil { // a service that fails is an operator's business
			level = slog.LevelWarn
		}
		b.log.Log(context.Background(), level, "call returned", "call", e.Call, "from", e.Route.Name, "reason", e.Reason, "error", e.Err)
	case session.Waiting:
		b.log.Warn("portal is away", "call", e.Call, "error", e.Err)
	case session.Ended:
		attrs := []any{
			"call", e.Call, "from", e.Caller.Addr, "by", e.Caller.Transport, "to", e.Visited,
			"lasted", e.At.Sub(e.Began).Round(time.Millisecond), "in", e.In, "out", e.Out, "reason", e.Reason,
		}
		if e.Dropped > 0 {
			attrs = append(attrs, "unknown", e.Dropped)
		}
		if e.Err != nil {
			attrs = append(attrs, "error", e.Err)
		}
		b.log.Info("call ended", attrs...)
	}
}
