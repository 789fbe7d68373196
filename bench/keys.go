package main

import (
	"context"
	"fmt"
	"time"

	"moip/bench/load"
	"moip/bench/peer"
	"moip/bench/result"
)

// keys types over all calls, at two rates, and then has all of them sent pages.
func keys(ctx context.Context, t *trial) error {
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	c, _, err := t.calling(ctx, s, t.Calls, load.Line{})
	if err != nil {
		return err
	}
	if err := c.Pass(ctx, time.Second/2); err != nil {
		return err
	}
	for _, at := range []struct {
		scenario string
		rate     int
		lasts    time.Duration
	}{{"keys-1000", 1000, 2 * time.Second}, {"keys", 5000, 2 * time.Second}} {
		figures, err := typing(ctx, t, s, c, at.rate, at.lasts)
		if err != nil {
			return fmt.Errorf("%d keys a second: %w", at.rate, err)
		}
		if err := t.found(at.scenario, figures); err != nil {
			return err
		}
	}
	return pages(ctx, t, s, c)
}

// typing measures keys that are typed at a rate, a second.
func typing(ctx context.Context, t *trial, s *stand, c *load.Callers, rate int, d time.Duration) (map[result.Figure]float64, error) {
	n := int(t.lasts(d).Seconds() * float64(rate))
	before, own := s.process.Use(), peer.Own()
	e, err := c.Type(ctx, n, rate)
	if err != nil {
		return nil, err
	}
	if should := t.lasts(d); e.Typing > should+should/20+50*time.Millisecond {
		return nil, fmt.Errorf("%d keys took %v to type, and not %v: this machine is too slow, or too busy", n, e.Typing, should)
	}
	own = peer.Own() - own
	after := s.process.Use()
	messages := float64(2 * n) // there and back
	figures := times(e)
	figures[result.Unanswered] = float64(e.Unanswered)
	figures[result.CPUMessage] = µs(after.CPU-before.CPU) / messages
	figures[result.Switches] = float64(after.Switches-before.Switches) / messages
	figures[result.LoadCPU] = µs(own) / messages
	return figures, nil
}

// pingPong types in one call, as fast as echoes come.
func pingPong(ctx context.Context, t *trial) error {
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	c, _, err := t.calling(ctx, s, 1, load.Line{})
	if err != nil {
		return err
	}
	before, began := s.process.Use(), time.Now()
	e, err := c.Exchange(ctx, t.lasts(time.Second))
	if err != nil {
		return err
	}
	took := time.Since(began)
	after := s.process.Use()
	figures := times(e)
	figures[result.PerSecond] = float64(len(e.Took)) / took.Seconds()
	figures[result.CPUMessage] = µs(after.CPU-before.CPU) / float64(2*len(e.Took))
	figures[result.Switches] = float64(after.Switches-before.Switches) / float64(2*len(e.Took))
	return t.found(t.Scenario, figures)
}
