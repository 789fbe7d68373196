package portals_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/bus"
	"moip/internal/control/cluster/portals"
	"moip/internal/session"
	"moip/internal/switchboard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A board has calls and notes the orders for them.
type board struct {
	mu     sync.Mutex
	calls  []session.ID
	orders []string
}

func (b *board) take(id session.ID, order string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.calls, id) {
		return switchboard.ErrUnknown
	}
	b.orders = append(b.orders, fmt.Sprint(id, " ", order))
	return nil
}

func (b *board) Redirect(id session.ID, r session.Route) error {
	return b.take(id, "redirect to "+r.URL)
}
func (b *board) Recall(id session.ID) error                   { return b.take(id, "recall") }
func (b *board) Message(id session.ID, text string) error     { return b.take(id, "message "+text) }
func (b *board) Hangup(id session.ID, r session.Reason) error { return b.take(id, "hangup "+string(r)) }
func (b *board) Info(id session.ID) (session.Info, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.calls, id) {
		return session.Info{}, switchboard.ErrUnknown
	}
	return session.Info{ID: id}, nil
}
func (b *board) Calls() (all []session.Info) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.calls {
		all = append(all, session.Info{ID: id})
	}
	return all
}

func (b *board) ordered() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.orders
	b.orders = nil
	return all
}

// A rig is a gateway with a link, and a place on its bus for portals.
type rig struct {
	t     *testing.T
	board *board
	link  *portals.Link
	own   *bus.Place // the gateway's
	at    *bus.Place // the portals'
}

// inRig has f play portals.
func inRig(t *testing.T, f func(*rig)) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		r := &rig{t: t, board: new(board), own: x.Join(), at: x.Join()}
		r.link = r.joins(r.board)
		f(r)
	})
}

// joins has one more gateway called paris.
func (r *rig) joins(b *board) *portals.Link {
	route := func(to string, options json.RawMessage) (session.Route, error) {
		if to == "" {
			return session.Route{}, errors.New("nowhere")
		}
		return session.Route{URL: to + string(options)}, nil
	}
	link := portals.New(portals.Options{
		Bus: r.own, Name: "paris", Board: b, Route: route, Log: slog.New(slog.DiscardHandler),
		Describe: func(i session.Info) any { return map[string]any{"id": i.ID, "facts": strings.Repeat("x", 300)} },
	})
	ctx := r.t.Context()
	var running sync.WaitGroup
	running.Go(func() { link.Run(ctx) })
	r.t.Cleanup(running.Wait)
	synctest.Wait()
	return link
}

func (r *rig) event(kind session.EventType, id session.ID) {
	r.link.Event(session.Event{Type: kind, Call: id, At: time.Now(), Caller: session.Caller{Transport: "ws", Addr: netip.MustParseAddrPort("192.0.2.7:4000")}})
}

// A portal is one of a group that share arrivals.
type portal struct {
	mu     sync.Mutex
	calls  []string
	silent bool
}

// heard returns the arrivals that it was told of.
func (p *portal) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// silences has it answer nothing any more.
func (p *portal) silences() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
}

func (r *rig) portal() (p *portal, dies func()) {
	p = new(portal)
	stop, err := r.at.Subscribe("arrival.*", "group", func(m bus.Message) {
		var a struct {
			Gateway, Type, From, By string
			Call                    uint64
			At                      time.Time
		}
		if err := json.Unmarshal(m.Data, &a); err != nil || a.Type != "began" || a.From != "192.0.2.7:4000" || a.By != "ws" || a.At.IsZero() {
			r.t.Errorf("%s %v", m.Data, err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls = append(p.calls, fmt.Sprint(a.Gateway, "-", a.Call))
		if !p.silent {
			r.at.Publish(bus.Message{Subject: m.Reply, Data: []byte(`{"ok":true}`)})
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p, stop
}

func (r *rig) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Portals share the arrivals: each is told to one of them, once.
func TestArrivals(t *testing.T) {
	inRig(t, func(r *rig) {
		a, _ := r.portal()
		b, _ := r.portal()
		const n = 1000 // more than fly at a time
		for id := range session.ID(n) {
			r.event(session.Began, id+1)
		}
		r.after(time.Minute)
		all := slices.Concat(a.heard(), b.heard())
		slices.Sort(all)
		if len(all) != n || len(slices.Compact(all)) != n || len(a.heard()) == 0 || len(b.heard()) == 0 {
			t.Errorf("%d and %d", len(a.heard()), len(b.heard()))
		}
	})
}

// No arrival dies with a portal, nor for want of one, nor while the bus is down.
func TestArrivalsAreNotLost(t *testing.T) {
	inRig(t, func(r *rig) {
		dead, dies := r.portal()
		dead.silences()
		r.event(session.Began, 1)
		r.after(time.Second)
		dies()
		r.event(session.Began, 2)
		r.event(session.Began, 3)
		r.after(time.Minute)
		r.event(session.Ended, 3) // of whom nobody needs to know any more
		p, _ := r.portal()
		r.after(10 * time.Second)
		if !slices.Equal(dead.heard(), []string{"paris-1"}) || !slices.Equal(p.heard(), []string{"paris-1", "paris-2"}) {
			t.Error(dead.heard(), p.heard())
		}
		r.own.Cut(errors.New("cut"))
		if up, _ := r.link.State(); up {
			t.Error("it is up")
		}
		r.event(session.Began, 4)
		r.after(time.Hour)
		r.own.Cut(nil)
		r.after(0)
		if heard := p.heard(); len(heard) != 3 || heard[2] != "paris-4" {
			t.Error(p.heard())
		}
		p.silences()
		r.event(session.Began, 5)
		r.after(time.Second)
		if len(p.heard()) != 4 {
			t.Error(p.heard())
		}
		r.after(10 * time.Second) // as nobody has answered for long
		if len(p.heard()) < 5 {
			t.Error(p.heard())
		}
	})
}

// asks returns the answer to an order.
func (r *rig) asks(subject, order string) string {
	r.t.Helper()
	answer, err := r.at.Request(r.t.Context(), subject, []byte(order))
	if err != nil {
		r.t.Error(subject, order, err)
	}
	return string(answer)
}

func TestOrders(t *testing.T) {
	inRig(t, func(r *rig) {
		r.board.calls = []session.ID{7, 8}
		for _, test := range []struct{ subject, order, answer, done string }{
			{"call.paris.7", `{"do":"redirect","to":"ws://a"}`, `{"ok":true}`, "7 redirect to ws://a"},
			{"call.paris.7", `{"do":"redirect","to":"ws://a","route":null,"later":1}`, `{"ok":true}`, "7 redirect to ws://a"},
			{"call.paris.7", `{"do":"redirect","to":"ws://a","route":{"speed":1200}}`, `{"ok":true}`, `7 redirect to ws://a{"speed":1200}`},
			{"call.paris.7", `{"do":"redirect"}`, `{"error":"nowhere"}`, ""},
			{"call.paris.7", `{"do":"recall"}`, `{"ok":true}`, "7 recall"},
			{"call.paris.7", `{"do":"message","text":"Bonsoir"}`, `{"ok":true}`, "7 message Bonsoir"},
			{"call.paris.7", `{"do":"message","text":"` + strings.Repeat("x", 40) + `"}`, `{"error":"the message takes 40 columns of row 00, which has 33"}`, ""},
			{"call.paris.7", `{"do":"hangup"}`, `{"ok":true}`, "7 hangup hangup"},
			{"call.paris.7", `{"do":"info"}`, `{"ok":true,"call":{"facts":"` + strings.Repeat("x", 300) + `","id":7}}`, ""},
			{"call.paris.7", `{"do":"dance"}`, `{"error":"\"dance\" is nothing to do with a call (use redirect, recall, message, hangup or info)"}`, ""},
			{"call.paris.7", `[]`, `{"error":"it is no order (write {\"do\":\"info\"}): json: cannot unmarshal array into Go value of type portals.order"}`, ""},
			{"call.paris.7", strings.Repeat(" ", 1<<17), `{"error":"an order has 16384 bytes at the most"}`, ""},
			{"call.paris.x", `{"do":"info"}`, `{"error":"\"x\" is no number of a call"}`, ""},
			{"call.paris.9", `{"do":"recall"}`, `{"error":"no such call"}`, ""},
			{"call.paris.9", `{"do":"redirect"}`, `{"error":"no such call"}`, ""},
			{"calls", `{"do":"message","text":"Bonsoir"}`, `{"ok":true,"gateway":"paris","told":2}`, "7 message Bonsoir, 8 message Bonsoir"},
			{"calls.paris", `{"do":"recall"}`, `{"ok":true,"gateway":"paris","told":2}`, "7 recall, 8 recall"},
			{"calls.paris", `{"do":"redirect","to":"ws://a"}`, `{"error":"\"redirect\" is nothing to do with all calls (use list, recall, message or hangup)","gateway":"paris"}`, ""},
		} {
			if answer := r.asks(test.subject, test.order); answer != test.answer {
				t.Errorf("%s %.60s: %s", test.subject, test.order, answer)
			}
			if done := strings.Join(r.board.ordered(), ", "); done != test.done {
				t.Errorf("%s %.60s: %s", test.subject, test.order, done)
			}
		}
		r.own.Cut(errors.New("cut"))
		if _, err := r.at.Request(t.Context(), "call.paris.7", []byte(`{"do":"recall"}`)); err == nil {
			t.Error("an order is taken by a gateway that is cut off")
		}
	})
}

// All calls are listed, however many.
func TestList(t *testing.T) {
	inRig(t, func(r *rig) {
		for id := range session.ID(3000) {
			r.board.calls = append(r.board.calls, id+1)
		}
		last, lists := uint64(0), 0
		for more := true; more; lists++ {
			var a struct {
				Calls []struct{ ID uint64 }
				More  bool
			}
			if err := json.Unmarshal([]byte(r.asks("calls.paris", fmt.Sprintf(`{"do":"list","after":%d}`, last))), &a); err != nil {
				t.Fatal(err)
			}
			for _, c := range a.Calls {
				if last++; c.ID != last {
					t.Fatal(c.ID, last)
				}
			}
			more = a.More
		}
		if last != 3000 || lists < 2 {
			t.Error(last, lists)
		}
	})
}

// A gateway that was replaced has calls still, which its successor does not know.
func TestSuccessor(t *testing.T) {
	inRig(t, func(r *rig) {
		r.board.calls = []session.ID{7}
		successor := &board{calls: []session.ID{8}}
		r.joins(successor)
		for range 10 {
			for _, id := range []int{7, 8} {
				if answer := r.asks(fmt.Sprintf("call.paris.%d", id), `{"do":"recall"}`); answer != `{"ok":true}` {
					t.Error(id, answer)
				}
			}
		}
		if a, b := len(r.board.ordered()), len(successor.ordered()); a != 10 || b != 10 {
			t.Error(a, b)
		}
		if answer := r.asks("call.paris.9", `{"do":"recall"}`); !strings.Contains(answer, "no such call") {
			t.Error(answer)
		}
	})
}

// Whatever is on the bus, the gateway lives.
func FuzzOrder(f *testing.F) {
	f.Add("7", []byte(`{"do":"redirect","to":"ws://a","route":{}}`))
	f.Fuzz(func(t *testing.T, number string, order []byte) {
		for word := range strings.SplitSeq(number, ".") {
			if !bus.IsWord(word) {
				t.Skip()
			}
		}
		inRig(t, func(r *rig) {
			r.board.calls = []session.ID{7}
			for _, subject := range []string{"call.paris." + number, "calls"} {
				if subject != "calls" && strings.Contains(number, ".") {
					continue
				}
				var a struct {
					OK    bool
					Error string
				}
				if err := json.Unmarshal([]byte(r.asks(subject, string(order))), &a); err != nil || a.OK == (a.Error != "") {
					t.Errorf("%s %q: %v %+v", subject, order, err, a)
				}
			}
		})
	})
}
