package news

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
)

const (
	lookTime   = 2 * time.Second  // between two looks at how far the others are
	askTime    = 5 * time.Second  // for an answer
	patience   = 10 * time.Second // with a source that nobody answers for
	quietTime  = 15 * time.Second
	forgetTime = time.Hour // a source that is not known, and says nothing
	maxWaiting = 4 << 20   // bytes of events that wait for a reader, and of those that wait for others
	maxAsking  = 16        // sources at once
)

// A Reader is told of events. Its methods report whether it has taken that; after the
// first false it is left.
type Reader interface {
	// Tell tells of an event. With the place behind it, the reader can come back to here.
	Tell(place string, e Event) bool
	// Mark tells of a place alone.
	Mark(place string) bool
	// Quiet tells that there is nothing new, so that both ends know of the other.
	Quiet() bool
}

// Follow tells to of what happens in the hub, or in one gateway unless that is "", until
// ctx is done or to takes no more: after a place, and from now on if that is "". Of each
// process the events come in order, and each once.
func (w *Wire) Follow(ctx context.Context, after, gateway string, to Reader) {
	ctx, stop := context.WithCancel(ctx)
	if w.alone {
		gateway = "" // there is no other
	}
	r := &reader{
		w: w, to: to, only: gateway, began: time.Now(), resumed: after != "",
		bell: make(chan struct{}, 1), answers: make(chan answered), quiet: time.NewTimer(quietTime),
	}
	defer r.quiet.Stop()
	defer r.asking.Wait()
	defer stop()
	defer w.leave(r)
	if err := w.enter(r); err != nil {
		w.o.Log.Error("the other gateways are not heard", "error", err)
		return
	}
	if r.begin(after) && to.Mark(r.place()) {
		r.run(ctx)
	}
}

// A reader is where a Reader is.
type reader struct {
	w       *Wire
	to      Reader
	only    string // gateway, or ""
	began   time.Time
	resumed bool // it has read before
	looked  bool // at who is there
	bell    chan struct{}
	answers chan answered
	asking  sync.WaitGroup

	mu      sync.Mutex
	waiting []heard // from the bus
	size    int     // of them, in bytes

	// Of the goroutine that runs it.
	local  *track // nil if it is not read
	held   int    // bytes of what is held of all
	asks   int    // under way
	tracks []*track
	wrong  bool        // it takes no more
	quiet  *time.Timer // until it is told that there is nothing
}

// A track is how far a reader has come with a source.
type track struct {
	mark
	fresh  bool      // what is heard first comes next
	since  time.Time // what happened before, by its clock, is not told; zero if all is
	wanted bool      // it is to be asked
	asking bool      // it is being asked
	again  bool      // it is to be asked again, some time later
	goal   uint64    // there are events below that number
	seen   uint64    // how many it had when it was looked at last
	held   []heard   // behind a gap
	nobody time.Time // since when nobody answers, zero if somebody may
	heard  time.Time // last
}

// answered is what has come of a question.
type answered struct {
	t    *track
	goal uint64 // that it had then
	all  []heard
	err  error
}

// take has events wait for the reader. If they are too many they are gone, which is found
// out by number.
func (r *reader) take(all []heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range all {
		if r.size+h.size > maxWaiting {
			r.waiting, r.size = nil, 0
		}
		r.waiting = append(r.waiting, h)
		r.size += h.size
	}
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

func (r *reader) taken() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.waiting
	r.waiting, r.size = nil, 0
	return all
}

// place is what the reader can come back with.
func (r *reader) place() string {
	text := make([]byte, 0, 32*len(r.tracks))
	for i, t := range r.tracks {
		if i > 0 {
			text = append(text, ',')
		}
		text = t.text(text)
	}
	return string(text)
}

func (r *reader) reads(gateway string) bool { return r.only == "" || r.only == gateway }

// begin finds out where to begin.
func (r *reader) begin(after string) bool {
	marks, err := parsePlace(after)
	if after != "" && err != nil {
		r.tell(r.w.anew())
	}
	for _, m := range marks {
		if !r.reads(m.gateway) && (m.gateway != "" || !r.w.alone) {
			continue
		}
		t := &track{mark: m, heard: r.began}
		if m.source == r.w.source && m.next <= r.w.Told() {
			r.local = t
		} else if m.source == r.w.source || r.w.alone {
			r.tell(r.w.anew())
			continue
		} else {
			t.wanted = !m.gone
		}
		r.tracks = append(r.tracks, t)
	}
	if r.local == nil && r.reads(r.w.gateway) {
		r.local = &track{mark: mark{source: r.w.source}}
		if !r.resumed {
			r.local.next = r.w.Told()
		}
		r.tracks = append(r.tracks, r.local)
	}
	if !r.w.alone {
		r.look()
		r.looked = true
	}
	return !r.wrong
}

// anew tells that a gateway was started anew.
func (s source) anew() Event { return Event{Gateway: s.gateway, At: time.Now().UTC(), Type: Lost} }

func (r *reader) run(ctx context.Context) {
	look := time.NewTicker(lookTime)
	defer look.Stop()
	if r.w.alone {
		look.Stop()
	}
	for ctx.Err() == nil && !r.wrong {
		news, more := r.tellLocal()
		for _, h := range r.taken() {
			r.hear(h)
		}
		r.ask(ctx)
		if more {
			continue
		}
		select {
		case <-news:
		case <-r.bell:
		case a := <-r.answers:
			r.answered(a)
		case <-look.C:
			r.look()
		case <-r.quiet.C:
			r.wrong = !r.to.Quiet()
			r.quiet.Reset(quietTime)
		case <-ctx.Done():
		}
	}
}

// tellLocal tells of what has happened here: some of it if there is more.
func (r *reader) tellLocal() (news <-chan struct{}, more bool) {
	if r.local == nil {
		return nil, false
	}
	some, news := r.w.since(r.local.next)
	for _, e := range some {
		_, n, _ := numberOf(e.ID)
		r.local.next = n + 1
		r.tell(e)
	}
	return news, len(some) > 0
}

func (r *reader) tell(e Event) {
	r.quiet.Reset(quietTime)
	r.wrong = r.wrong || !r.to.Tell(r.place(), e)
}

func (r *reader) track(s source) *track {
	for _, t := range r.tracks {
		if t.source == s {
			return t
		}
	}
	return nil
}

// meet begins with a source that is new to the reader, at number n if the hub does not know
// it. Else all is told that has happened since the reader came, and to one that has been
// here before, who may have missed that, all.
func (r *reader) meet(s source, known *cluster.Seen, n uint64) *track {
	t := &track{mark: mark{source: s, next: n}, fresh: known == nil, heard: time.Now()}
	if known != nil {
		if !r.resumed || time.Since(r.began) > patience {
			t.since = r.began.Add(known.Skew)
		}
		t.next, t.goal = 0, known.Events
		if !r.looked && !r.resumed {
			t.next = known.Events
		}
		t.wanted = t.goal > t.next
	}
	if len(r.tracks) >= maxSources {
		r.forget()
	}
	r.tracks = append(r.tracks, t)
	return t
}

// forget forgets the source that was heard least lately.
func (r *reader) forget() {
	oldest := -1
	for i, t := range r.tracks {
		if t != r.local && (oldest < 0 || t.heard.Before(r.tracks[oldest].heard)) {
			oldest = i
		}
	}
	r.release(r.tracks[oldest])
	r.tracks = slices.Delete(r.tracks, oldest, oldest+1)
}

// hear is told of an event that is perhaps the next of its source.
func (r *reader) hear(h heard) {
	if !r.reads(h.gateway) {
		return
	}
	t := r.track(h.source)
	if t == nil {
		t = r.meet(h.source, r.known(h.source), h.first)
	}
	t.heard, t.gone, t.nobody = time.Now(), false, time.Time{}
	if h.n < t.next {
		return // a double
	}
	if h.first > t.next && !t.fresh {
		t.wanted, t.goal = true, max(t.goal, h.n+1)
		if r.held+h.size <= maxWaiting {
			t.held = append(t.held, h)
			r.held += h.size
		}
		return
	}
	r.pass(t, h)
}

// pass tells of an event, and of what is missing before it.
func (r *reader) pass(t *track, h heard) {
	if h.n < t.next {
		return
	}
	if !t.since.IsZero() && (h.Type == Lost || h.At.Before(t.since)) {
		t.next = h.n + 1
		return
	}
	t.since = time.Time{}
	if h.first > t.next && !t.fresh {
		r.miss(t, h.first)
	}
	e := h.Event
	if e.Type == Lost {
		e.Lost = h.n + 1 - max(h.first, t.next)
	}
	t.next, t.fresh = h.n+1, false
	r.tell(e)
}

// miss tells that what comes before number n is lost.
func (r *reader) miss(t *track, n uint64) {
	e := t.lost(n-1, n-t.next)
	t.next = n
	r.tell(e)
}

func (r *reader) known(s source) *cluster.Seen {
	for _, g := range r.w.o.Hub.Gateways() {
		if !g.Self && g.Name == s.gateway && g.Instance == s.run {
			return &g
		}
	}
	return nil
}

// look finds out which sources there are, and whether one of them had an event when it was
// looked at last that has not come since.
func (r *reader) look() {
	known := map[*track]bool{r.local: true}
	for _, g := range r.w.o.Hub.Gateways() {
		if g.Self || !r.reads(g.Name) {
			continue
		}
		s := source{g.Name, g.Instance}
		t := r.track(s)
		if t == nil {
			if g.Silent {
				continue
			}
			t = r.meet(s, &g, 0)
		}
		known[t] = true
		if !g.Silent {
			if t.seen > t.next {
				t.wanted, t.goal = true, max(t.goal, t.seen)
			}
			t.seen = g.Events
		}
	}
	for _, t := range r.tracks {
		t.wanted, t.again = t.wanted || t.again, false
	}
	r.tracks = slices.DeleteFunc(r.tracks, func(t *track) bool {
		return !known[t] && !t.wanted && !t.asking && time.Since(t.heard) > forgetTime
	})
}

// ask asks for what is wanted.
func (r *reader) ask(ctx context.Context) {
	for _, t := range r.tracks {
		if !t.wanted || t.asking || r.asks == maxAsking {
			continue
		}
		t.wanted, t.asking = false, true
		r.asks++
		question, err := json.Marshal(question{From: t.next})
		if err != nil {
			panic(err) // it is a number
		}
		a := answered{t: t, goal: t.goal}
		r.asking.Go(func() {
			soon, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			var data []byte
			data, a.err = r.w.o.Hub.Bus().Request(soon, asked+t.gateway+"."+t.run, question)
			a.all = parse(data, t.gateway)
			select {
			case r.answers <- a:
			case <-ctx.Done():
			}
		})
	}
}

// release returns what is held of a source.
func (r *reader) release(t *track) []heard {
	held := t.held
	t.held = nil
	for _, h := range held {
		r.held -= h.size
	}
	return held
}

// givesUp reports whether a source cannot be asked any more: for some time nobody answers
// for it, nor does the hub know it. One that is cut off comes back.
func (r *reader) givesUp(t *track, why error) bool {
	switch {
	case !errors.Is(why, bus.ErrNobody) || r.known(t.source) != nil:
		t.nobody = time.Time{}
		return false
	case t.nobody.IsZero():
		t.nobody = time.Now()
	}
	return time.Since(t.nobody) >= patience
}

// answered is told what has come of a question.
func (r *reader) answered(a answered) {
	r.asks--
	t, before := a.t, a.t.next
	if t.asking = false; r.track(t.source) != t {
		return // forgotten
	}
	if a.err != nil && !r.givesUp(t, a.err) {
		t.again = true
		return
	}
	t.wanted = false
	for _, h := range a.all {
		if h.source == t.source {
			r.pass(t, h)
		}
	}
	if t.next > before {
		for _, h := range r.release(t) {
			r.hear(h)
		}
		t.nobody, t.wanted = time.Time{}, t.wanted || t.goal > t.next
		return
	}
	if a.err == nil && t.goal > a.goal {
		t.wanted = true // there may be more since it has answered
		return
	}
	held := r.release(t)
	for _, h := range held {
		r.pass(t, h)
	}
	switch t.gone = a.err != nil; {
	case t.gone && t.goal > t.next:
		r.miss(t, t.goal)
	case t.gone && len(held) == 0:
		r.tell(t.anew())
	}
	t.goal = t.next // there is no more
}
