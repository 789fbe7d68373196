package load

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A token is '#' and seven digits: what is typed as one key.
const tokenSize = 8

func token(i int) []byte { return fmt.Appendf(nil, "#%07d", i) }

// hears follows what a caller is sent, whatever else is in it, and reports whether a token
// has ended there; echo is told of each.
func (c *caller) hears(p []byte, echo func(i int) error) (any bool, err error) {
	for _, b := range p {
		switch {
		case b == '#':
			c.come = 0
		case c.come == 0 || b < '0' || b > '9':
			c.come = 0
			continue
		}
		c.token[c.come] = b
		if c.come++; c.come < tokenSize {
			continue
		}
		c.come = 0
		i, _ := strconv.Atoi(string(c.token[1:]))
		if err := echo(i); err != nil {
			return any, err
		}
		any = true
	}
	return any, nil
}

// Echoes is how keys came back.
type Echoes struct {
	Took       []time.Duration // each key that did, from when it was sent until the last byte of its echo; sorted
	Unanswered int             // keys that did not
	Typing     time.Duration   // how long it took to send all that were on a schedule
}

// At is the time within which so many of a hundred keys came back, 0 if none did.
func (e *Echoes) At(percent int) time.Duration {
	if len(e.Took) == 0 {
		return 0
	}
	return e.Took[min(len(e.Took)*percent/100, len(e.Took)-1)]
}

// Type types n keys, rate of them a second, over all calls in turn, on a schedule that does
// not wait for echoes. It fails if keys come back that were not typed there, or twice.
func (c *Callers) Type(ctx context.Context, n, rate int) (*Echoes, error) {
	t := &typing{c: c, rate: rate, sent: make([]time.Duration, n), took: make([]time.Duration, n), done: make(chan struct{}), typed: make(chan struct{})}
	c.start(t, t.begin)
	if err := c.await(ctx, t.typed, time.Duration(n)*time.Second/time.Duration(rate)+patience); err != nil {
		return nil, err
	}
	if err := c.await(ctx, t.done, late); err != nil && err != errPatience {
		return nil, err
	}
	// It is over for the loop, so that what it has found is ours.
	over := make(chan struct{})
	c.start(Listener(func(int, []byte) {}), func() error { close(over); return nil })
	if err := c.await(ctx, over, patience); err != nil {
		return nil, err
	}
	e := &Echoes{Unanswered: n - t.back, Typing: t.spent}
	for _, took := range t.took {
		if took > 0 {
			e.Took = append(e.Took, took)
		}
	}
	slices.Sort(e.Took)
	return e, nil
}

// late is when a key counts as unanswered, after the last one was typed.
const late = 3 * time.Second

// A typing is keys that are typed: key i in call i, modulo calls.
type typing struct {
	c          *Callers
	rate       int
	began      time.Time
	next, back int
	sent, took []time.Duration // since began; 0 if not yet
	spent      time.Duration   // until the last was typed
	typed      chan struct{}
	done       chan struct{}
}

func (t *typing) begin() error {
	t.began = time.Now()
	var stop func()
	stop, err := t.c.loop.every(time.Second/time.Duration(t.rate), func() {
		due := int(time.Since(t.began).Seconds() * float64(t.rate))
		for ; t.next < min(due, len(t.sent)); t.next++ {
			t.sent[t.next] = time.Since(t.began)
			one := t.c.calls[t.next%len(t.c.calls)]
			if err := one.send(token(t.next)); err != nil {
				one.fail(err)
			}
		}
		if t.next == len(t.sent) {
			t.spent = time.Since(t.began)
			close(t.typed)
			stop()
		}
	})
	return err
}

func (t *typing) hear(one *caller, p []byte) error {
	now := time.Since(t.began)
	_, err := one.hears(p, func(i int) error { return t.echo(i, one.number, now) })
	return err
}

// echo notes that a token has come back in a call.
func (t *typing) echo(i, call int, now time.Duration) error {
	if i >= t.next || i%len(t.c.calls) != call {
		return fmt.Errorf("got key %d, which was not typed there", i)
	}
	if t.took[i] != 0 {
		return fmt.Errorf("got key %d twice", i)
	}
	t.took[i] = max(now-t.sent[i], 1)
	if t.back++; t.back == len(t.took) {
		close(t.done)
	}
	return nil
}

// Exchange has one caller type a key as soon as the one before is back, for a while.
func (c *Callers) Exchange(ctx context.Context, d time.Duration) (*Echoes, error) {
	x := &exchange{until: time.Now().Add(d), done: make(chan struct{})}
	c.start(x, func() error { return x.next(c.calls[0]) })
	if err := c.await(ctx, x.done, d+patience); err != nil {
		return nil, err
	}
	slices.Sort(x.took)
	return &Echoes{Took: x.took}, nil
}

type exchange struct {
	until time.Time
	sent  time.Time
	took  []time.Duration
	done  chan struct{}
}

func (x *exchange) next(one *caller) error {
	x.sent = time.Now()
	return one.send(token(len(x.took) % 10_000_000))
}

func (x *exchange) hear(one *caller, p []byte) error {
	_, err := one.hears(p, func(i int) error {
		now := time.Now()
		if i != len(x.took) {
			return fmt.Errorf("got key %d after %d", i, len(x.took)-1)
		}
		x.took = append(x.took, now.Sub(x.sent))
		if now.After(x.until) {
			close(x.done)
			return nil
		}
		return x.next(one)
	})
	return err
}
