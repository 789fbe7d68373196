package load

import (
	"bytes"
	"context"
	"slices"
	"time"
)

// Churn has callers call, ask for a page, and hang up when it is there, for a while, so
// many at a time. It returns how long each of these calls took, sorted.
func (c *Callers) Churn(ctx context.Context, atATime int, d time.Duration) ([]time.Duration, error) {
	w := &churn{c: c, until: time.Now().Add(d), left: atATime, began: map[int]time.Time{}, done: make(chan struct{})}
	c.start(w, func() error {
		for range atATime {
			w.call()
		}
		return nil
	})
	if err := c.await(ctx, w.done, d+patience); err != nil {
		return nil, err
	}
	slices.Sort(w.took)
	return w.took, nil
}

type churn struct {
	c     *Callers
	until time.Time
	left  int // who have not ended
	next  int // number
	began map[int]time.Time
	took  []time.Duration
	done  chan struct{}
}

// addresses is how many a churn calls from: the ports of each are not free again for
// a minute.
const addresses = 200

// call has somebody call, unless time is up.
func (w *churn) call() {
	now := time.Now()
	if now.After(w.until) {
		if w.left--; w.left == 0 {
			close(w.done)
		}
		return
	}
	n := w.next
	w.next++
	w.began[n] = now
	w.c.open(n, n%addresses*1000, w.opened, func(_ *caller, err error) {
		if err != nil {
			w.c.fail(err)
		}
	})
}

func (w *churn) opened(one *caller) {
	if err := one.send([]byte{askPage}); err != nil {
		one.fail(err)
	}
}

func (w *churn) hear(one *caller, p []byte) error {
	if bytes.IndexByte(p, pageEnd) < 0 || one.closed {
		return nil
	}
	one.hangUp()
	w.took = append(w.took, time.Since(w.began[one.number]))
	delete(w.began, one.number)
	w.call()
	return nil
}
