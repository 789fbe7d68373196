package probe

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/session"
)

// Each is tried once, many together, and those that do not answer keep nobody
// waiting for longer than the limit.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan bool, 100)
		dial := func(ctx context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
			switch r.URL {
			case "tcp://up:1":
				return reach(func() { closed <- true }), nil
			case "tcp://down:1":
				return nil, fmt.Errorf("dial: %w", errRefused)
			}
			<-ctx.Done()
			return nil, fmt.Errorf("dial: %w", ctx.Err())
		}
		var targets []Target
		for range 20 {
			targets = append(targets, target("up", 0), target("down", 0), target("silent", 0))
		}
		start := time.Now()
		states := Once(t.Context(), dial, 4*time.Second, targets)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("it took %v", took)
		}
		for i, want := range []State{{Known: true, Up: true}, {Known: true, Err: "connection refused"}, {Known: true, Err: "no answer in time"}} {
			for ; i < len(states); i += 3 {
				if s := states[i]; s.Known != want.Known || s.Up != want.Up || s.Err != want.Err {
					t.Errorf("%s: %+v", targets[i].Name, s)
				}
			}
		}
		synctest.Wait()
		if len(closed) != 20 {
			t.Errorf("%d connections were closed", len(closed))
		}

		// What there was no time for is not known.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i, s := range Once(ctx, dial, 4*time.Second, []Target{target("up", 0), target("silent", 0)}) {
			if s.Known != (i == 0) {
				t.Errorf("%d: %+v", i, s)
			}
		}
		synctest.Wait()
	})
}
