package main

import (
	"context"
	"slices"
	"time"

	"moip/bench/load"
	"moip/bench/result"
)

// pages has all callers sent a page at once, some times.
func pages(ctx context.Context, t *trial, s *stand, c *load.Callers) error {
	const times = 3
	var all, half []time.Duration
	before := s.process.Use()
	for range times {
		if err := c.Pass(ctx, t.lasts(time.Second)/3); err != nil {
			return err
		}
		took, err := c.Pages(ctx, s.service.SendAll)
		if err != nil {
			return err
		}
		all = append(all, took[len(took)-1])
		half = append(half, took[len(took)/2])
	}
	after := s.process.Use()
	slices.Sort(all)
	slices.Sort(half)
	return t.found("page", map[result.Figure]float64{
		result.AllReached: µs(all[times/2]) / 1000,
		result.Worst:      µs(all[times-1]),
		result.P50:        µs(half[times/2]),
		result.CPUMessage: µs(after.CPU-before.CPU) / float64(times*t.Calls),
	})
}
