// Package shared has the gateways of a hub be of one mind about callers: what is banned, what
// speaks against whom, and how many calls there are. Each keeps a copy of its own of all
// that, goes by that alone, and merges what others say, whatever of it is lost, late or
// told twice.
package shared

import (
	"context"
	"encoding/json"
	"time"
)

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// encode is for what can be encoded.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// rounds calls f when the bell rings, but not twice within a gap, and every so often, until
// ctx is done.
func rounds(ctx context.Context, bell <-chan struct{}, gap func() time.Duration, every time.Duration, f func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-bell:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		f()
		select {
		case <-time.After(gap()):
		case <-ctx.Done():
			return
		}
	}
}
