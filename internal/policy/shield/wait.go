package shield

import (
	"net/netip"
	"time"

	"moip/internal/policy"
)

const (
	maxWaiting     = 512 // callers
	maxWaitingHome = 16  // of one household
)

// Wait returns when a caller may be answered: at once, unless its household is slowed.
// Then it is kept for 1 s, the next one for 2 s, and others for 4 s, or until quit is
// closed. It returns false if too many wait already.
func (s *Shield) Wait(from netip.Addr, quit <-chan struct{}) bool {
	h, d, ok := s.waitFor(from)
	if h == nil {
		return ok
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-quit:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.waiting--
	s.waiting--
	return true
}

// waitFor returns for how long a caller is to wait, and the household where it is counted,
// nil if it does not wait.
func (s *Shield) waitFor(from netip.Addr) (h *household, d time.Duration, ok bool) {
	rules := s.rules.Load()
	if rules.Mode != On || !from.IsValid() {
		return nil, 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.households[policy.Household(from)]
	if h == nil {
		return nil, 0, true
	}
	if h.decay(s.now(), rules.HalfLife); h.score() < rules.SlowAt {
		h.waits = 0
		return nil, 0, true
	}
	if s.exempt(from) { // it was not always
		return nil, 0, true
	}
	if h.waiting >= maxWaitingHome || s.waiting >= maxWaiting {
		return nil, 0, false
	}
	h.waiting++
	s.waiting++
	d = time.Second << h.waits
	h.waits = min(h.waits+1, 2)
	return h, d, true
}
