package news

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/spool"
	"moip/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCut = errors.New("cut")

// A station is a gateway of a test.
type station struct {
	*Wire
	*bus.Place
	calls int
	stop  func()
}

// open starts a gateway.
func open(x *bus.Exchange, name string) *station { return openWith(x, name, "", 0) }

// openWith starts a gateway with a spool.
func openWith(x *bus.Exchange, name, path string, size int64) *station {
	place := x.Join()
	return openAt(place, place, name, path, size)
}

// openAt starts a gateway at a place, to which it comes by a bus.
func openAt(place *bus.Place, by bus.Bus, name, path string, size int64) *station {
	s := &station{Wire: New(), Place: place}
	began := time.Now()
	hub := cluster.New(cluster.Options{Bus: by, Name: name, Log: slog.New(slog.DiscardHandler), Self: func() cluster.Gateway {
		return cluster.Gateway{State: "running", Began: began, Events: s.Next()}
	}})
	o := Options{Hub: hub, Log: slog.New(slog.DiscardHandler)}
	if path != "" {
		o.Spool = spool.New(path, size)
	}
	s.Join(o)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { hub.Run(ctx) })
	work.Go(func() { s.Run(ctx) })
	s.stop = func() { cancel(); work.Wait(); s.Place.Close() }
	return s
}

// call has something happen.
func (s *station) call() {
	s.calls++
	s.Note(session.Event{Call: session.ID(s.calls), Type: session.Began, At: time.Now(), Caller: session.Caller{Addr: netip.MustParseAddrPort("192.0.2.1:5")}})
}

// A visitor reads events, and comes back.
type visitor struct {
	mu    sync.Mutex
	place string
	told  []string
	full  int // what it takes of a stream, 0 for all
}

func (v *visitor) Tell(place string, e Event) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full > 0 {
		if v.full--; v.full == 0 {
			return false
		}
	}
	v.place = place
	what := fmt.Sprint(e.Gateway, "-", e.Call)
	if e.Type == Lost {
		what = fmt.Sprint(e.Gateway, " lost ", e.Lost)
	}
	v.told = append(v.told, what)
	return true
}
func (v *visitor) Mark(place string) bool { v.place = place; return true }
func (v *visitor) Quiet() bool            { return true }

// visit has v follow what a station tells.
func (v *visitor) visit(s *station, gateway string) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Wire.Follow(ctx, v.place, gateway, v)
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

func (v *visitor) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.Equal(v.told, want) {
		t.Errorf("told %q, want %q", v.told, want)
	}
	v.told = nil
}

// Who follows one gateway hears all, and only while somebody does is the bus listened to.
func TestHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := open(&x, "a"), open(&x, "b")
		defer a.stop()
		defer b.stop()
		a.call()
		b.call()
		time.Sleep(time.Second)
		var all, one visitor
		leave := all.visit(a, "")
		leaveOne := one.visit(a, "b")
		a.call()
		b.call()
		time.Sleep(time.Second)
		all.expect(t, "a-2", "b-2")
		one.expect(t, "b-2")
		leave()
		leaveOne()
		if a.Wire.stop != nil {
			t.Error("the bus is listened to for nobody")
		}
		// What happens meanwhile is told at the other gateway.
		a.call()
		b.call()
		b.call()
		leave = all.visit(b, "")
		time.Sleep(time.Second)
		all.mu.Lock()
		slices.Sort(all.told)
		all.mu.Unlock()
		all.expect(t, "a-3", "b-3", "b-4")
		leave()
	})
}

// What the bus has lost is asked for: at the next event of that gateway, and soon without.
func TestMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := open(&x, "a"), open(&x, "b")
		defer a.stop()
		defer b.stop()
		time.Sleep(time.Second)
		var v visitor
		defer v.visit(b, "")()
		a.call()
		time.Sleep(time.Second)
		b.Cut(errCut) // it is b that is cut off: a need not know
		a.call()
		a.call()
		time.Sleep(time.Second)
		b.Cut(nil)
		a.call()
		time.Sleep(time.Second)
		v.expect(t, "a-1", "a-2", "a-3", "a-4")
		b.Cut(errCut)
		for range 3 {
			a.call()
		}
		time.Sleep(time.Second)
		b.Cut(nil)
		time.Sleep(3 * lookTime)
		v.expect(t, "a-5", "a-6", "a-7")
		b.Cut(errCut)
		for range Kept + 10 {
			a.call()
		}
		time.Sleep(time.Second)
		b.Cut(nil)
		time.Sleep(3 * lookTime)
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.told) != Kept+1 || v.told[0] != "a lost 10" || v.told[1] != "a-18" || v.told[Kept] != fmt.Sprint("a-", 7+Kept+10) {
			t.Error(len(v.told), v.told[:2])
		}
	})
}

// A gateway that is started anew tells all from its start, and that there is no telling of
// what it was before.
func TestAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := open(&x, "a"), open(&x, "b")
		defer b.stop()
		time.Sleep(time.Second)
		var v, w visitor
		leave := v.visit(b, "")
		w.visit(b, "")()
		a.call()
		time.Sleep(time.Second)
		v.expect(t, "a-1")
		a.stop()
		a = open(&x, "a")
		defer func() { a.stop() }()
		a.call()
		time.Sleep(time.Second)
		v.expect(t, "a-1") // nothing was missed
		leave()
		leave = w.visit(b, "")
		time.Sleep(2 * patience)
		w.expect(t, "a-1", "a lost 0")
		leave()
		leave = w.visit(b, "")
		a.call()
		time.Sleep(2 * patience)
		w.expect(t, "a-2") // and not once more that something is lost
		leave()
	})
}

func TestPlaces(t *testing.T) {
	for _, s := range []string{"k3f.", "k3f.0", "paris.k3f.42,lyon.x.!", "paris.k3f.7!"} {
		all, err := parsePlace(s)
		r := reader{}
		for _, m := range all {
			r.tracks = append(r.tracks, &track{mark: m})
		}
		if got := r.place(); got != s || err != nil {
			t.Errorf("%q is read as %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ".", "a", "a.b", ".1", "a..", "a.b.c.1", "a.-1", "a.b.99999999999999999999", "é.1", "a.1,", "a.1 ", "*.>.1"} {
		if all, err := parsePlace(s); err == nil {
			t.Errorf("%q is a place: %v", s, all)
		}
	}
}

// Who is too late is told how much is gone.
func TestLate(t *testing.T) {
	l := NewLog()
	for range Kept + 7 {
		l.Note(session.Event{})
	}
	some, _ := l.since(2)
	if some[0].Type != Lost || some[0].Lost != 5 || some[0].ID != l.id(6) || some[1].ID != l.id(7) {
		t.Errorf("%+v", some[:2])
	}
}
