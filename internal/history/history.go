// Package history keeps a record of each call, with its visits, in a database: who came,
// when, from where, by what, for how long, at what cost, and why it ended.
//
// A call is written when it begins, and again when something happens to it, so of one
// that was under way when the gateway was killed it is known that there was one. Events
// change what is known in memory, which blocks nobody; one goroutine writes what has
// changed, four times a second. Readers have connections of their own.
package history

import (
	"cmp"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/clock"
	"moip/internal/ledger"
	"moip/internal/session"
	"moip/internal/tariff"
)

// ReasonKilled is why calls and visits ended that were under way when the gateway was
// killed. Their end is the last moment at which it is known to have run, which may be a
// minute earlier.
const ReasonKilled session.Reason = "killed"

const (
	flushTime  = 250 * time.Millisecond // that changes wait for others
	retryTime  = time.Second            // after a failure
	beatTime   = time.Minute            // between signs of life while there are calls
	maxWaiting = 8192                   // records that wait for the disk
	maxBatch   = 250                    // changes that are safe, or lost, together
	lockedTime = 15 * time.Second       // for others to unlock the database, when a gateway comes or goes
)

// Options of a History.
type Options struct {
	Keep  time.Duration // how long a record is kept after its call has begun; 0 for ever
	Calls int           // how many are kept at the most, the newest; 0 for no bound
	Node  string        // what this machine is called, for when several have one history
	Ship  bool          // what has ended waits to be shipped elsewhere, see Unshipped
	Log   *slog.Logger  // nil for none

	clock *clock.Steady // by which records are too old
}

// A History follows the calls of a gateway, and tells of those that have ended. It is a
// [ledger.Ledger] that learns what visits cost. Its methods may be called from any
// goroutine.
type History struct {
	path  string
	o     Options
	store atomic.Pointer[store] // changed by run alone

	closing chan struct{}
	done    chan struct{}
	bell    chan struct{} // of one: something is to be written
	outbox  chan struct{} // of one: something may wait to be shipped
	shipped chan shipment // what does not any more

	// Owned by run.
	batch   []change // taken and not written yet
	failing error    // nil if what was tried last has gone well

	mu      sync.Mutex // never held while anything else is called
	closed  bool
	calls   map[session.ID]*call // under way
	changed map[*call]struct{}   // those, and others that have ended
	waiting int                  // records of ended calls that are not written
	lost    int                  // records and visits, since Open
	missed  int                  // records that were never shipped, since Open
}

// Open opens the history in the file at path, and creates it if there is none. One that
// is damaged is set aside, and the log says so. While another program has it locked, Open
// waits, some 15 s at the most. An error says what to do.
func Open(path string, o Options) (*History, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("history", path)
	o.clock = clock.New()
	var s *store
	err := patiently(func() (err error) {
		s, err = openStore(path, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	h := &History{
		path: path, o: o,
		closing: make(chan struct{}), done: make(chan struct{}), bell: make(chan struct{}, 1),
		outbox: make(chan struct{}, 1), shipped: make(chan shipment),
		calls: map[session.ID]*call{}, changed: map[*call]struct{}{},
	}
	h.store.Store(s)
	h.ring() // for what is too old
	h.post() // what has waited since before
	go h.run()
	return h, nil
}

// Note is told of each event of each call. It blocks nobody.
func (h *History) Note(e session.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	if e.Type == session.Began {
		h.calls[e.Call] = newCall(e)
	}
	c := h.calls[e.Call]
	if c == nil || !c.note(e) {
		return
	}
	if lost := c.bound(); lost > 0 {
		h.lost += lost
	}
	if c.ended != 0 {
		delete(h.calls, e.Call)
		if h.waiting == maxWaiting {
			delete(h.changed, c)
			h.lost++
			return
		}
		h.waiting++
	}
	h.changed[c] = struct{}{}
	h.ring()
}

// Enter learns what a visit cost, while it is under way or just before [History.Note]
// hears of its end: whoever keeps accounts must be told of events first.
func (h *History) Enter(r ledger.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.calls[r.Call]
	if c == nil {
		return
	}
	if v := c.visit(); v != nil {
		v.seconds, v.palier, v.cost, v.currency = r.Seconds, r.Palier, r.Cost, cmp.Or(r.Currency, tariff.Franc)
	}
}

// patiently does something again as long as the database is locked by others, for
// lockedTime at the most. Each time waits for them by itself.
func patiently(do func() error) error {
	late := time.Now().Add(lockedTime)
	for {
		if err := do(); !isLocked(err) || time.Now().After(late) {
			return err
		}
	}
}

// Close writes what waits, and closes the database. While another program has it locked,
// Close waits, some 15 s at the most. Calls under way, if there are any,
// count as killed.
func (h *History) Close() error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.closing)
	}
	h.mu.Unlock()
	<-h.done
	return h.store.Load().close()
}

func (h *History) ring() {
	select {
	case h.bell <- struct{}{}:
	default:
	}
}

// take returns what is to be written, and whether calls are under way.
func (h *History) take() (batch []change, live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.changed {
		batch = append(batch, c.take())
	}
	clear(h.changed)
	return batch, len(h.calls) > 0
}

// written notes that changes are safe.
func (h *History) written(some []change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range some {
		if some[i].ended != 0 {
			h.waiting--
			h.post()
		}
	}
}

// Losses returns how much has been lost because it could not be written, calls and visits
// together, and how many calls that have ended wait to be written.
func (h *History) Losses() (lost, waiting int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost, h.waiting
}

// run writes what has changed.
func (h *History) run() {
	defer close(h.done)
	beat := time.NewTicker(beatTime)
	defer beat.Stop()
	wait := flushTime
	for open := true; open; {
		select {
		case <-h.bell:
			select {
			case <-time.After(wait):
			case <-h.closing:
			}
		case <-beat.C:
		case some := <-h.shipped:
			some.done <- h.store.Load().ship(some.ids)
			continue
		case <-h.closing:
			open = false
		}
		wait = h.work()
	}
	if isLocked(h.failing) {
		patiently(func() error {
			h.work()
			return h.failing
		})
	}
	if lost, waiting := h.Losses(); lost+waiting > 0 {
		h.o.Log.Warn("history is incomplete", "lost", lost+waiting)
	}
}

// work writes what there is to be written, and forgets some of what is too old. It
// returns after how long it wants to be called again, if somebody rings.
func (h *History) work() time.Duration {
	more, err := h.save()
	if err != nil {
		h.fail(err)
		h.ring()
		return retryTime
	}
	if h.failing != nil {
		lost, _ := h.Losses()
		h.o.Log.Info("history is written again", "lost", lost)
		h.failing = nil
	}
	if more {
		h.ring()
		return 0
	}
	return flushTime
}

func (h *History) save() (more bool, err error) {
	s := h.store.Load()
	if !s.inPlace() || s.damaged.Load() {
		if s, err = h.renew(s); err != nil {
			return false, err
		}
	}
	if err := h.put(s); err != nil { // what could not be written before
		return false, err
	}
	var live bool
	if h.batch, live = h.take(); live && len(h.batch) == 0 {
		err = s.save(nil) // a sign of life
	} else {
		err = h.put(s)
	}
	if err != nil {
		return false, err
	}
	more, err = s.prune()
	h.miss(s)
	return more, err
}

// put writes what was taken, some of it at a time.
func (h *History) put(s *store) error {
	for len(h.batch) > 0 {
		some := h.batch[:min(len(h.batch), maxBatch)]
		if err := s.save(some); err != nil {
			return err
		}
		h.written(some)
		h.batch = h.batch[len(some):]
	}
	return nil
}

// fail tells of an error, once. If the database is damaged, the next attempt begins
// another.
func (h *History) fail(err error) {
	s := h.store.Load()
	if isDamage(err) {
		s.damaged.Store(true)
	}
	if h.failing == nil {
		_, waiting := h.Losses()
		h.o.Log.Error("history cannot be written; what happens is kept for later", "error", err, "waiting", waiting, "most", maxWaiting)
	}
	h.failing = err
}

// renew begins another database for one that is damaged, or was moved away.
func (h *History) renew(old *store) (*store, error) {
	old.close()
	if old.damaged.Load() {
		if err := old.setAside(); err != nil {
			return nil, err
		}
		old.damaged.Store(false)
	}
	s, err := openStore(h.path, h.o)
	if err != nil {
		return nil, err
	}
	h.store.Store(s)
	h.o.Log.Warn("history begins anew, in another file")
	return s, nil
}

// Node returns what this machine is called, for Options.
func Node() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
