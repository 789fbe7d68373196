package trace

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"moip/internal/session"
)

// maxQueue is how many bytes wait for the reader of a trace, what they are kept in
// included.
const maxQueue = 256 << 10

// A record is something that has happened to a call.
type record struct {
	at    time.Time
	line  *line
	about string // an event of the call
	over  bool   // nothing more comes of it
	fresh bool   // a leg begins

	passes bool // something does, on a leg:
	leg    session.Leg
	name   string // of a service
	what   session.Passage
	sent   bool
	p      []byte
}

// size is what a record takes in a queue.
func (r record) size() int { return 160 + len(r.about) + len(r.p) }

func (r record) copy() record {
	r.p = slices.Clone(r.p)
	return r
}

// A Tracer tells what passes on the lines of calls.
type Tracer struct {
	desk   *Desk
	target Target
	legs   Legs
	raw    bool
	news   chan struct{} // a token: there is something in the queue

	mu          sync.Mutex // guards what follows
	queue       []record
	size        int
	lost, bytes int // records and bytes that there was no room for
	over        bool
	begun       bool // the notice has been told
	closed      bool

	decoders map[*line]*[3][2]*decoder // by leg, and from it or to it; owned by Next
}

func newTracer(d *Desk, o Options) *Tracer {
	return &Tracer{
		desk: d, target: o.Target, legs: o.Legs, raw: o.Raw,
		news: make(chan struct{}, 1), decoders: map[*line]*[3][2]*decoder{},
	}
}

// Close ends the trace. Next returns no more.
func (t *Tracer) Close() {
	t.desk.leave(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.queue, t.size = true, nil, 0
	t.ring()
}

// add puts r into the queue, if there is room and it is wanted. What follows on
// something for which there was none waits for the reader too, or the order were lost.
func (t *Tracer) add(l *line, r record) {
	if (r.passes || r.fresh) && !t.legs[r.leg] {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if n := r.size(); t.lost > 0 || t.size+n > maxQueue {
		t.lost++
		t.bytes += len(r.p)
	} else {
		r = r.copy()
		r.line = l
		t.queue = append(t.queue, r)
		t.size += n
	}
	t.ring()
}

// ended is told that nothing more comes of a call.
func (t *Tracer) ended(l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = t.over || t.target.call != 0
	r := record{line: l, over: true}
	if t.lost > 0 || t.size+r.size() > maxQueue {
		t.lost++ // and its decoders go with all others
	} else {
		t.queue = append(t.queue, r)
		t.size += r.size()
	}
	t.ring()
}

func (t *Tracer) ring() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// Next waits for what has happened since it was called last, until ctx is done. At first
// it tells, without waiting, what whoever traces has to know: the trace is made. It
// returns io.EOF when nothing more will. One goroutine may be in it.
func (t *Tracer) Next(ctx context.Context) ([]Entry, error) {
	for {
		if all, err := t.take(); len(all) > 0 || err != nil {
			return all, err
		}
		select {
		case <-t.news:
		case <-ctx.Done():
			if all, err := t.take(); len(all) > 0 || err != nil { // what has come last
				return all, err
			}
			return nil, ctx.Err()
		}
	}
}

// take returns what there is.
func (t *Tracer) take() ([]Entry, error) {
	t.mu.Lock()
	queue, lost, bytes, over, closed := t.queue, t.lost, t.bytes, t.over, t.closed
	t.queue, t.size, t.lost, t.bytes = nil, 0, 0, 0
	begun := t.begun
	t.begun = true
	t.mu.Unlock()
	var all []Entry
	if !begun {
		all = append(all, Entry{What: notice})
	}
	for _, r := range queue {
		all = t.decode(all, r)
	}
	if lost > 0 {
		clear(t.decoders) // what they were in the middle of is unknown
		all = append(all, Entry{What: fmt.Sprintf("%d pieces, %d bytes, are missing here: they were not read in time", lost, bytes)})
	}
	switch {
	case len(all) > 0:
		return all, nil
	case closed:
		return nil, errClosed
	case over:
		return nil, io.EOF
	}
	return nil, nil
}

// decode appends what is to be told of r.
func (t *Tracer) decode(all []Entry, r record) []Entry {
	e := Entry{Call: uint64(r.line.call), After: r.at.Sub(r.line.began).Seconds()}
	switch {
	case r.over:
		delete(t.decoders, r.line)
		return all
	case r.fresh:
		if legs := t.decoders[r.line]; legs != nil {
			legs[r.leg] = [2]*decoder{}
		}
		return all
	case !r.passes:
		e.What = clip(r.about, maxAbout)
		return append(all, e)
	}
	e.Leg, e.Service, e.Way = r.leg.String(), clip(r.name, maxName), From
	if r.sent {
		e.Way = To
	}
	if r.what == session.PassNote || r.what == session.PassEnd {
		e.Way = ""
	}
	for _, text := range t.decoder(r).lines(r.what, r.p, t.raw) {
		e.What = text
		all = append(all, e)
	}
	return all
}

const (
	maxAbout = 200
	maxName  = 40
)

func (t *Tracer) decoder(r record) *decoder {
	legs := t.decoders[r.line]
	if legs == nil {
		legs = new([3][2]*decoder)
		t.decoders[r.line] = legs
	}
	way := 0
	if r.sent {
		way = 1
	}
	d := legs[r.leg][way]
	if d == nil {
		d = newDecoder(r.leg, r.sent)
		legs[r.leg][way] = d
	}
	return d
}
