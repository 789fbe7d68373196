package main

import (
	"context"
	"time"

	"moip/bench/load"
	"moip/bench/result"
)

// churn has callers come, see a page, and go.
func churn(ctx context.Context, t *trial) error {
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	c, _, err := t.calling(ctx, s, 1, load.Line{})
	if err != nil {
		return err
	}
	before, began := s.process.Use(), time.Now()
	took, err := c.Churn(ctx, t.Calls, t.lasts(2*time.Second))
	if err != nil {
		return err
	}
	spent := time.Since(began)
	// What is left to be done about calls that have ended is part of what they cost.
	if err := c.Pass(ctx, t.lasts(time.Second)/2); err != nil {
		return err
	}
	after := s.process.Use()
	figures := times(&load.Echoes{Took: took})
	figures[result.PerSecond] = float64(len(took)) / spent.Seconds()
	figures[result.CPUCall] = µs(after.CPU-before.CPU) / float64(len(took))
	return t.found(t.Scenario, figures)
}
