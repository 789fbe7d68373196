package admin

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"moip/internal/session"
)

// An Event is something that happened to a call, or to who was not let in, or to what is
// told of it.
type Event struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Type    string    `json:"type"` // as session.EventType has it, refused or lost
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

// lost is the type of an Event that tells how many were missed; 0 is for all of a
// gateway that has been started anew.
const lost = "lost"

// refused is the type of an Event that tells of a caller who was not let in. It is no
// call, and has no number.
const refused = "refused"

// keptEvents is how many are kept for whoever reads slowly, or comes back.
const keptEvents = 4096

// Events keeps the newest events, for whoever follows them.
type Events struct {
	run string // in which their numbers count

	mu   sync.Mutex
	ring []Event       // of keptEvents, once there are so many
	n    uint64        // events so far: the next is number n, from 0
	news chan struct{} // closed, and made anew, when there is one
}

// NewEvents returns Events without any.
func NewEvents() *Events {
	return &Events{run: strconv.FormatUint(uint64(rand.Uint32()), 36), news: make(chan struct{})}
}

// Note is told of each event of each call. It blocks nobody.
func (s *Events) Note(e session.Event) {
	told := Event{
		At: e.At.UTC(), Type: string(e.Type), Call: uint64(e.Call), From: e.Caller.Addr.String(), By: e.Caller.Transport,
		Service: e.Route.Name, Reason: string(e.Reason), In: e.In, Out: e.Out,
	}
	if e.Err != nil {
		told.Error = e.Err.Error()
	}
	s.keep(told)
}

// NoteRefusal is told of a caller who was not let in, and of how many that stands for.
// It blocks nobody.
func (s *Events) NoteRefusal(from netip.AddrPort, by, reason string, n uint64) {
	s.keep(Event{At: time.Now().UTC(), Type: refused, From: from.String(), By: by, Reason: reason, Refused: n})
}

func (s *Events) keep(told Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told.ID = s.id(s.n)
	if len(s.ring) < keptEvents {
		s.ring = append(s.ring, told)
	} else {
		s.ring[s.n%keptEvents] = told
	}
	s.n++
	close(s.news)
	s.news = make(chan struct{})
}

func (s *Events) id(n uint64) string { return s.run + "." + strconv.FormatUint(n, 10) }

// now returns the number that the next event will have.
func (s *Events) now() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// before returns the id of the event before number n. Before the first, the number in
// it is empty.
func (s *Events) before(n uint64) string {
	if n == 0 {
		return s.run + "."
	}
	return s.id(n - 1)
}

// after returns the number of the event behind the one with an id. If that was of
// another run, all of ours are behind it.
func (s *Events) after(id string) (n uint64, same bool) {
	if id == s.before(0) {
		return 0, true
	}
	run, number, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	if run != s.run || err != nil || n >= s.now() {
		return 0, false
	}
	return n + 1, true
}

// since returns the events from number n on, some of them if they are many, and what
// tells of more. Of what is kept no more, one event tells.
func (s *Events) since(n uint64) (some []Event, news <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if oldest := s.n - min(s.n, keptEvents); n < oldest {
		some = append(some, Event{ID: s.id(oldest - 1), At: time.Now().UTC(), Type: lost, Lost: oldest - n})
		n = oldest
	}
	for ; n < s.n && len(some) < 100; n++ {
		some = append(some, s.ring[n%keptEvents])
	}
	return some, s.news
}

// ServeHTTP tells of events as they happen, as server-sent events. A reader who comes
// back with Last-Event-ID is told of those that it has missed.
func (s *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, n := newStream(w), s.now()
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		var same bool
		if n, same = s.after(last); !same && !out.tell("", Event{At: time.Now().UTC(), Type: lost}) {
			return
		}
	}
	for going := out.mark(s.before(n)); going; {
		some, news := s.since(n)
		for _, e := range some {
			if going = out.tell(e.ID, e); !going {
				return
			}
			n, _ = s.after(e.ID)
		}
		if len(some) > 0 {
			continue
		}
		select {
		case <-news:
		case <-time.After(quietTime):
			going = out.comment("nothing new")
		case <-r.Context().Done():
			return
		}
	}
}
