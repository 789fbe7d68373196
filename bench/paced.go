package main

import (
	"context"
	"time"

	"moip/bench/load"
	"moip/bench/result"
)

// An evening is what all callers do, on lines of what speed.
type evening struct {
	title string
	query string        // of the address they call
	every time.Duration // how often they ask for a page; 0 for pages without end
}

var evenings = []evening{
	{title: "a page a minute, no speed", every: time.Minute},
	{title: "a page a minute", query: "?speed=1200", every: time.Minute},
	{title: "pages without end", query: "?speed=1200"},
}

// paced measures what callers cost who read at the speed of a line.
func paced(ctx context.Context, t *trial) error {
	e := evenings[t.Evening]
	t.place.Query = e.query
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	// A page takes its time.
	c, first, err := t.calling(ctx, s, t.Calls, load.Line{Brief: true})
	if err != nil {
		return err
	}
	until := 9 * time.Second // as long as a page takes
	if e.every == 0 {
		until = 15 * time.Second // until queues are full
		c.AskBulk()
	} else {
		asking, cancel := context.WithCancel(ctx)
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			c.Ask(asking, e.every)
		}()
		t.atEnd(func() { cancel(); <-asked })
	}
	if err := c.Pass(ctx, t.lasts(until)); err != nil {
		return err
	}
	before, began, heard := s.process.Use(), time.Now(), c.Heard()
	if err := c.Pass(ctx, t.lasts(8*time.Second)); err != nil {
		return err
	}
	after, took, read := s.process.Use(), time.Since(began).Seconds(), c.Heard()-heard
	return t.found(t.Scenario, map[result.Figure]float64{
		result.CPUCores:   (after.CPU - before.CPU).Seconds() / took,
		result.RSSCall:    (after.RSS - first.RSS) / float64(t.Calls-1),
		result.RSS:        after.RSS / 1024,
		result.Throughput: float64(read) / 1024 / took,
	})
}
