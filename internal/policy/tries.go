package policy

import (
	"net/netip"
	"sync"
	"time"
)

const (
	triesTime   = time.Minute
	triesMost   = 10   // a household
	triesHouses = 4096 // that are known
)

// Tries bound how often a secret is guessed at: each household may be wrong 10 times a
// minute. Of a crowd of more than 4096 that are wrong in a minute, those who come last
// share ten. It may be used from any goroutine, and the zero Tries is ready for use.
type Tries struct {
	mu    sync.Mutex
	until time.Time // when wrong is forgotten
	wrong map[netip.Prefix]int
}

// Try has right asked, unless a has been wrong too often; then wait, which else is 0,
// says for how long a is not listened to. It must not block.
func (t *Tries) Try(a netip.Addr, right func() bool) (ok bool, wait time.Duration) {
	who, now := Household(a), time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !now.Before(t.until) {
		t.until, t.wrong = now.Add(triesTime), map[netip.Prefix]int{}
	}
	if _, known := t.wrong[who]; !known && len(t.wrong) >= triesHouses {
		who = netip.Prefix{} // all others
	}
	if t.wrong[who] >= triesMost {
		return false, t.until.Sub(now)
	}
	if right() {
		return true, 0
	}
	t.wrong[who]++
	return false, 0
}
