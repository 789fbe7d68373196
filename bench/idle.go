package main

import (
	"context"
	"fmt"
	"time"

	"moip/bench/load"
	"moip/bench/result"
)

const (
	settling = 5 * time.Second  // until handshakes are over for the peer, too
	pinging  = 20 * time.Second // in which MoIP pings each WebSocket once
)

// idle measures what calls take that have had a page and a key. Nothing is forced: what a
// peer gives back of what it took for so many handshakes, it gives back by itself.
func idle(ctx context.Context, t *trial) error {
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	c, first, err := t.calling(ctx, s, t.Calls, load.Line{})
	if err != nil {
		return err
	}
	fmt.Println(stood)
	if err := c.Pass(ctx, t.lasts(settling)); err != nil {
		return err
	}
	before, began := s.process.Use(), time.Now()
	if err := c.Pass(ctx, t.lasts(pinging)); err != nil {
		return err
	}
	u := s.process.Use()
	others := float64(t.Calls - 1)
	return t.found(t.Scenario, map[result.Figure]float64{
		result.RSSCall:     (u.RSS - first.RSS) / others,
		result.PSSCall:     (u.PSS - first.PSS) / others,
		result.RSS:         u.RSS / 1024,
		result.Descriptors: float64(u.Files-first.Files) / others,
		result.CPUCores:    (u.CPU - before.CPU).Seconds() / time.Since(began).Seconds(),
	})
}
