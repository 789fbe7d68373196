package survey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/directory/probe"
	"moip/internal/session"
	"moip/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within is by when all keepers are agreed on after the last change, and then again by when
// all states are.
const within = 10 * time.Second

const every = 10 * time.Second

// A world is some services, up or down, and the gateways that try them.
type world struct {
	x bus.Exchange

	mu      sync.Mutex
	down    map[string]bool
	frozen  bool                       // what is tried tells nothing
	tries   map[string]map[string]bool // of services, by whom
	running []*gateway
}

type gateway struct {
	*cluster.Hub
	*bus.Place
	w       *world
	prober  *probe.Prober
	has     []string
	cut     bool
	skew    time.Duration
	drained bool
	stop    context.CancelFunc
	tasks   sync.WaitGroup
}

var errCut, errRefused = errors.New("cut"), errors.New("refused")

// begin starts a gateway that has some services.
func (w *world) begin(name string, skew time.Duration, services ...string) *gateway {
	g := &gateway{w: w, Place: w.x.Join(), has: services, skew: skew}
	began := time.Now().Add(skew)
	g.Hub = cluster.New(cluster.Options{
		Bus: g.Place, Name: name, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(skew) },
		Self: func() cluster.Gateway {
			if w.mu.Lock(); g.drained {
				defer w.mu.Unlock()
				return cluster.Gateway{State: "draining", Began: began}
			}
			w.mu.Unlock()
			return cluster.Gateway{State: "running", Began: began}
		},
	})
	g.prober = probe.New(g.dial, nil)
	g.watch(services...)
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	s := New(Options{Hub: g.Hub, Prober: g.prober, Log: slog.New(slog.DiscardHandler)})
	for _, run := range []func(context.Context){g.Hub.Run, s.Run, g.prober.Run} {
		g.tasks.Go(func() { run(ctx) })
	}
	w.running = append(w.running, g)
	return g
}

// watch gives the gateway another directory.
func (g *gateway) watch(services ...string) {
	g.has = services
	var targets []probe.Target
	for _, s := range services {
		targets = append(targets, probe.Target{Name: s, Route: session.Route{URL: "tcp://" + s + ":1"}, Every: every})
	}
	g.prober.Watch(targets)
}

func (g *gateway) dial(_ context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL, "tcp://"), ":1")
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.w.tries[name] == nil {
		g.w.tries[name] = map[string]bool{}
	}
	g.w.tries[name][g.Instance()] = true
	switch {
	case g.w.frozen:
		return nil, session.ErrScarce
	case g.w.down[name]:
		return nil, errRefused
	}
	ours, peer := net.Pipe()
	go io.Copy(io.Discard, peer)
	return transport.TCP(ours, 0), nil
}

// end has a gateway leave in order, or killed.
func (w *world) end(g *gateway, killed bool) {
	if killed {
		g.Cut(errCut)
	}
	w.running = slices.DeleteFunc(w.running, func(r *gateway) bool { return r == g })
	g.stop()
	g.tasks.Wait()
	g.Close()
}

func (w *world) close() {
	for len(w.running) > 0 {
		w.end(w.running[0], false)
	}
}

// aside reports whether a gateway keeps aside from one of its name.
func (w *world) aside(g *gateway) bool {
	return slices.ContainsFunc(g.Gateways(), func(s cluster.Seen) bool { return s.Self && s.Aside })
}

// tried returns who tries which services while some time passes.
func (w *world) tried(d time.Duration) map[string]map[string]bool {
	w.mu.Lock()
	w.tries = map[string]map[string]bool{}
	w.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	tries := w.tries
	w.tries = map[string]map[string]bool{}
	return tries
}

var services = []string{"A", "B", "C", "D", "E"}

// check compares the keepers and what is known with what it has to be.
func (w *world) check(fault func(string, ...any)) {
	w.mu.Lock()
	w.frozen = true
	w.mu.Unlock()
	time.Sleep(2 * within)
	synctest.Wait()
	for _, service := range services {
		w.agree(service, fault)
	}
	tries := w.tried(3 * every)
	for _, service := range services {
		together := 0
		for _, g := range w.running {
			if !slices.Contains(g.has, service) || w.aside(g) {
				if tries[service][g.Instance()] {
					fault("%s tries %s, which is none of its", g.Name(), service)
				}
				continue
			}
			if g.cut && !tries[service][g.Instance()] {
				fault("%s is cut off, and does not try %s", g.Name(), service)
			}
			if !g.cut && tries[service][g.Instance()] {
				together++
			}
		}
		if want := w.toTry(service); together != want {
			fault("%s is tried by %d, not %d", service, together, want)
		}
	}
	w.mu.Lock()
	w.frozen = false
	w.mu.Unlock()
	time.Sleep(3 * every)
	synctest.Wait()
	for _, g := range w.running {
		if w.aside(g) && g.cut {
			continue
		}
		for _, service := range g.has {
			if s := g.prober.State(service); w.toTry(service) > 0 && (!s.Known || s.Up == w.down[service] || time.Since(s.At) > 2*every) {
				fault("%s knows wrong of %s: %+v", g.Name(), service, s)
			}
		}
	}
}

// toTry is how many of those that hear each other have to try a service: one, if one has it.
func (w *world) toTry(service string) int {
	for _, g := range w.running {
		if !g.cut && slices.Contains(g.has, service) && !w.aside(g) {
			return 1
		}
	}
	return 0
}

// agree expects that all that hear each other know the same of a service.
func (w *world) agree(service string, fault func(string, ...any)) {
	var first *gateway
	for _, g := range w.running {
		switch {
		case g.cut || !slices.Contains(g.has, service) || w.toTry(service) == 0:
		case first == nil:
			first = g
		default:
			if a, b := first.prober.State(service), g.prober.State(service); !same(a, b) {
				fault("%s and %s do not agree on %s: %+v, %+v", first.Name(), g.Name(), service, a, b)
			}
		}
	}
}

// same reports whether two know the same, but for what is lost of times on the way.
func same(a, b probe.State) bool {
	const lost = 20 * time.Millisecond
	if a.At.Sub(b.At).Abs() > lost || a.Since.Sub(b.Since).Abs() > lost {
		return false
	}
	a.At, a.Since = b.At, b.Since
	return a == b
}

// After any schedule of joins, leaves, kills, cuts, heals, restarts, services that go down
// and come back, callers who find that, and other directories, each service is tried by one
// of those that hear each other, and all know the same of it.
func TestAllAgree(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 15).Draw(r, "steps")
		var faults []string
		synctest.Test(t, func(*testing.T) {
			w := &world{down: map[string]bool{}, tries: map[string]map[string]bool{}}
			for _, s := range steps {
				w.do(s)
				time.Sleep(s.pause)
				synctest.Wait()
			}
			w.check(func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) })
			w.close()
		})
		if len(faults) > 0 {
			r.Fatal(strings.Join(faults, "\n"))
		}
	})
}

type step struct {
	deed     string
	who      int
	services []string
	skew     time.Duration
	pause    time.Duration
}

func drawStep(t *rapid.T) step {
	s := step{
		deed:  rapid.SampledFrom([]string{"join", "join", "join", "leave", "kill", "cut", "cut", "heal", "heal", "restart", "drain", "turn", "note", "note", "directory"}).Draw(t, "deed"),
		who:   rapid.IntRange(0, 7).Draw(t, "who"),
		skew:  time.Duration(rapid.SampledFrom([]int{0, 0, -61, 61}).Draw(t, "skew")) * time.Second,
		pause: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 900, 2000, 5000, 7000, 9000, 30000}).Draw(t, "pause")) * time.Millisecond,
	}
	s.services = services
	if rapid.Bool().Draw(t, "some") {
		s.services = rapid.SliceOfNDistinct(rapid.SampledFrom(services), 0, 4, rapid.ID).Draw(t, "services")
	}
	return s
}

func (w *world) do(s step) {
	if s.deed == "join" || len(w.running) == 0 {
		w.begin(string(rune('a'+s.who)), s.skew, s.services...)
		return
	}
	g := w.running[s.who%len(w.running)]
	switch s.deed {
	case "leave":
		w.end(g, false)
	case "kill":
		w.end(g, true)
	case "restart":
		w.end(g, true)
		w.begin(g.Name(), g.skew, g.has...)
	case "cut":
		g.cut = true
		g.Cut(errCut)
	case "heal":
		g.cut = false
		g.Cut(nil)
	case "drain":
		w.mu.Lock()
		g.drained = true
		w.mu.Unlock()
		g.Tell()
	case "turn":
		for _, service := range s.services {
			w.mu.Lock()
			w.down[service] = !w.down[service]
			w.mu.Unlock()
		}
	case "note":
		for _, service := range s.services {
			g.prober.Note(service, !w.down[service], errRefused)
		}
	case "directory":
		g.watch(s.services...)
	}
}
