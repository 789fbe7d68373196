package shield

import (
	"cmp"
	"errors"
	"math"
	"net/netip"
	"slices"
	"time"

	"moip/internal/policy"
	"moip/internal/policy/ban"
)

// ErrUnknown is about a household that nothing is known of.
var ErrUnknown = errors.New("the shield knows nothing of it")

// Households returns up to most households that something speaks against, the highest
// score first, and how many there are.
func (s *Shield) Households(most int) (all []Household, known int) {
	rules := s.rules.Load()
	now, clock := time.Now(), s.now()
	s.mu.Lock()
	for who, h := range s.households {
		h.decay(clock, rules.HalfLife)
		against, trust := h.sums()
		if against < least {
			continue
		}
		far, seen := h.far(), h.tally()
		all = append(all, Household{
			Network: who, Score: tenths(h.score()), Abroad: tenths(far.strong + far.weak), Trust: tenths(trust),
			State: s.stateOf(who, h, rules, now), Until: h.until.UTC().Truncate(time.Second), Evidence: seen.counts(),
		})
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Household) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), a.Network.Compare(b.Network))
	})
	for i := range all {
		if all[i].State != Banned {
			all[i].Until = time.Time{}
		}
	}
	return all[:min(len(all), most)], len(all)
}

func tenths(points float64) float64 { return math.Round(10*points) / 10 }

func (s *Shield) stateOf(who netip.Prefix, h *household, rules *Rules, now time.Time) State {
	banned := now.Before(h.until)
	if banned && rules.Mode == On { // an operator may have ended it
		_, banned = s.bans.Find(who.Addr())
	}
	switch {
	case banned:
		return Banned
	case h.score() >= rules.SlowAt:
		return Slowed
	}
	return Watched
}

// Count returns how many households are in a state other than Watched.
func (s *Shield) Count() map[State]int {
	rules, now, clock := s.rules.Load(), time.Now(), s.now()
	n := map[State]int{Slowed: 0, Banned: 0}
	s.mu.Lock()
	defer s.mu.Unlock()
	for who, h := range s.households {
		h.decay(clock, rules.HalfLife)
		if state := s.stateOf(who, h, rules, now); state != Watched {
			n[state]++
		}
	}
	return n
}

// Totals returns how much evidence was seen of each kind, that of households that are left
// alone included.
func (s *Shield) Totals() map[Kind]uint64 {
	all := map[Kind]uint64{}
	for i := range kinds {
		all[kinds[i].Kind] = s.totals[i].Load()
	}
	return all
}

// Forgive forgets all that is known of the household of an address, and ends what ban the
// Shield has put on it. The error wraps ErrUnknown.
func (s *Shield) Forgive(a netip.Addr) error {
	who := policy.Household(a)
	s.mu.Lock()
	_, known := s.households[who]
	s.drop(who)
	remembered := s.memory.forget(who)
	if s.hub != nil && !s.exempt(a) { // others may know something
		s.forgive(who, max(time.Now().UnixNano(), s.hub.pardons[who]+1))
	}
	s.mu.Unlock()
	if remembered {
		known = true
	}
	if b, banned := s.bans.Find(who.Addr()); banned && b.Network == who && b.By == ban.ByShield {
		return s.bans.Remove(who)
	}
	if !known {
		return ErrUnknown
	}
	return nil
}
