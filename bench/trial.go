package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"moip/bench/load"
	"moip/bench/peer"
	"moip/bench/result"
)

// A trial is a measurement that is being made.
type trial struct {
	spec
	peer   peer.Peer
	place  peer.Place
	ending []func()
}

// measureOne makes a measurement, and prints what it finds.
func measureOne(ctx context.Context, text string) error {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	// Our own collector would show as latency, and there is not much to collect.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(4 << 30)
	t := &trial{spec: s}
	defer t.end()
	if err := t.prepare(); err != nil {
		return err
	}
	for _, scenario := range scenarios {
		if scenario.name == s.Scenario {
			return scenario.measure(ctx, t)
		}
	}
	return fmt.Errorf("there is no scenario %q", s.Scenario)
}

func (t *trial) prepare() (err error) {
	i := slices.IndexFunc(peer.All, func(p peer.Peer) bool {
		return p.Name == t.Peer && (p.Path() == t.Path || t.Scenario == "paced" && ours(p))
	})
	if i < 0 {
		return fmt.Errorf("there is no %s %s", t.Peer, t.Path)
	}
	t.peer = peer.All[i]
	dir, err := os.MkdirTemp("", "moip-bench")
	if err != nil {
		return err
	}
	t.atEnd(func() { os.RemoveAll(dir) })
	t.place = peer.Place{Dir: dir, MoIP: t.MoIP, Calls: t.Calls}
	t.place.At, err = peer.FreeAddr()
	return err
}

// atEnd has f done when the trial ends, before what was to be done already.
func (t *trial) atEnd(f func()) { t.ending = append(t.ending, f) }

func (t *trial) end() {
	for _, f := range slices.Backward(t.ending) {
		f()
	}
}

// lasts is how long something goes on.
func (t *trial) lasts(d time.Duration) time.Duration {
	if t.Quick {
		return d / 10
	}
	return d
}

// found prints figures; of another scenario than the trial's own, if it is named.
func (t *trial) found(scenario string, figures map[result.Figure]float64) error {
	m := t.Measurement
	m.Scenario, m.Figures = scenario, figures
	return json.NewEncoder(os.Stdout).Encode(m)
}

// A stand is a peer that runs in front of a service.
type stand struct {
	service *load.Service // nil if the peer is one
	process *peer.Process
	at      string // where callers call
}

// stand has the peer run.
func (t *trial) stand(ctx context.Context) (*stand, error) {
	s := new(stand)
	if !t.peer.Inside {
		service, err := load.Serve(t.peer.Service, false)
		if err != nil {
			return nil, err
		}
		t.atEnd(service.Close)
		s.service, t.place.Service = service, service.Addr()
	}
	process, err := t.peer.Start(ctx, t.place)
	if err != nil {
		return nil, err
	}
	t.atEnd(process.Stop)
	s.process, s.at = process, t.place.At
	if t.peer.Direct() {
		s.at = t.place.Service
	}
	return s, nil
}

// callers are those of a stand, nobody yet.
func (t *trial) callers(s *stand, line load.Line) (*load.Callers, error) {
	line.To, line.Speaks, line.Strange = s.at, t.peer.Caller, t.peer.Inside
	c, err := load.New(line)
	if err != nil {
		return nil, err
	}
	t.atEnd(c.Close)
	return c, nil
}

// calling has n callers call at a stand. first is what was used after the first of them,
// for whom a peer sets up what all have in common.
func (t *trial) calling(ctx context.Context, s *stand, n int, line load.Line) (c *load.Callers, first peer.Usage, err error) {
	if c, err = t.callers(s, line); err != nil {
		return nil, first, err
	}
	if err := c.Call(ctx, 1); err != nil {
		return nil, first, err
	}
	first = s.process.Use()
	if n > 1 {
		err = c.Call(ctx, n-1)
	}
	return c, first, err
}

func µs(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// times are figures of how long something took.
func times(e *load.Echoes) map[result.Figure]float64 {
	return map[result.Figure]float64{
		result.P50:   µs(e.At(50)),
		result.P99:   µs(e.At(99)),
		result.Worst: µs(e.At(100)),
	}
}
