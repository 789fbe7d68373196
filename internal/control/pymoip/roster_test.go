package pymoip

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"moip/internal/session"
)

// TestUnread has a server that reads nothing more, and goes on ordering.
func TestUnread(t *testing.T) {
	r := newRoster(time.Now())
	r.event(session.Event{Call: 1, Type: session.Began})
	r.attach(&portal{id: 1})
	r.open(time.Now())
	refused := false
	for range 100 {
		c, err := r.take(order{number: "1", echo: "1," + connect})
		if err != nil {
			refused = true
			continue
		}
		r.event(session.Event{Call: 1, Type: session.Redirecting})
		r.judged(c)
		r.event(session.Event{Call: 1, Type: session.Redirected})
		r.event(session.Event{Call: 1, Type: session.Returned, Reason: session.ReasonFin})
	}
	if n := len(r.queue); !refused || n > 2*waitingLimit {
		t.Errorf("%d messages wait", n)
	}
	for {
		if _, ok := r.head(); !ok {
			break
		}
		r.delivered()
	}
	if _, err := r.take(order{number: "1"}); err != nil {
		t.Errorf("once all is read: %v", err)
	}
}

// The portal is lost, and found again, while the board judges its last order.
func TestPortalLostMeanwhile(t *testing.T) {
	r := newRoster(time.Now())
	p := &portal{id: 1}
	r.event(session.Event{Call: 1, Type: session.Began})
	r.open(time.Now())
	r.attach(p)
	c, err := r.take(order{number: "1", echo: "1," + connect})
	if err != nil {
		t.Fatal(err)
	}
	r.detach(p)
	r.attach(&portal{id: 1})
	r.event(session.Event{Call: 1, Type: session.Redirecting})
	r.judged(c)
	r.event(session.Event{Call: 1, Type: session.Redirected})
	r.delivered() // its arrival
	if text, ok := r.head(); ok {
		t.Errorf("left over: %s", text)
	}
}

// Callers may come and go for days while the link is down.
func TestNobodyToTell(t *testing.T) {
	r := newRoster(time.Now())
	for id := range session.ID(1000) {
		r.event(session.Event{Call: id, Type: session.Began})
		r.event(session.Event{Call: id, Type: session.Ended})
	}
	if len(r.queue)+len(r.calls)+len(r.pids) != 0 {
		t.Errorf("left over: %d messages, %d calls, %d PIDs", len(r.queue), len(r.calls), len(r.pids))
	}
}

func TestHost(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:80":          "192.0.2.1",
		"[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8::1]:80":      "2001:db8::1",
		"[fe80::1%eth0]:80":     "fe80::1",
	} {
		c := call{caller: session.Caller{Addr: netip.MustParseAddrPort(addr)}}
		if got := c.host(); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	serial := call{pid: 3}
	if got := serial.announcement(); got != "NewTelnetUser,,0,3" {
		t.Errorf("without an address: %q", got)
	}
}

// A listener is the server in TestRoster: it checks what it hears.
type listener struct {
	announced map[string]bool   // on this link, by PID
	known     map[string]bool   // on any link
	gone      map[string]bool   // on any link
	heard     map[string]string // by session number, the initials of its states
}

// visits is what a session may hear of its visits, by initials: Redirecting,
// Done, Closing, Ended. The last one may be under way.
var visits = regexp.MustCompile(`^(RD?C?E)*(R(DC?)?)?$`)

var initial = map[string]string{
	"UserGotCommand": "", "UserRedirecting": "R", "UserRedirected": "D",
	"UserRequestedClose": "C", "UserRedirectEnded": "E",
}

func (s *listener) hear(t *rapid.T, text string) {
	field := strings.Split(text, ",")
	verb, pid := field[0], field[3]
	if s.gone[pid] {
		t.Fatalf("%s, but it is gone", text)
	}
	switch verb {
	case "NewWsUser", "NewTelnetUser":
		if s.announced[pid] {
			t.Fatalf("%s again", text)
		}
		s.announced[pid], s.known[pid] = true, true
	case "UserGone":
		if !s.known[pid] {
			t.Fatalf("%s, but it never came", text)
		}
		s.gone[pid] = true
	default:
		number := field[4]
		if !s.announced[pid] {
			t.Fatalf("%s, but it was not announced", text)
		}
		s.heard[number] += initial[verb]
		if !visits.MatchString(s.heard[number]) {
			t.Fatalf("%s after %s", text, s.heard[number])
		}
	}
}

// TestRoster has calls come and go, portals fail, orders given and links lost
// in any order. Each portal connection has a session number of its own.
func TestRoster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type seen struct {
			number string // of the portal connection's session
			portal *portal
			away   bool
		}
		now := time.Unix(0, 0)
		r := newRoster(now)
		server := &listener{known: map[string]bool{}, gone: map[string]bool{}, heard: map[string]string{}}
		live := map[session.ID]*seen{}
		ids, portals := session.ID(0), 0

		pick := func(t *rapid.T, away bool) (session.ID, *seen) {
			ids := slices.Sorted(maps.Keys(live))
			ids = slices.DeleteFunc(ids, func(id session.ID) bool { return live[id].away != away })
			if len(ids) == 0 {
				t.Skip("no such call")
			}
			id := rapid.SampledFrom(ids).Draw(t, "call")
			return id, live[id]
		}
		emit := func(id session.ID, kind session.EventType, why session.Reason) {
			r.event(session.Event{Call: id, At: now, Type: kind, Reason: why})
		}
		dial := func(id session.ID) {
			portals++
			c := live[id]
			c.number, c.portal = fmt.Sprint(portals), &portal{id: id}
			r.attach(c.portal)
		}
		deliver := func(t *rapid.T) bool {
			text, ok := r.head()
			if ok {
				server.hear(t, text)
				r.delivered()
			}
			return ok
		}
		open := func() {
			server.announced = map[string]bool{}
			r.open(now)
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				ids++
				live[ids] = &seen{}
				emit(ids, session.Began, "")
				dial(ids)
			},
			"end": func(t *rapid.T) {
				id, c := pick(t, rapid.Bool().Draw(t, "away"))
				delete(live, id)
				emit(id, session.Ended, session.ReasonGone)
				if rapid.Bool().Draw(t, "closed") {
					r.detach(c.portal)
				}
			},
			"portal lost": func(t *rapid.T) {
				id, c := pick(t, rapid.Bool().Draw(t, "away"))
				r.detach(c.portal)
				dial(id)
			},
			"order": func(t *rapid.T) {
				if !r.up {
					t.Skip("down")
				}
				id, c := pick(t, rapid.Bool().Draw(t, "away"))
				o := order{pid: uint64(id) - 1, number: c.number, echo: c.number}
				taken, err := r.take(o)
				if err != nil {
					return
				}
				switch {
				case c.away:
				case rapid.Bool().Draw(t, "bad"):
				case rapid.Bool().Draw(t, "ends"):
					delete(live, id)
					emit(id, session.Ended, session.ReasonGone)
				default:
					c.away = true
					emit(id, session.Redirecting, "")
				}
				r.judged(taken)
			},
			"operator": func(t *rapid.T) {
				id, c := pick(t, false)
				c.away = true
				emit(id, session.Redirecting, "")
			},
			"redirected": func(t *rapid.T) {
				id, c := pick(t, true)
				emit(id, session.Redirected, "")
				c.away = false
				emit(id, session.Returned, rapid.SampledFrom([]session.Reason{session.ReasonFin, session.ReasonLost}).Draw(t, "why"))
			},
			"failed": func(t *rapid.T) {
				id, c := pick(t, true)
				c.away = false
				emit(id, session.Returned, session.ReasonRefused)
			},
			"link": func(t *rapid.T) {
				if r.up {
					r.close(now)
				} else {
					open()
				}
			},
			"time": func(t *rapid.T) { now = now.Add(departureLimit / 3) },
			"deliver": func(t *rapid.T) {
				if r.up {
					deliver(t)
				}
			},
			"": func(t *rapid.T) {
				if len(r.queue) > int(ids)*2*waitingLimit {
					t.Fatalf("%d messages for %d calls", len(r.queue), ids)
				}
			},
		})

		// In the end the server knows of every call, and nothing waits.
		r.close(now)
		open()
		for deliver(t) {
		}
		if r.queue != nil || len(r.calls) != len(live) || len(r.pids) != len(live) {
			t.Fatalf("left over: %d messages, %d calls, %d PIDs", len(r.queue), len(r.calls), len(r.pids))
		}
		for id, c := range r.calls {
			pid := fmt.Sprint(c.pid)
			if c.waiting != 0 || !server.announced[pid] || uint64(id) != c.pid+1 {
				t.Fatalf("call %d: %+v", id, c)
			}
		}
	})
}
