// Package news tells what happens in a gateway, and in all gateways of its hub.
//
// A gateway numbers its events, keeps the newest, and publishes each once. Who follows a
// hub hears them all, at any gateway, which finds by number what is missing and asks for
// it where it happened. So nothing depends on a message that the bus may lose: it only
// makes haste.
package news

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/spool"
)

// Subjects: what happens, by the gateway's name, and who asks for what it has missed, by
// name and run.
const (
	told  = "event."
	asked = "events."
)

const (
	maxLines = 60 << 10 // bytes of events in a message
	maxAsked = 1000     // events of an answer
)

// Options of a Wire.
type Options struct {
	Hub   *cluster.Hub
	Alone bool         // the hub is this gateway
	Spool *spool.Spool // what cannot be told waits in it; nil for nothing but the newest in memory
	Log   *slog.Logger
}

// A Wire carries the events of a gateway to the others of its hub, and theirs here while
// somebody follows. Its methods may be called from any goroutine.
type Wire struct {
	*Log
	o     Options
	alone bool

	next, published, lost atomic.Uint64 // see Counts; next is of the event to be published
	yielded               atomic.Bool
	bell                  chan struct{}

	turn    sync.Mutex // held while readers come and go
	stop    func()     // hears no more; guarded by turn
	mu      sync.Mutex
	readers map[*reader]struct{}
}

// New returns a Wire of a gateway that is alone.
func New() *Wire {
	return &Wire{Log: newLog(), alone: true, bell: make(chan struct{}, 1), readers: map[*reader]struct{}{}}
}

// Join tells a Wire of the hub. It comes before all events and readers.
func (w *Wire) Join(o Options) {
	w.o, w.alone = o, o.Alone
	if !w.alone {
		w.source = source{o.Hub.Name(), o.Hub.Instance()}
	}
}

// Alone reports whether there is nobody to publish events for.
func (w *Wire) Alone() bool { return w.alone }

// Knows reports whether there is a gateway of a name, perhaps silent.
func (w *Wire) Knows(gateway string) bool {
	return w.o.Hub != nil && slices.ContainsFunc(w.o.Hub.Gateways(), func(g cluster.Seen) bool { return g.Name == gateway })
}

// enter has a reader told of what is heard.
func (w *Wire) enter(r *reader) error {
	if w.alone {
		return nil
	}
	w.turn.Lock()
	defer w.turn.Unlock()
	if w.stop == nil {
		stop, err := w.o.Hub.Bus().Subscribe(told+"*", "", w.hear)
		if err != nil {
			return err
		}
		w.stop = stop
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readers[r] = struct{}{}
	return nil
}

// leave is the end of enter. The bus is followed while somebody reads.
func (w *Wire) leave(r *reader) {
	w.turn.Lock()
	defer w.turn.Unlock()
	w.mu.Lock()
	delete(w.readers, r)
	last := len(w.readers) == 0
	w.mu.Unlock()
	if last && w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// hear is told what happens elsewhere.
func (w *Wire) hear(m bus.Message) {
	all := parse(m.Data, m.Subject[len(told):])
	all = slices.DeleteFunc(all, func(e heard) bool { return e.source == w.source })
	if len(all) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.readers {
		r.take(all)
	}
}

// heard is an event of another gateway, not to be changed.
type heard struct {
	Event
	source
	size     int    // of its line, in bytes
	first, n uint64 // its number, and the first of those that are lost if it tells of such
}

// parse reads events of a gateway, one a line. What is none is left aside.
func parse(data []byte, gateway string) (all []heard) {
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		var h heard
		if len(line) > spool.MaxLine || json.Unmarshal(line, &h.Event) != nil || h.Gateway != gateway || !isWord(gateway) {
			continue
		}
		run, n, ok := numberOf(h.ID)
		if !ok {
			continue
		}
		h.source, h.size, h.first, h.n = source{gateway, run}, len(line), n, n
		if h.Type == Lost {
			h.first = n + 1 - min(h.Lost, n+1)
		}
		all = append(all, h)
	}
	return all
}

// lines are events as they are on the bus, one a line: as many as go into a message.
func lines(to []byte, some []Event) (data []byte, n int) {
	for i, e := range some {
		line, err := json.Marshal(e)
		if err != nil {
			panic(err) // it is made of strings and numbers
		}
		if i > 0 && len(to)+len(line) >= maxLines {
			return to, i
		}
		if len(to) > 0 {
			to = append(to, '\n')
		}
		to = append(to, line...)
	}
	return to, len(some)
}

// Next returns how many events are published, or wait for that in the spool.
func (w *Wire) Next() uint64 { return w.next.Load() }

// answer tells whoever asks what happened from a number on: nothing if there is no more.
// What is not published yet comes after what waits in the spool.
func (w *Wire) answer(to string, from uint64) {
	var data []byte
	for all := 0; all < maxAsked; {
		some, _ := w.since(from)
		if len(some) == 0 || from >= w.Next() {
			break
		}
		var n int
		data, n = lines(data, some)
		_, last, _ := numberOf(some[n-1].ID)
		from = last + 1
		if all += n; n < len(some) {
			break
		}
	}
	w.o.Hub.Bus().Publish(bus.Message{Subject: to, Data: data}) // or it is asked again
}
