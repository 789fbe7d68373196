package news

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"moip/internal/session"
)

// An Event is something that happened to a call, or to who was not let in, or to what is
// told of it.
type Event struct {
	ID      string    `json:"id"`                // of the process in which it happened, and its number there from 0: k3f9.42
	Gateway string    `json:"gateway,omitempty"` // where it happened, "" for a gateway that is alone
	At      time.Time `json:"at"`
	Type    string    `json:"type"` // as session.EventType has it, Refused or Lost
	Call    uint64    `json:"call,omitempty"`
	From    string    `json:"from,omitempty"` // address and port of the terminal
	By      string    `json:"by,omitempty"`   // transport
	Service string    `json:"service,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Error   string    `json:"error,omitempty"`
	In      uint64    `json:"in,omitempty"`      // bytes from the caller so far
	Out     uint64    `json:"out,omitempty"`     // bytes to the caller so far
	Refused uint64    `json:"refused,omitempty"` // callers who were not let in, since the last event of that type
	Lost    uint64    `json:"lost,omitempty"`
}

// Lost is the type of an Event that tells how many were missed, the last of which has its
// ID; 0 is for all of a gateway that has been started anew, and perhaps none.
const Lost = "lost"

// Refused is the type of an Event that tells of a caller who was not let in. It is no
// call, and has no number.
const Refused = "refused"

// Kept is how many events are kept for whoever reads slowly, or comes back.
const Kept = 4096

const (
	maxSome  = 100  // events that are told at once
	maxError = 1000 // bytes of an error
)

// A Log keeps the newest events of a gateway, for whoever follows them.
type Log struct {
	source // in which their numbers count; set before there are any

	mu   sync.Mutex
	ring []Event       // of Kept, once there are so many, without ID and Gateway
	n    uint64        // events so far: the next is number n
	news chan struct{} // closed when there is one, nil if nobody waits
}

// newLog returns a Log without events.
func newLog() *Log {
	return &Log{source: source{run: strconv.FormatUint(uint64(rand.Uint32()), 36)}}
}

// Note is told of each event of each call. It blocks nobody.
func (l *Log) Note(e session.Event) {
	told := Event{
		At: e.At.UTC(), Type: string(e.Type), Call: uint64(e.Call), From: e.Caller.Addr.String(), By: e.Caller.Transport,
		Service: e.Route.Name, Reason: string(e.Reason), In: e.In, Out: e.Out,
	}
	if e.Err != nil {
		told.Error = e.Err.Error()
		told.Error = told.Error[:min(len(told.Error), maxError)]
	}
	l.keep(told)
}

// NoteRefusal is told of a caller who was not let in, and of how many that stands for.
// It blocks nobody.
func (l *Log) NoteRefusal(from netip.AddrPort, by, reason string, n uint64) {
	l.keep(Event{At: time.Now().UTC(), Type: Refused, From: from.String(), By: by, Reason: reason, Refused: n})
}

func (l *Log) keep(told Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < Kept {
		l.ring = append(l.ring, told)
	} else {
		l.ring[l.n%Kept] = told
	}
	l.n++
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// Told returns how many events there have been: the number of the next.
func (l *Log) Told() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// since returns the events from number n on, some of them if they are many, and what
// tells of more. Of what is kept no more, one event tells.
func (l *Log) since(n uint64) (some []Event, news <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if oldest := l.n - min(l.n, Kept); n < oldest {
		some = append(some, l.lost(oldest-1, oldest-n))
		n = oldest
	}
	for ; n < l.n && len(some) < maxSome; n++ {
		e := l.ring[n%Kept]
		e.ID, e.Gateway = l.id(n), l.gateway
		some = append(some, e)
	}
	if l.news == nil {
		l.news = make(chan struct{})
	}
	return some, l.news
}
