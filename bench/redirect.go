package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"moip/bench/load"
	"moip/bench/result"
)

const (
	cycles = 5000.0 / 60 // that begin in a second
	fin    = "\x13\x49"  // Connexion/Fin
)

// redirect has a portal send some callers to a service, who come back with Connexion/Fin,
// while others type. Memory and time are those of the whole; what a cycle costs is what the
// gateway spends more than with the typing alone.
func redirect(ctx context.Context, t *trial) error {
	l, err := newLink()
	if err != nil {
		return err
	}
	t.atEnd(l.close)
	t.place.Link = l.addr()
	s, err := t.stand(ctx)
	if err != nil {
		return err
	}
	goal, err := load.Serve(load.WS, true)
	if err != nil {
		return err
	}
	t.atEnd(goal.Close)
	travelling := max(t.Calls/6, 1)
	typists, _, err := t.calling(ctx, s, t.Calls-travelling, load.Line{})
	if err != nil {
		return err
	}
	c, err := t.callers(s, load.Line{})
	if err != nil {
		return err
	}
	if err := c.Call(ctx, travelling); err != nil {
		return err
	}
	travellers, err := meet(ctx, c, l, goal.Addr())
	if err != nil {
		return err
	}

	const rate = 1000
	before, began := s.process.Use(), time.Now()
	if _, err := typists.Type(ctx, int(t.lasts(3*time.Second).Seconds()*rate), rate); err != nil {
		return err
	}
	alone := (s.process.Use().CPU - before.CPU).Seconds() / time.Since(began).Seconds()

	lasts := t.lasts(10 * time.Second)
	before, began = s.process.Use(), time.Now()
	travel := make(chan travelled, 1)
	go func() { travel <- goAndReturn(ctx, travellers, lasts) }()
	typed, err := typists.Type(ctx, int(lasts.Seconds()*rate), rate)
	there := <-travel
	if err = errors.Join(err, there.err); err != nil {
		return err
	}
	spent := time.Since(began).Seconds()
	after := s.process.Use()
	slices.Sort(there.took)
	figures := times(&load.Echoes{Took: there.took})
	figures[result.Unanswered] = float64(typed.Unanswered + there.lost)
	figures[result.PerSecond] = float64(len(there.took)) / there.spent.Seconds()
	figures[result.CPUCores] = (after.CPU - before.CPU).Seconds() / spent
	figures[result.CPUCall] = 1e6 * ((after.CPU - before.CPU).Seconds() - alone*spent) / float64(len(there.took))
	figures[result.RSS] = after.RSS / 1024
	return t.found(t.Scenario, figures)
}

// A traveller is a caller whom the portal redirects.
type traveller struct {
	c       *load.Callers
	number  int
	link    *link
	pid     string
	ended   <-chan struct{} // a visit has
	service string
	sent    chan []byte // what the caller is
}

// meet waits until the gateway has told of all callers.
func meet(ctx context.Context, c *load.Callers, l *link, service string) (all []*traveller, err error) {
	for i := range c.Len() {
		one := &traveller{c: c, number: i, link: l, service: service, sent: make(chan []byte, 64)}
		for one.pid == "" {
			if one.pid, one.ended = l.pid(c.Local(i)); one.pid == "" {
				if err := c.Pass(ctx, 10*time.Millisecond); err != nil {
					return nil, fmt.Errorf("the gateway has not told of %s: %w", c.Local(i), err)
				}
			}
		}
		all = append(all, one)
	}
	c.Listen(func(number int, p []byte) {
		select {
		case all[number].sent <- bytes.Clone(p):
		default: // nobody waits
		}
	})
	return all, nil
}

// What has become of those who travelled.
type travelled struct {
	took  []time.Duration // from the portal's order to the page of the service
	lost  int             // keys
	spent time.Duration
	err   error
}

// goAndReturn has travellers go, one after another, at the rate of cycles.
func goAndReturn(ctx context.Context, all []*traveller, d time.Duration) (t travelled) {
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	var (
		mu    sync.Mutex
		going sync.WaitGroup
		next  = make(chan struct{}, len(all)) // more than can be going
	)
	for _, one := range all {
		going.Go(func() {
			for range next {
				took, lost, err := one.cycle(ctx)
				mu.Lock()
				t.took, t.lost, t.err = append(t.took, took), t.lost+lost, errors.Join(t.err, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	began := time.Now()
	ticks := time.NewTicker(time.Second / 1000)
	defer ticks.Stop()
	for begun, now := 0, began; now.Sub(began) < d; now = <-ticks.C {
		for due := int(now.Sub(began).Seconds() * cycles); begun < due; begun++ {
			select {
			case next <- struct{}{}:
			default:
				// All are away, and as many are due. That shows in how many there were.
			}
		}
	}
	close(next)
	going.Wait()
	t.spent = max(time.Since(began), d)
	return t
}

// cycle goes to the service, types there, comes back, and types at the portal.
func (one *traveller) cycle(ctx context.Context) (took time.Duration, lost int, err error) {
	began := time.Now()
	if err := one.link.connect(one.pid, one.service); err != nil {
		return 0, 0, err
	}
	if !one.sees(ctx, load.PageEnd) {
		return 0, 0, fmt.Errorf("caller %d has not come to the service", one.number)
	}
	took = time.Since(began)
	lost += one.types(ctx, "#service")
	one.c.Send(one.number, []byte(fin))
	select {
	case <-one.ended:
	case <-ctx.Done():
		return 0, lost, fmt.Errorf("caller %d has not come back", one.number)
	}
	lost += one.types(ctx, "#portal")
	return took, lost, nil
}

// types types a key, and returns 1 if it does not come back.
func (one *traveller) types(ctx context.Context, key string) (lost int) {
	one.c.Send(one.number, []byte(key))
	if !one.sees(ctx, key) {
		return 1
	}
	return 0
}

// sees waits until the caller has been sent something.
func (one *traveller) sees(ctx context.Context, what string) bool {
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	var all []byte
	for !bytes.Contains(all, []byte(what)) {
		select {
		case p := <-one.sent:
			all = append(all, p...)
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}
