package news

import (
	"context"
	"time"

	"moip/internal/control/cluster/bus"
)

// haste is how soon after a message the next one comes: what happens meanwhile goes with
// it, so that a storm of calls is few messages.
const haste = 10 * time.Millisecond

// Run publishes what happens, and answers who has missed some, until ctx is done. Only a
// gateway of a hub needs it.
func (w *Wire) Run(ctx context.Context) {
	stop, err := w.o.Hub.Bus().Subscribe(asked+w.gateway+"."+w.run, "", w.answer)
	if err != nil {
		w.o.Log.Error("the other gateways cannot ask for events", "error", err)
		return
	}
	defer stop()
	var next uint64
	for {
		some, news := w.since(next)
		if len(some) == 0 {
			select {
			case <-news:
			case <-ctx.Done():
				return
			}
			continue
		}
		data, n := lines(nil, some)
		w.o.Hub.Bus().Publish(bus.Message{Subject: told + w.gateway, Data: data})
		_, last, _ := numberOf(some[n-1].ID)
		next = last + 1
		select {
		case <-time.After(haste):
		case <-ctx.Done():
		}
	}
}
