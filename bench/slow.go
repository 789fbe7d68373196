package main

import (
	"context"
	"time"

	"moip/bench/load"
	"moip/bench/result"
)

// slowly is how many bytes a second a slow caller takes: a line of 9,600 bit/s.
const slowly = 960

// slow has a tenth of the callers take little of what is sent to them without end, and
// measures what keys of the others feel. Memory is what each of the slow ones takes more
// than before.
func slow(ctx context.Context, t *trial) error {
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	few := max(t.Calls/10, 1)
	others, _, err := t.calling(ctx, s, t.Calls-few, load.Line{})
	if err != nil {
		return err
	}
	readers, err := t.callers(s, load.Line{Slow: true})
	if err != nil {
		return err
	}
	if err := readers.Call(ctx, few); err != nil {
		return err
	}
	before := s.process.Use()
	if err := readers.ReadSlowly(slowly); err != nil {
		return err
	}
	// Until all that may wait does.
	if err := readers.Pass(ctx, t.lasts(5*time.Second)); err != nil {
		return err
	}
	heard, began := readers.Heard(), time.Now()
	figures, err := typing(ctx, t, s, others, 1000, 3*time.Second)
	if err != nil {
		return err
	}
	figures[result.Throughput] = float64(readers.Heard()-heard) / 1024 / time.Since(began).Seconds()
	after := s.process.Use()
	if err := readers.Pass(ctx, 0); err != nil { // none has been cut off
		return err
	}
	figures[result.RSSCall] = (after.RSS - before.RSS) / float64(few)
	figures[result.PSSCall] = (after.PSS - before.PSS) / float64(few)
	figures[result.RSS] = after.RSS / 1024
	return t.found(t.Scenario, figures)
}
