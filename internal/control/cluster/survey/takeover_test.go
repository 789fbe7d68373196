package survey

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/control/cluster"
	"moip/internal/control/cluster/bus"
)

// keepers returns who tries a service while some time passes.
func (w *world) keepers(service string, d time.Duration) (names []string) {
	tries := w.tried(d)
	for _, g := range w.running {
		if tries[service][g.Instance()] {
			names = append(names, g.Name())
		}
	}
	slices.Sort(names)
	return names
}

func (w *world) named(name string) *gateway {
	i := slices.IndexFunc(w.running, func(g *gateway) bool { return g.Name() == name })
	return w.running[i]
}

// When who tries a service is killed, another does within some 10 s of when it is due; one
// that is cut off tries it by itself; and what a call finds, all know.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{down: map[string]bool{}, tries: map[string]map[string]bool{}}
		defer w.close()
		for _, name := range []string{"a", "b", "c"} {
			w.begin(name, 0, "A")
		}
		w.begin("d", 0, "B") // which has another directory
		time.Sleep(time.Minute)
		first := w.keepers("A", 3*every)
		if len(first) != 1 {
			t.Fatalf("A is tried by %v", first)
		}
		for _, g := range w.running[:3] {
			if s := g.prober.State("A"); s.By != first[0] || !s.Up || time.Since(s.At) > 2*every {
				t.Errorf("%s knows %+v", g.Name(), s)
			}
		}

		w.end(w.named(first[0]), true)
		time.Sleep(within + every*6/5) // it may have been tried just before
		w.mu.Lock()
		tried := len(w.tries["A"])
		w.mu.Unlock()
		second := w.keepers("A", 3*every)
		if tried != 1 || len(second) != 1 || second[0] == first[0] {
			t.Errorf("A is tried by %v after %v was killed", second, first)
		}

		cut := w.named(second[0])
		cut.Cut(errCut)
		time.Sleep(within)
		third := w.keepers("A", 3*every)
		if len(third) != 2 {
			t.Errorf("while %s is cut off, A is tried by %v", cut.Name(), third)
		}
		cut.Cut(nil)
		time.Sleep(within)
		if now := w.keepers("A", 3*every); !slices.Equal(now, second) {
			t.Errorf("A is tried by %v again, not by %v", now, second)
		}
		if by := w.keepers("B", 3*every); !slices.Equal(by, []string{"d"}) {
			t.Errorf("B is tried by %v", by)
		}

		w.mu.Lock()
		w.frozen = true // or a try right after the call finds it up
		w.mu.Unlock()
		other := w.running[slices.IndexFunc(w.running, func(g *gateway) bool { return g != cut && g.Name() != "d" })]
		other.prober.Note("A", false, errRefused)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if s := cut.prober.State("A"); s.Up || s.By != other.Name() || s.Err != "refused" {
			t.Errorf("what a call has found: %+v", s)
		}
	})
}

// Whoever joins knows within 3 s what the others do.
func TestWhoJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{down: map[string]bool{"S7": true}, tries: map[string]map[string]bool{}}
		defer w.close()
		var many []string
		for i := range maxStates + 50 {
			many = append(many, fmt.Sprint("S", i))
		}
		w.begin("a", 0, many...)
		w.begin("b", 0, many...)
		time.Sleep(45 * time.Second)
		w.mu.Lock()
		w.frozen = true
		w.mu.Unlock()
		w.running[0].prober.Note("S0", false, errRefused)
		c := w.begin("c", 0, many...)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for _, name := range many {
			if a, s := w.running[0].prober.State(name), c.prober.State(name); !same(a, s) || !s.Known {
				t.Fatalf("%s: %+v, not %+v", name, s, a)
			}
		}
	})
}

// What twenty gateways tell each other of a hundred services, in an evening when nothing
// changes, is little.
func TestTwenty(t *testing.T) {
	const gateways = 20
	synctest.Test(t, func(t *testing.T) {
		w := &world{down: map[string]bool{}, tries: map[string]map[string]bool{}}
		defer w.close()
		var many []string
		for i := range 100 {
			many = append(many, fmt.Sprint("S", i))
		}
		for i := range gateways {
			w.begin(fmt.Sprint("g", i), 0, many...)
		}
		time.Sleep(40 * time.Second)
		p, messages, bytes := w.x.Join(), 0, 0
		stop, _ := p.Subscribe("probe.*", "", func(m bus.Message) { messages++; bytes += len(m.Data) })
		defer stop()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tries := w.tried(12 * time.Second)
		runtime.ReadMemStats(&after)
		t.Logf("each gateway hears %d messages/s of probes, %d bytes/s, and makes %d allocations/s in all", messages/12, bytes/12, (after.Mallocs-before.Mallocs)/12/gateways)
		if bytes/12 > 10_000 {
			t.Errorf("%d bytes/s", bytes/12)
		}
		for _, name := range many {
			if len(tries[name]) != 1 {
				t.Errorf("%s is tried by %d", name, len(tries[name]))
			}
		}
	})
}

// What a gateway says that is newer than we understand is not believed, and nothing is left
// to it; nor is what a stranger says.
func TestForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{down: map[string]bool{}, tries: map[string]map[string]bool{}, frozen: true}
		defer w.close()
		g := w.begin("a", 0, "A", "B", "C", "D")
		time.Sleep(time.Second)
		p := w.x.Join()
		data, _ := json.Marshal(cluster.Gateway{Name: "z", Instance: "i1", Protocol: cluster.Protocol + 1, State: "running"})
		p.Publish(bus.Message{Subject: "beat.z", Data: data})
		synctest.Wait()
		keys, _ := g.prober.Keys()
		for _, instance := range []string{"i1", "i2"} {
			r := report{Instance: instance, Directory: digest(keys), States: []state{{Key: keys[0], ID: "x-1", Up: true, By: "z"}}}
			p.Publish(bus.Message{Subject: "probe.z", Data: r.encode()})
		}
		tries := w.tried(4 * every)
		for _, name := range g.has {
			if s := g.prober.State(name); s.Known || !tries[name][g.Instance()] {
				t.Errorf("%s: %+v, tried: %v", name, s, tries[name])
			}
		}
	})
}

// What comes from the bus may be anything.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"instance": "x", "directory": "d", "states": [{"service": "A", "key": "1", "id": "x-1", "at": -5, "since": 99999999999999, "error": "` + strings.Repeat("x", 200) + `", "by": "b"}], "unknown": "AAAA", "keys": "AAAAAAAAAAA="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r report
		if json.Unmarshal(data, &r) != nil {
			return
		}
		unpack(r.Keys)
		now := time.Now()
		for _, s := range r.States {
			if f, ok := s.finding(now); ok && (f.At.After(now) || f.Since.After(f.At) || now.Sub(f.Since) > maxAge || f.By == "") {
				t.Errorf("%+v is %+v", s, f)
			}
		}
	})
}
