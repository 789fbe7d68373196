package probe

import (
	"context"
	"sync"
	"time"

	"moip/internal/session"
)

const onceAtOnce = 32 // tries of Once under way

// Once tries each of the targets one time, a few dozen together and none for longer
// than limit, and returns how they are, in their order. What ctx has cut short, or
// left no time for, is not known.
func Once(ctx context.Context, dial session.Dial, limit time.Duration, targets []Target) []State {
	states := make([]State, len(targets))
	room := make(chan struct{}, onceAtOnce)
	var tries sync.WaitGroup
	for i, t := range targets {
		room <- struct{}{}
		tries.Go(func() {
			defer func() { <-room }()
			if ctx.Err() != nil {
				return
			}
			s := service{Target: t}
			err := knock(ctx, dial, t.Route, limit)
			if ctx.Err() == nil {
				s.found(err == nil, err)
				states[i] = s.State
			}
		})
	}
	tries.Wait()
	return states
}
