package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"moip/internal/bus"
	"moip/internal/control/cluster"
)

// within is by when all rolls are true again after the last change.
const within = 8 * time.Second

// A model is what the rolls of gateways have to be.
type model struct {
	x       bus.Exchange
	all     []*machine // that were ever started
	running []*machine
}

// A machine is a gateway of the model.
type machine struct {
	station
	began time.Time // by its clock
	skew  time.Duration
	clock atomic.Int64 // skew, for the gateway
	cut   bool
	dead  bool
	heard map[*machine]bool // it may know of these, true if it has to
}

var errCut = errors.New("cut")

func (m *model) begin(name string, skew time.Duration) *machine {
	p := m.x.Join()
	c := &machine{skew: skew, began: time.Now().Add(skew), heard: map[*machine]bool{}}
	c.clock.Store(int64(skew))
	h := cluster.New(cluster.Options{
		Bus: p, Name: name, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(time.Duration(c.clock.Load())) },
		Self: func() cluster.Gateway { return cluster.Gateway{State: "running", Version: "1", Began: c.began} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	c.station = station{h, p, cancel}
	go h.Run(ctx)
	m.all, m.running = append(m.all, c), append(m.running, c)
	m.meet(c)
	return c
}

// meet has all hear of c, and c of all, that are not cut off.
func (m *model) meet(c *machine) {
	for _, other := range m.running {
		if other != c && !other.cut && !c.cut {
			other.heard[c], c.heard[other] = true, true
		}
	}
}

// hears reports whether c hears another now.
func (c *machine) hears(other *machine) bool { return !c.cut && !other.cut && !other.dead }

// succeed notes who may be forgotten: those that are silent while another of their name is
// there.
func (m *model) succeed() {
	for _, c := range m.running {
		for old := range c.heard {
			for is := range c.heard {
				if !c.hears(old) && c.hears(is) && is.Name() == old.Name() {
					c.heard[old] = false
				}
			}
		}
	}
}

// end has c leave in order, or killed.
func (m *model) end(c *machine, killed bool) {
	if killed {
		c.Cut(errCut)
	}
	for _, other := range m.running {
		if !killed && !c.cut && !other.cut {
			delete(other.heard, c)
		}
	}
	c.dead = true
	m.running = slices.DeleteFunc(m.running, func(r *machine) bool { return r == c })
	c.stop()
	synctest.Wait()
	c.Close()
}

// check compares what each gateway knows with the model.
func (m *model) check(t interface{ Errorf(string, ...any) }) {
	for _, c := range m.running {
		aside := false
		known := map[string]cluster.Seen{}
		required, remembered := map[string]bool{}, map[string]bool{} // by name
		for _, g := range c.Gateways() {
			known[g.Instance] = g
		}
		for other, has := range c.heard {
			g, shown := known[other.Instance()]
			delete(known, other.Instance())
			alive := c.hears(other)
			switch {
			case alive && (!shown || g.Silent):
				t.Errorf("%s does not hear %s, which is there", c.Name(), other.Name())
			case !alive && shown && !g.Silent:
				t.Errorf("%s takes %s as there, which is not", c.Name(), other.Name())
			}
			required[other.Name()] = required[other.Name()] || has && other.Name() != c.Name()
			remembered[other.Name()] = remembered[other.Name()] || shown
			if !alive {
				continue
			}
			if want := other.skew - c.skew; g.Skew != want {
				t.Errorf("the clock of %s is %v ahead for %s, not %v", other.Name(), want, c.Name(), g.Skew)
			}
			if g.Aside != m.asideOf(other) {
				t.Errorf("%s takes %s for one that keeps aside: %v", c.Name(), other.Name(), g.Aside)
			}
			if other.Name() == c.Name() && before(other, c) {
				aside = true
			}
		}
		delete(known, c.Instance())
		for _, g := range known {
			t.Errorf("%s knows of %s, of which it cannot have heard", c.Name(), g.Name)
		}
		for name := range required {
			if required[name] && !remembered[name] {
				t.Errorf("%s has forgotten %s", c.Name(), name)
			}
		}
		if c.Works() == aside {
			t.Errorf("%s works: %v", c.Name(), !aside)
		}
	}
}

// before reports whether a is older than b, of two that have one name.
func before(a, b *machine) bool {
	return a.began.Before(b.began) || a.began.Equal(b.began) && a.Instance() < b.Instance()
}

func (m *model) asideOf(c *machine) bool {
	return slices.ContainsFunc(m.running, func(o *machine) bool { return o.Name() == c.Name() && o.hears(c) && before(o, c) })
}

// After any schedule of joins, leaves, kills, cuts, heals, restarts under the same name and
// clocks that jump, what each knows of the others is true within 8 s, and of those that
// have one name and hear each other, all but the oldest keep aside.
func TestRollsAgree(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 25).Draw(r, "steps")
		var faults []string
		synctest.Test(t, func(*testing.T) {
			m := new(model)
			for _, s := range steps {
				m.do(s)
				m.succeed()
				time.Sleep(s.pause)
				synctest.Wait()
			}
			time.Sleep(within)
			synctest.Wait()
			m.check(report(func(text string) { faults = append(faults, text) }))
			for _, c := range m.running {
				c.stop()
			}
		})
		if len(faults) > 0 {
			r.Fatal(strings.Join(faults, "\n"))
		}
	})
}

type report func(string)

func (r report) Errorf(format string, a ...any) { r(fmt.Sprintf(format, a...)) }

type step struct {
	deed  string
	who   int
	skew  time.Duration
	pause time.Duration
}

func drawStep(t *rapid.T) step {
	return step{
		deed:  rapid.SampledFrom([]string{"join", "join", "join", "leave", "kill", "cut", "cut", "heal", "heal", "restart", "clock"}).Draw(t, "deed"),
		who:   rapid.IntRange(0, 7).Draw(t, "who"),
		skew:  time.Duration(rapid.SampledFrom([]int{0, 0, 0, -61, 3, 61}).Draw(t, "skew")) * time.Second,
		pause: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 900, 2000, 5000, 7000, 9000, 60000}).Draw(t, "pause")) * time.Millisecond,
	}
}

var names = []string{"a", "b", "c", "d", "e", "f"}

func (m *model) do(s step) {
	if s.deed == "join" || len(m.running) == 0 {
		m.begin(names[s.who%len(names)], s.skew)
		return
	}
	c := m.running[s.who%len(m.running)]
	switch s.deed {
	case "leave":
		m.end(c, false)
	case "kill":
		m.end(c, true)
	case "restart":
		m.end(c, true)
		m.begin(c.Name(), c.skew)
	case "cut":
		c.cut = true
		c.Cut(errCut)
	case "heal":
		if c.cut {
			c.cut = false
			c.Cut(nil)
			m.meet(c)
		}
	case "clock":
		c.skew = s.skew
		c.clock.Store(int64(s.skew))
		for range 4 { // until earlier beats count no more
			time.Sleep(2 * time.Second)
		}
	}
}
