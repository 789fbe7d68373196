package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A wired peer has a wire of its own to be tapped.
type wired struct {
	*peer
	mu  sync.Mutex
	tap Tap
}

func (w *wired) Tap(t Tap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tap = t
}

func (w *wired) tapped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tap != nil
}

// A listener writes down what passes.
type listener struct {
	mu   sync.Mutex
	told []string
}

func (l *listener) note(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, s)
}

func (l *listener) tapper(leg Leg, name string) Tap {
	l.note(strings.TrimSpace("tap " + leg.String() + " " + name))
	return func(what Passage, sent bool, p []byte) {
		way := "from"
		if sent {
			way = "to"
		}
		l.note(fmt.Sprintf("%s %v %q", way, leg, p))
	}
}

func (l *listener) expect(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := strings.Join(l.told, ", "); got != strings.Join(want, ", ") {
		t.Errorf("it is told\n%s\nwant\n%s", got, strings.Join(want, ", "))
	}
	l.told = nil
}

// A call that is tapped from its beginning tells of what passes on each leg, and in which
// order; of a leg with a wire, the wire tells.
func TestTap(t *testing.T) {
	var l listener
	var dialled []bool
	cfg := &Config{Limits: limits, Tapper: func(id ID, who Caller) Tapper {
		if id != 1 || who.Addr != terminal {
			t.Errorf("call %d of %v", id, who)
		}
		return l.tapper
	}}
	playWith(t, cfg, func(r *rig) {
		l.expect(t, "tap caller", "tap portal")
		dial := r.DialService
		r.DialService = func(ctx context.Context, id ID, rt Route) (Endpoint, error) {
			if tap := TapOf(ctx); tap != nil {
				tap(PassNote, true, []byte("dialling"))
				dialled = append(dialled, true)
			}
			e, err := dial(ctx, id, rt)
			return &wired{peer: e.(*peer)}, err
		}
		r.portal.say("\x0cBonjour")
		synctest.Wait()
		r.types("\x13H")
		l.expect(t, `from portal "\fBonjour"`, `to caller "\fBonjour"`, `from caller "\x13H"`, `to portal "\x13H"`)
		r.visits("MIRE")
		l.expect(t, "tap service MIRE", `to service "dialling"`)
		service := r.Call.service.end.(*wired)
		if len(dialled) != 1 || !service.tapped() {
			t.Error("the service's wire is not tapped")
		}
		r.service.say("x")
		synctest.Wait()
		l.expect(t, `to caller "x"`) // the wire tells the rest
		r.types("\x13I")
		l.expect(t, `from caller "\x13I"`, `to service "closed by the gateway"`)
		if err := r.Tap(nil); err != nil {
			t.Error(err)
		}
		r.types("\x13H")
		l.expect(t)
	})
}

// A call is tapped from the middle on, and no more, whatever is at its ends.
func TestTapMidway(t *testing.T) {
	var l listener
	var caller *wired
	playAs(t, func(p *peer) Endpoint { caller = &wired{peer: p}; return caller }, func(r *rig) {
		r.visits("MIRE")
		if err := r.Tap(l.tapper); err != nil {
			t.Fatal(err)
		}
		l.expect(t, "tap caller", "tap portal", "tap service MIRE")
		if !caller.tapped() {
			t.Error("the caller's wire is not tapped")
		}
		r.types("A")
		l.expect(t, `to service "A"`)
		if err := r.Tap(nil); err != nil {
			t.Fatal(err)
		}
		if caller.tapped() {
			t.Error("the caller's wire is still tapped")
		}
		r.types("A")
		l.expect(t)
		r.Hangup(ReasonRecalled)
		synctest.Wait()
		if err := r.Tap(l.tapper); err != ErrOver {
			t.Errorf("tapping what is over: %v", err)
		}
	})
}
