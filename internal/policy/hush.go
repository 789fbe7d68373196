package policy

import (
	"net/netip"
	"sync"
	"time"
)

const (
	hushTime = time.Minute
	hushMost = 100
)

// A Hush keeps a crowd from filling logs: of what the households of a crowd do it lets
// be told once a minute each, and no more than 100 times a minute in all. It may be
// used from any goroutine, and the zero Hush is ready for use.
type Hush struct {
	mu     sync.Mutex
	until  time.Time // when told is forgotten
	told   map[netip.Prefix]bool
	untold uint64
}

// Tell reports whether what a does now is to be told, and then of how many it is told
// with it: of itself, and of those before that were not.
func (h *Hush) Tell(a netip.Addr) (n uint64, aloud bool) {
	who, now := Household(a), time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !now.Before(h.until) {
		h.until, h.told = now.Add(hushTime), map[netip.Prefix]bool{}
	}
	h.untold++
	if h.told[who] || len(h.told) >= hushMost {
		return 0, false
	}
	h.told[who] = true
	n, h.untold = h.untold, 0
	return n, true
}
