package trace

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/discreet"
	"moip/internal/session"
)

const (
	maxTracers  = 4
	maxArriving = 256      // callers who have come and are not answered yet
	maxHeld     = 64 << 10 // of such a caller, in bytes
)

// ErrFull refuses a trace where there are as many as may be.
var ErrFull = fmt.Errorf("%d traces are under way, and no more are made at a time (end one of them)", maxTracers)

// A Board has the calls.
type Board interface {
	Calls() []session.Info
	Tap(session.ID, session.Tapper) error
}

// A Desk is where calls are traced. While nobody asks for it, it costs a call nothing.
type Desk struct {
	board Board

	turn sync.Mutex // held by whoever has tracers come or go; taken before a call's lock, and mu after that

	busy     atomic.Bool // there are tracers
	mu       sync.Mutex  // guards what follows
	tracers  []*Tracer
	lines    map[session.ID]*line     // of the calls that are traced
	arriving map[netip.AddrPort]*line // of callers whose calls are not begun
}

// NewDesk returns a Desk for the calls of a board.
func NewDesk(board Board) *Desk {
	return &Desk{board: board, lines: map[session.ID]*line{}, arriving: map[netip.AddrPort]*line{}}
}

// Arriving returns what is to be told of the line of a caller who has just come, nil for
// nothing.
func (d *Desk) Arriving(from netip.AddrPort) session.Tap {
	if !d.busy.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	tracers := d.wanting(0, from)
	if len(tracers) == 0 || len(d.arriving) == maxArriving {
		return nil
	}
	l := &line{began: time.Now(), tracers: tracers}
	d.arriving[from] = l
	l.add(record{at: l.began, about: fmt.Sprintf("somebody has come, from %s", from)})
	tap := l.tapper(session.LegCaller, "")
	return func(what session.Passage, sent bool, p []byte) {
		tap(what, sent, p)
		if what == session.PassEnd {
			d.refused(l, from)
		}
	}
}

// refused forgets a caller of whom no call has come.
func (d *Desk) refused(l *line, from netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.arriving[from] == l {
		delete(d.arriving, from)
		l.begin(0)
	}
}

// Tapper is a session.Config's.
func (d *Desk) Tapper(id session.ID, who session.Caller) session.Tapper {
	if !d.busy.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	tracers := d.wanting(id, who.Addr)
	if len(tracers) == 0 {
		return nil
	}
	l := d.arriving[who.Addr]
	delete(d.arriving, who.Addr)
	if l == nil {
		l = &line{began: time.Now()}
	}
	l.follow(tracers)
	l.begin(id)
	d.lines[id] = l
	return l.tapper
}

// wanting returns who traces a call, under the lock.
func (d *Desk) wanting(id session.ID, from netip.AddrPort) (tracers []*Tracer) {
	for _, t := range d.tracers {
		if t.target.has(id, from) {
			tracers = append(tracers, t)
		}
	}
	return tracers
}

// Note is told of each event of each call, and blocks nobody.
func (d *Desk) Note(e session.Event) {
	if !d.busy.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lines[e.Call]
	if l == nil {
		return
	}
	l.add(record{at: e.At, about: eventText(e)})
	if e.Type == session.Ended {
		delete(d.lines, e.Call)
		l.end()
	}
}

// eventText tells of an event.
func eventText(e session.Event) string {
	text := string(e.Type)
	switch e.Type {
	case session.Began:
		text = fmt.Sprintf("%d began, from %s by %s", e.Call, e.Caller.Addr, e.Caller.Transport)
	case session.Redirecting:
		text = "redirecting to " + e.Route.Name
	case session.Redirected:
		text = "at " + e.Route.Name
	case session.Returned:
		text = fmt.Sprintf("returned from %s: %s", e.Route.Name, e.Reason)
	case session.Waiting:
		text = "the portal is away"
	case session.Ended:
		text = "ended: " + string(e.Reason)
	}
	if e.Err != nil {
		text += ", " + discreet.Text(e.Err.Error())
	}
	return text
}

// Options of a trace.
type Options struct {
	Target Target
	Legs   Legs // those told of
	Raw    bool // bytes are told in hexadecimals, too
}

// Follow traces calls, those under way and those that come, until Close or, if it is one
// by its number, its end. It returns ErrFull or nil.
func (d *Desk) Follow(o Options) (*Tracer, error) {
	d.turn.Lock()
	defer d.turn.Unlock()
	t := newTracer(d, o)
	d.mu.Lock()
	if len(d.tracers) == maxTracers {
		d.mu.Unlock()
		return nil, ErrFull
	}
	d.tracers = append(d.tracers, t)
	d.busy.Store(true)
	d.mu.Unlock()
	for _, i := range d.board.Calls() {
		if o.Target.has(i.ID, i.Caller.Addr) {
			d.join(t, i)
		}
	}
	return t, nil
}

// join has t follow a call that is under way. Its own Tapper may have seen to that, if it
// has begun just now.
func (d *Desk) join(t *Tracer, i session.Info) {
	d.mu.Lock()
	l, tapped := d.lines[i.ID]
	if !tapped {
		l = &line{began: i.Began}
		l.begin(i.ID)
		d.lines[i.ID] = l
	}
	if l.follow([]*Tracer{t}) {
		t.add(l, record{at: time.Now(), about: midway(i)})
	}
	d.mu.Unlock()
	if tapped {
		return
	}
	if err := d.board.Tap(i.ID, l.tapper); err != nil { // it is over
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.lines, i.ID)
		l.end()
	}
}

// midway tells of a call that is under way.
func midway(i session.Info) string {
	at := i.State.String()
	if i.Service != "" {
		at += ", " + i.Service
	}
	return fmt.Sprintf("%d from %s by %s, %s; traced from here on", i.ID, i.Caller.Addr, i.Caller.Transport, at)
}

// leave ends what t follows.
func (d *Desk) leave(t *Tracer) {
	d.turn.Lock()
	defer d.turn.Unlock()
	d.mu.Lock()
	var alone []session.ID
	d.tracers = slices.DeleteFunc(d.tracers, func(other *Tracer) bool { return other == t })
	d.busy.Store(len(d.tracers) > 0)
	for id, l := range d.lines {
		if l.leave(t) {
			delete(d.lines, id)
			alone = append(alone, id)
		}
	}
	for from, l := range d.arriving {
		if l.leave(t) {
			delete(d.arriving, from)
		}
	}
	d.mu.Unlock()
	for _, id := range alone {
		d.board.Tap(id, nil) // or it is over
	}
}

// A line is a call that is traced.
type line struct {
	began time.Time

	mu      sync.Mutex // guards what follows; a Tracer's is taken after it
	tracers []*Tracer
	call    session.ID
	begun   bool     // the call has, or never will
	held    []record // until then
	size    int      // of held
	lost    int      // that there was no room for
}

// tapper is a session.Tapper.
func (l *line) tapper(leg session.Leg, name string) session.Tap {
	l.add(record{at: time.Now(), leg: leg, fresh: true})
	return func(what session.Passage, sent bool, p []byte) {
		l.add(record{at: time.Now(), leg: leg, name: name, what: what, sent: sent, p: p, passes: true})
	}
}

// add tells all who follow.
func (l *line) add(r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		if l.size += r.size(); l.size <= maxHeld {
			l.held = append(l.held, r.copy())
		} else {
			l.lost++
		}
		return
	}
	l.tell(r)
}

// tell is add, under the lock.
func (l *line) tell(r record) {
	for _, t := range l.tracers {
		t.add(l, r)
	}
}

// begin tells what has been held, now that the call has its number.
func (l *line) begin(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call, l.begun = id, true
	for _, r := range l.held {
		l.tell(r)
	}
	if l.lost > 0 {
		l.tell(record{at: time.Now(), about: fmt.Sprintf("%d pieces are missing here", l.lost)})
	}
	l.held = nil
}

// follow adds those who do not follow yet, and reports whether there are such.
func (l *line) follow(tracers []*Tracer) (some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range tracers {
		if !slices.Contains(l.tracers, t) {
			l.tracers, some = append(l.tracers, t), true
		}
	}
	return some
}

// leave takes t from those who follow, and reports whether none is left.
func (l *line) leave(t *Tracer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tracers = slices.DeleteFunc(l.tracers, func(other *Tracer) bool { return other == t })
	return len(l.tracers) == 0
}

// end tells that no more follows.
func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tracers {
		t.ended(l)
	}
}

var errClosed = errors.New("the trace is closed")
