package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// A sample is what one run of a peer has shown.
type sample struct {
	rss, pss float64 // KiB a call that is idle
	rate     [len(rates)]cost
}

// rates are how many keys are typed in a second, over all calls.
var rates = [...]int{1000, 5000}

// A cost is that of keys, in microseconds.
type cost struct {
	cpu      float64 // of the gateway, a message: to the service or back
	p50, p99 float64 // from a key to its echo; what a gateway adds to it
}

// subtract leaves what the gateway adds.
func (s *sample) subtract(direct *sample) {
	for i, d := range direct.rate {
		s.rate[i].p50 -= d.p50
		s.rate[i].p99 -= d.p99
	}
}

func (s *sample) String() string {
	text := fmt.Sprintf("%.1f KiB a call", s.rss)
	for i, c := range s.rate {
		text += fmt.Sprintf("; %d/s: %.1f µs CPU, %.0f and %.0f µs", rates[i], c.cpu, c.p50, c.p99)
	}
	return text
}

// measure runs a peer in front of a service, with callers, and takes a sample.
func measure(ctx context.Context, p peer, dir string) (*sample, error) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would show as latency

	l, err := newLoad(p.caller, p.service)
	if err != nil {
		return nil, err
	}
	defer l.close()
	defer context.AfterFunc(ctx, l.close)()
	gateway := new(process)
	if p.command != nil {
		if gateway, l.at, err = launch(ctx, p, dir, l.at); err != nil {
			return nil, err
		}
		defer gateway.stop()
	}

	// The first call makes a gateway set up what all have in common.
	if err := l.call(1); err != nil {
		return nil, err
	}
	before := gateway.use()
	others := min(*calls, p.most) - 1
	if err := l.call(others); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	idle := gateway.use()
	s := &sample{rss: (idle.rss - before.rss) / float64(others), pss: (idle.pss - before.pss) / float64(others)}
	for i, rate := range rates {
		if s.rate[i], err = typing(ctx, l, gateway, rate); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// typing measures what keys cost that are typed at a rate.
func typing(ctx context.Context, l *load, gateway *process, rate int) (cost, error) {
	keys := rate * *seconds
	before := gateway.use()
	took, err := l.typeKeys(ctx, keys, rate)
	if err != nil {
		return cost{}, err
	}
	cpu := gateway.use().cpu - before.cpu
	µs := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return cost{
		cpu: µs(cpu) / float64(2*keys), // there and back
		p50: µs(took[len(took)/2]),
		p99: µs(took[len(took)*99/100]),
	}, nil
}
