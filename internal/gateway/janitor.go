package gateway

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"moip/internal/session"
)

// tidyTime is how often the janitor looks whether a crowd is over.
const tidyTime = 10 * time.Second

// tidy gives memory back to the system when a crowd is over. Each who comes leaves some
// 20 KiB of garbage, most of it net/http's, and the runtime lets the heap grow to twice what
// is in use before it collects any. What an idle gateway does not use then, it would keep
// for as long as nobody comes: keys that are relayed make no garbage, so nothing else would
// have it collected but the runtime's own round of each two minutes, and even then pages go
// back one by one. To collect all, some 20 ms of work for 10,000 calls beside theirs, is
// cheap when it is done once, and would be dear while they come.
func (g *gateway) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyTime)
	defer tick.Stop()
	var c crowd
	for {
		select {
		case <-tick.C:
			if c.over(g.board.Count()) {
				runtime.GC() // pools forget what nobody has used since the last but one
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// A crowd is many calls that begin or end.
type crowd struct {
	calls int        // there were when the janitor last looked
	last  session.ID // that had begun
	moved int        // calls that have begun or ended since memory was given back
}

const (
	muchMoved = 200 // calls that make a crowd: some 4 MiB of garbage
	fewMove   = 10  // and it is over when so few begin or end in tidyTime
)

// over reports whether a crowd is over, by how many calls there are now, and the number of
// the last.
func (c *crowd) over(calls int, last session.ID) bool {
	begun := int(last - c.last)
	move := begun + c.calls + begun - calls // those that have begun, and have ended
	c.calls, c.last = calls, last
	if c.moved += move; c.moved < muchMoved || move > fewMove {
		return false
	}
	c.moved = 0
	return true
}
