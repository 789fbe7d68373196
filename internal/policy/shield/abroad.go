package shield

import (
	"math"
	"net/netip"
	"time"

	"moip/internal/policy"
)

// Several gateways have their scores in common: each tells what it has seen of a household
// itself, as a sum that takes the place of the one before, so that nothing counts twice,
// and each adds up what all have told. Whom an operator forgives has a pardon, a number
// that only grows: what was seen by one who does not know it counts no more.

// A Report is what one gateway has seen of a household, as it is now.
type Report struct {
	Network  netip.Prefix `json:"network"`
	Strong   float64      `json:"strong,omitzero"`
	Weak     float64      `json:"weak,omitzero"`
	Trust    float64      `json:"trust,omitzero"`
	Evidence map[Kind]int `json:"evidence,omitempty"`
	Times    int          `json:"times,omitzero"` // that any gateway's shield has banned it
	Until    time.Time    `json:"until,omitzero"` // when the last of these bans ends
	Pardon   int64        `json:"pardon,omitzero"`
}

const (
	// RetellTime is how often each tells all that it has seen, see Retell.
	RetellTime = 5 * time.Minute

	staleTime  = 3 * RetellTime // after which what is not told again counts no more
	maxFar     = 256            // gateways that tell of a household
	maxPardons = 10_000
	maxPoints  = 1e6            // that anybody believes
	ahead      = 24 * time.Hour // that a pardon may be
)

// abroad is what others have seen of a household.
type abroad struct{ of []*far }

// A far is what one of them has.
type far struct {
	from                string        // its instance
	heard               time.Duration // last, on our clock
	strong, weak, trust float64       // decayed with those of the household
	seen                tally
}

func (a *abroad) find(from string) *far {
	if a != nil {
		for _, f := range a.of {
			if f.from == from {
				return f
			}
		}
	}
	return nil
}

// far sums up what others have seen.
func (h *household) far() (all far) {
	if h.abroad == nil {
		return far{}
	}
	for _, f := range h.abroad.of {
		all.strong += f.strong
		all.weak += f.weak
		all.trust += f.trust
		for i, n := range f.seen {
			all.seen[i] = uint16(min(int(all.seen[i])+int(n), math.MaxUint16))
		}
	}
	return all
}

// tally is what all have seen of the household.
func (h *household) tally() tally {
	all := h.far().seen
	for i, n := range h.seen {
		all[i] = uint16(min(int(all[i])+int(n), math.MaxUint16))
	}
	return all
}

// A hub is what a Shield needs to have its scores in common with others.
type hub struct {
	self    string // our instance
	bell    func() // to be rung when there is something to tell; must not block
	dirty   map[netip.Prefix]bool
	pardons map[netip.Prefix]int64
}

// Share has the scores in common with those of other gateways. self is the instance of
// this one; bell is called when there is something to tell, and must not block. It comes
// before anything is reported.
func (s *Shield) Share(self string, bell func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hub = &hub{self, bell, map[netip.Prefix]bool{}, map[netip.Prefix]int64{}}
}

// touch notes that there is news of a household. It is called with the lock held.
func (s *Shield) touch(who netip.Prefix) {
	if s.hub != nil {
		s.hub.dirty[who] = true
		s.hub.bell()
	}
}

// Retell has all told again that this gateway has seen. Who shares does so every
// RetellTime, for what is not told again counts no more after a while.
func (s *Shield) Retell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hub == nil {
		return
	}
	for who, h := range s.households {
		if max(h.strong+h.weak, h.trust) >= least {
			s.hub.dirty[who] = true
		}
	}
	for who := range s.hub.pardons {
		s.hub.dirty[who] = true
	}
	for _, who := range s.memory.all() {
		s.hub.dirty[who] = true
	}
	s.hub.bell()
}

// News returns what is to be told to the others, of so many households at the most, and
// whether there is more.
func (s *Shield) News(most int) (all []Report, more bool) {
	rules := s.rules.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hub == nil {
		return nil, false
	}
	now := s.now()
	for who := range s.hub.dirty {
		if len(all) == most {
			break
		}
		delete(s.hub.dirty, who)
		r := Report{Network: who, Pardon: s.hub.pardons[who]}
		if h := s.households[who]; h != nil {
			h.decay(now, rules.HalfLife)
			r.Strong, r.Weak, r.Trust, r.Evidence = h.strong, h.weak, h.trust, h.seen.counts()
		}
		r.Times, r.Until = s.memory.of(who)
		all = append(all, r)
	}
	return all, len(s.hub.dirty) > 0
}

// Take notes what another gateway, an instance, has seen. Whom this one leaves alone it
// leaves alone all the same.
func (s *Shield) Take(from string, reports []Report) {
	rules := s.rules.Load()
	if rules.Mode == Off {
		return
	}
	for _, r := range reports {
		if r.isSane(time.Now()) && !s.exempt(r.Network.Addr()) && s.take(from, r, rules) {
			words, until := s.condemn(r.Network, rules)
			s.ban(sighting{r.Network, r.Network.Addr(), 0}, words, rules.Mode, until)
		}
	}
}

// isSane reports whether a report can be one.
func (r *Report) isSane(now time.Time) bool {
	for _, points := range []float64{r.Strong, r.Weak, r.Trust} {
		if !(points >= 0 && points <= maxPoints) { // nor is it no number
			return false
		}
	}
	return r.Network.IsValid() && r.Network == policy.Household(r.Network.Addr()) && r.Times >= 0 && r.Times < math.MaxInt32 &&
		r.Pardon >= 0 && r.Pardon <= now.Add(ahead).UnixNano() && len(r.Evidence) <= 2*len(kinds)
}

// take notes a report, and reports whether its household is to be banned by this gateway:
// of those who have seen something, by the one that has seen most.
func (s *Shield) take(from string, r Report, rules *Rules) (due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hub == nil {
		return false
	}
	who := r.Network
	switch pardon := s.hub.pardons[who]; {
	case r.Pardon < pardon: // it does not know
		s.touch(who)
		return false
	case r.Pardon > pardon:
		s.forgive(who, r.Pardon)
	}
	if r.Times > 0 {
		s.memory.learn(who, r.Times, r.Until)
		s.clear(who, r.Until)
	}
	f := far{from: from, heard: s.now(), strong: r.Strong, weak: r.Weak, trust: r.Trust, seen: tallyOf(r.Evidence)}
	if max(f.strong+f.weak, f.trust) < least {
		if h := s.households[who]; h != nil {
			h.drop(from)
		}
		return false
	}
	h := s.at(who, rules)
	if h.abroad == nil {
		h.abroad = new(abroad)
	}
	if old := h.abroad.find(from); old != nil {
		*old = f
	} else if len(h.abroad.of) < maxFar {
		h.abroad.of = append(h.abroad.of, &f)
	}
	select {
	case <-s.quit: // it bans nobody any more
		return false
	default:
	}
	return h.score() >= rules.BanAt && !h.isTrusted() && !time.Now().Before(h.until) && s.sawMost(h)
}

// sawMost reports whether this gateway has seen more of a household than any other.
func (s *Shield) sawMost(h *household) bool {
	for _, f := range h.abroad.of {
		mine, theirs := h.strong+h.weak, f.strong+f.weak
		if theirs > mine || theirs == mine && f.from < s.hub.self {
			return false
		}
	}
	return true
}

// condemn takes the points off a household that is to be banned, and says why it is.
func (s *Shield) condemn(who netip.Prefix, rules *Rules) (words string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.at(who, rules)
	words = h.words()
	return words, s.beginAnew(who, h, rules)
}

// drop forgets what a gateway has seen.
func (h *household) drop(from string) {
	if h.abroad == nil {
		return
	}
	left := h.abroad.of[:0]
	for _, f := range h.abroad.of {
		if f.from != from {
			left = append(left, f)
		}
	}
	if h.abroad.of = left; len(left) == 0 {
		h.abroad = nil
	}
}

// fade forgets what has not been told again.
func (h *household) fade(now time.Duration) {
	if h.abroad == nil {
		return
	}
	for _, f := range append([]*far(nil), h.abroad.of...) {
		if now-f.heard > staleTime {
			h.drop(f.from)
		}
	}
}

// Banned notes that another gateway's shield has banned a household, for what all have
// seen: that counts no more.
func (s *Shield) Banned(who netip.Prefix, since, until time.Time) {
	if rules := s.rules.Load(); rules.Mode != On {
		return
	}
	s.memory.learn(who, timesOf(until.Sub(since)), until)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear(who, until)
}

// clear forgets what this gateway has seen of a household that another has banned for what
// all have, unless that is known. It is called with the lock held.
func (s *Shield) clear(who netip.Prefix, until time.Time) {
	if h := s.households[who]; h != nil && until.After(h.until) && time.Now().Before(until) {
		h.strong, h.weak, h.seen, h.until = 0, 0, tally{}, until
		s.touch(who)
	}
}

// timesOf returns how often somebody was banned whose last ban was so long.
func timesOf(span time.Duration) int {
	for i, s := range spans {
		if span < s+time.Minute {
			return i + 1
		}
	}
	return len(spans)
}

// forgive forgets a household, by a pardon. It is called with the lock held.
func (s *Shield) forgive(who netip.Prefix, pardon int64) {
	s.drop(who)
	s.memory.forget(who)
	if len(s.hub.pardons) >= maxPardons {
		var oldest netip.Prefix
		for p, at := range s.hub.pardons {
			if !oldest.IsValid() || at < s.hub.pardons[oldest] {
				oldest = p
			}
		}
		delete(s.hub.pardons, oldest)
	}
	s.hub.pardons[who] = pardon
	s.touch(who)
}

// fadePardons forgets those that nothing is left to count of.
func (s *Shield) fadePardons(now time.Time) {
	if s.hub == nil {
		return
	}
	for who, at := range s.hub.pardons {
		if now.UnixNano()-at > int64(memoryTime+ahead) {
			delete(s.hub.pardons, who)
		}
	}
}

func tallyOf(counts map[Kind]int) (t tally) {
	for k, n := range counts {
		if i := numberOf(k); i >= 0 {
			t[i] = uint16(min(max(n, 0), math.MaxUint16))
		}
	}
	return t
}
