package pymoip

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"moip/internal/session"
)

// A remote is a gateway in TestPairing, as it is in truth.
type remote struct {
	name    int
	host    netip.Addr
	pymoip  bool // announces nothing anew, and loses the first message on a new link
	next    uint64
	here    map[uint64]claim // its callers
	untold  []string         // messages for the link
	gateway *gateway         // its link, nil while it is down
}

func (r *remote) tells(text string) {
	if r.gateway != nil || r.pymoip {
		r.untold = append(r.untold, text)
	}
}

// A brought guest is one whose truth is known.
type brought struct {
	by    *remote
	claim claim
	told  session.EventType // last, of Linked and Unlinked
}

// TestPairing has gateways and their callers come and go, in any order. No
// order redirects a stranger: if it goes to another gateway than the one that
// brought the call, that has no caller of this PID, and will not obey.
func TestPairing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// rapid would ask a T for its deadline, which is none of the bubble's time.
		rapid.Check(struct{ rapid.TB }{t}, testPairing)
	})
}

func testPairing(t *rapid.T) {
	calls := map[session.ID]*brought{}
	s := NewServer(ServerOptions{Follow: func(e session.Event) {
		c := calls[e.Call]
		switch e.Type {
		case session.Linked, session.Unlinked:
			if c.told == e.Type || c.told == "" && e.Type == session.Unlinked || e.Caller != c.claim.caller {
				t.Fatalf("call %d: %+v after %s", e.Call, e, c.told)
			}
			c.told = e.Type
		}
	}})

	// One of PyMoIP's gateways has a machine of its own: two could not be told
	// apart after they have lost their links.
	var remotes []*remote
	for i, host := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		remotes = append(remotes, &remote{name: i, host: netip.MustParseAddr(host), pymoip: i == 3, here: map[uint64]claim{}})
	}
	last := session.ID(0)
	pick := func(t *rapid.T, which func(*remote) bool) *remote {
		some := slices.DeleteFunc(slices.Clone(remotes), func(r *remote) bool { return !which(r) })
		if len(some) == 0 {
			t.Skip("none")
		}
		return rapid.SampledFrom(some).Draw(t, "gateway")
	}
	call := func(t *rapid.T) session.ID {
		if len(calls) == 0 {
			t.Skip("none")
		}
		return rapid.SampledFrom(slices.Sorted(maps.Keys(calls))).Draw(t, "call")
	}
	deliver := func(r *remote) {
		for r.gateway != nil && len(r.untold) > 0 {
			n, err := parseNews(r.untold[0])
			if err != nil {
				t.Fatal(err)
			}
			s.hear(r.gateway, n)
			r.untold = r.untold[1:]
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"arrive": func(t *rapid.T) {
			r := pick(t, func(*remote) bool { return true })
			c := claimed(r.next, "ws", fmt.Sprintf("192.0.2.%d:%d", r.name, 1000+r.next))
			r.next++
			r.here[c.pid] = c
			r.tells(c.announcement())
			// A message takes its time. (But an order that overtakes the first
			// one on a link may go wrong.)
			if r.gateway != nil && time.Since(r.gateway.since) >= settling || rapid.Bool().Draw(t, "at once") {
				deliver(r)
			}
			last++
			calls[last] = &brought{by: r, claim: c}
			g := newGuest(s, newEnd(nil), session.Caller{Addr: netip.AddrPortFrom(r.host, uint16(last))})
			g.asked.Store(true)
			s.expect(g)
			s.Event(session.Event{Type: session.Began, Call: last, Caller: session.Caller{Addr: g.addr}})
			if r.gateway != nil {
				g.sieve.sift([]byte(c.introduction()))
			}
		},
		"leave": func(t *rapid.T) {
			id := call(t)
			c := calls[id]
			delete(c.by.here, c.claim.pid)
			c.by.tells(fmt.Sprintf("UserGone,,,%d", c.claim.pid))
			s.Event(session.Event{Type: session.Ended, Call: id})
			synctest.Wait() // it reviews others
			delete(calls, id)
		},
		"link": func(t *rapid.T) {
			r := pick(t, func(r *remote) bool { return r.gateway == nil })
			r.gateway = &gateway{
				host: r.host, since: time.Now(), orders: make(chan []byte, 1), drop: func(error) {},
				announced: map[uint64]session.Caller{}, lowest: math.MaxUint64, guests: map[uint64]*guest{},
			}
			s.enter(r.gateway)
			if r.pymoip {
				r.untold = r.untold[min(len(r.untold), 1):]
				return
			}
			for _, pid := range slices.Sorted(maps.Keys(r.here)) {
				r.tells(r.here[pid].announcement())
			}
		},
		"cut": func(t *rapid.T) {
			r := pick(t, func(r *remote) bool { return r.gateway != nil })
			s.leave(r.gateway)
			r.gateway = nil
			if !r.pymoip {
				r.untold = nil
			}
		},
		"deliver": func(t *rapid.T) { deliver(pick(t, func(*remote) bool { return true })) },
		"time": func(t *rapid.T) {
			for _, r := range remotes {
				deliver(r)
			}
			time.Sleep(settling)
			synctest.Wait()
		},
		"order": func(t *rapid.T) {
			id := call(t)
			c := calls[id]
			err := s.Redirect(id, session.Route{URL: target})
			want := fmt.Sprintf("PID=%d,%d,", c.claim.pid, s.last)
			for _, r := range remotes {
				if r.gateway == nil {
					continue
				}
				select {
				case p := <-r.gateway.orders:
					_, stranger := r.here[c.claim.pid]
					if err != nil || r != c.by && stranger || !strings.HasPrefix(string(p), want) {
						t.Fatalf("gateway %d got %s, want it to go to gateway %d: %v", r.name, p, c.by.name, err)
					}
					n, _ := parseNews(fmt.Sprintf("UserRedirectEnded,,,%d,%d", c.claim.pid, s.last))
					if err := s.hear(r.gateway, n); err != nil {
						t.Fatal(err)
					}
				default:
				}
			}
		},
		"": func(t *rapid.T) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for id, c := range calls {
				g := s.guests[id]
				if (g.gateway != nil) != (c.told == session.Linked) {
					t.Fatalf("call %d: linked %v, told %q", id, g.gateway != nil, c.told)
				}
				if g.gateway != nil && g.gateway.guests[c.claim.pid] != g {
					t.Fatalf("call %d is not its gateway's", id)
				}
			}
		},
	})

	// With all links up, whoever was introduced is linked.
	for _, r := range remotes {
		deliver(r)
	}
	time.Sleep(settling)
	synctest.Wait()
	for id, c := range calls {
		if g := s.guests[id]; g.claim != nil && c.by.gateway != nil && g.gateway != c.by.gateway {
			t.Fatalf("call %d of gateway %d, PID %d, is not linked", id, c.by.name, c.claim.pid)
		}
	}
	for id := range calls {
		s.Event(session.Event{Type: session.Ended, Call: id})
	}
	synctest.Wait()
	for _, r := range remotes {
		if r.gateway != nil {
			s.leave(r.gateway)
		}
	}
	if n := len(s.guests) + len(s.places) + len(s.visits) + len(s.links); n != 0 {
		t.Fatalf("%d left over", n)
	}
}
