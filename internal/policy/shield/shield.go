// Package shield tells scanners from callers. What speaks against a household adds to its
// score, which decays; calls such as people make speak for it. At a threshold its callers
// are kept waiting, at another it is banned for a time.
package shield

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/policy"
	"moip/internal/policy/ban"
	"moip/internal/session"
)

// Mode says what a Shield does about what it sees.
type Mode string

const (
	On      Mode = "on"
	Observe Mode = "observe" // it only tells
	Off     Mode = "off"     // it does not look
)

// UnmarshalText reads a Mode.
func (m *Mode) UnmarshalText(text []byte) error {
	if !slices.Contains([]Mode{On, Observe, Off}, Mode(text)) {
		return fmt.Errorf("%.60q is unknown (use on, observe or off)", text)
	}
	*m = Mode(text)
	return nil
}

// MinSlow is the lowest threshold there may be, in points: above all that weak evidence
// counts.
const MinSlow = weakMost + 5

// Rules are what may change while a Shield is open.
type Rules struct {
	Mode     Mode
	HalfLife time.Duration // of scores
	SlowAt   float64       // the score from which on a household's callers wait, MinSlow or more
	BanAt    float64       // and from which on it is banned, more than SlowAt
}

// Options of a Shield.
type Options struct {
	Rules
	Bans *ban.List    // where it bans
	File string       // what remembers bans, for those that follow; "" for nothing
	Log  *slog.Logger // nil for none

	// Exempt says whom it leaves alone; it must not block. nil is for those who are never
	// banned.
	Exempt func(netip.Addr) bool
}

const (
	maxHouseholds = 100_000 // some 20 MB
	maxQueue      = 4096
	sweepTime     = time.Minute // how often is forgotten and saved what may be
)

// A Shield keeps the scores of a gateway. Its methods may be called from any goroutine.
type Shield struct {
	bans   *ban.List
	exempt func(netip.Addr) bool
	log    *slog.Logger
	memory memory
	slowed policy.Hush // of households that begin to be
	banned policy.Hush // of those that are
	began  time.Time
	most   int // households
	rules  atomic.Pointer[Rules]
	queue  chan sighting
	totals [len(kinds)]atomic.Uint64
	lost   atomic.Uint64 // evidence that found the queue full
	quit   chan struct{}
	done   chan struct{}
	close  func()

	mu         sync.Mutex
	households map[netip.Prefix]*household
	waiting    int  // callers, in all
	hub        *hub // nil if the gateway is alone
}

// A sighting is evidence on its way to the one goroutine that weighs it. What brings it
// may hold the lock of a call; a ban may have to wait.
type sighting struct {
	who  netip.Prefix
	from netip.Addr
	kind int // goodCall for what speaks for the household
}

const goodCall = -1

// Open returns a Shield. What it remembers of bans and cannot read, it does without.
func Open(o Options) *Shield {
	s := &Shield{
		bans: o.Bans, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), began: time.Now(), most: maxHouseholds,
		queue: make(chan sighting, maxQueue), quit: make(chan struct{}), done: make(chan struct{}),
		households: map[netip.Prefix]*household{},
	}
	if s.exempt = o.Exempt; s.exempt == nil {
		s.exempt = o.Bans.IsExempt
	}
	s.close = sync.OnceFunc(func() { close(s.quit) })
	s.memory.open(o.File, s.log)
	s.Change(o.Rules)
	go s.run()
	return s
}

// Change has it go by other rules.
func (s *Shield) Change(r Rules) { s.rules.Store(&r) }

// Rules returns those in force.
func (s *Shield) Rules() Rules { return *s.rules.Load() }

// Close weighs what has come, and no more.
func (s *Shield) Close() {
	s.close()
	<-s.done
}

// Recognise is [Recognise], unless the Shield is off.
func (s *Shield) Recognise(first []byte) (protocol string, ok bool) {
	if s.rules.Load().Mode == Off {
		return "", false
	}
	return Recognise(first)
}

// Report takes evidence. It blocks nobody.
func (s *Shield) Report(from netip.Addr, k Kind) {
	if i := numberOf(k); i >= 0 {
		s.sight(from, i)
	}
}

func (s *Shield) sight(from netip.Addr, kind int) {
	if !from.IsValid() || s.rules.Load().Mode == Off {
		return
	}
	if kind != goodCall {
		s.totals[kind].Add(1)
	}
	if s.exempt(from) {
		return
	}
	select {
	case s.queue <- sighting{policy.Household(from), from, kind}:
	default:
		s.lost.Add(1)
	}
}

const (
	shortCall = 3 * time.Second // nobody reads a page in less
	muteCall  = 5 * time.Second // after which a terminal has answered, on a line of 1200 bit/s too

	longCall, longKeys   = 2 * time.Minute, 10 // of a call as people make
	visitCall, visitKeys = time.Minute, 5      // of one with a visit

	// Who types 20 keys a second for ten minutes is no typist; nor is it a paste.
	typingCall, typingRate = 10 * time.Minute, 20
)

// Note is told of each event of each call. It blocks nobody.
func (s *Shield) Note(e session.Event) {
	if e.Type != session.Ended {
		return
	}
	from, lasted := e.Caller.Addr.Addr(), e.At.Sub(e.Began)
	if foreign, ok := errors.AsType[session.Foreign](e.Err); ok {
		s.Report(from, Kind(foreign))
		return
	}
	if errors.Is(e.Err, session.ErrProtocol) {
		kind := Negotiation
		if strings.HasPrefix(e.Caller.Transport, "ws") { // or wss
			kind = Frames
		}
		s.Report(from, kind)
		return
	}
	hungUp := e.Reason == session.ReasonGone || e.Reason == session.ReasonDropped
	if hungUp && e.Keys == 0 && lasted < shortCall {
		s.Report(from, Short)
	}
	if e.Asked && e.Identity == [3]byte{} && lasted >= muteCall {
		s.Report(from, Mute)
	}
	switch {
	case lasted >= typingCall && float64(e.Keys) >= typingRate*lasted.Seconds():
		s.Report(from, Typing)
	case lasted >= longCall && e.Keys >= longKeys, lasted >= visitCall && e.Keys >= visitKeys && len(e.Visited) > 0:
		s.sight(from, goodCall)
	}
}

func (s *Shield) run() {
	defer close(s.done)
	sweep := time.NewTicker(sweepTime)
	defer sweep.Stop()
	for {
		select {
		case e := <-s.queue:
			s.weigh(e)
		case <-sweep.C:
			s.sweep()
			s.tellLost()
			s.memory.save(time.Now())
		case <-s.quit:
			for len(s.queue) > 0 { // nobody else takes from it
				s.weigh(<-s.queue)
			}
			s.tellLost()
			s.memory.save(time.Now())
			return
		}
	}
}

func (s *Shield) tellLost() {
	if n := s.lost.Swap(0); n > 0 {
		s.log.Warn("shield: more evidence came than could be weighed", "lost", n)
	}
}

// now is the Shield's clock.
func (s *Shield) now() time.Duration { return time.Since(s.began) }

// weigh adds a sighting to the score of a household, and does what is due.
func (s *Shield) weigh(e sighting) {
	rules := s.rules.Load()
	s.mu.Lock()
	h := s.at(e.who, rules)
	if e.kind == goodCall {
		h.trust = min(h.trust+trustCall, trustMost)
		s.touch(e.who)
		s.mu.Unlock()
		return
	}
	before := h.score()
	h.add(e.kind)
	score, words := h.score(), ""
	slow, due := before < rules.SlowAt && score >= rules.SlowAt, score >= rules.BanAt && !h.isTrusted()
	if slow || due {
		words = h.words()
	}
	s.touch(e.who)
	var until time.Time
	if due {
		until = s.beginAnew(e.who, h, rules)
	}
	s.mu.Unlock()
	switch {
	case due:
		s.ban(e, words, rules.Mode, until)
	case slow:
		s.tellSlowed(e, words, rules.Mode)
	}
}

// beginAnew has a household that is to be banned, until a time, begin half way, or it would
// be banned again for what it was banned for. It is called with the lock held.
func (s *Shield) beginAnew(who netip.Prefix, h *household, rules *Rules) (until time.Time) {
	h.strong, h.weak, h.seen, h.abroad = rules.BanAt/2, 0, tally{}, nil
	now, span := time.Now(), spans[0]
	if rules.Mode == On {
		span = s.memory.next(who, now)
	}
	h.until = now.Add(span)
	s.touch(who)
	return h.until
}

func (s *Shield) tellSlowed(e sighting, why string, mode Mode) {
	if n, aloud := s.slowed.Tell(e.from); aloud {
		what := "slowed by the shield"
		if mode == Observe {
			what = "would be slowed by the shield"
		}
		s.log.Info(what, "network", e.who, "why", why, "slowed", n)
	}
}

// at returns a household as it is now, under the lock.
func (s *Shield) at(who netip.Prefix, rules *Rules) *household {
	h, known := s.households[who]
	if !known {
		if len(s.households) >= s.most {
			s.makeRoom(rules)
		}
		h = &household{at: s.now()}
		s.households[who] = h
	}
	h.decay(s.now(), rules.HalfLife)
	return h
}

// ban bans the household of a sighting.
func (s *Shield) ban(e sighting, reason string, mode Mode, until time.Time) {
	b := ban.Ban{Network: e.who, Reason: reason, By: ban.ByShield, Since: time.Now(), Until: until}
	var err error
	if mode == On {
		b, err = s.bans.Add(b)
	}
	s.mu.Lock()
	if h := s.households[e.who]; h != nil {
		if h.until = b.Until; err != nil {
			h.until = time.Time{}
		}
	}
	s.mu.Unlock()
	n, aloud := s.banned.Tell(e.from)
	switch {
	case !aloud:
	case err != nil:
		s.log.Error("shield: cannot ban", "network", e.who, "why", reason, "error", err)
	case mode == On:
		s.log.Info("banned by the shield", "network", e.who, "until", b.Until, "why", reason, "bans", n)
	default:
		s.log.Info("would be banned by the shield", "network", e.who, "why", reason, "bans", n)
	}
}

// sweep forgets households of which there is nothing left to know.
func (s *Shield) sweep() {
	rules := s.rules.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.fadePardons(time.Now())
	for who, h := range s.households {
		h.fade(now)
		if h.decay(now, rules.HalfLife); h.worth() < least && h.waiting == 0 {
			s.drop(who)
		}
	}
}

// drop forgets a household. The others need not hear of it either: it would be told anew if it
// mattered. It is called with the lock held.
func (s *Shield) drop(who netip.Prefix) {
	delete(s.households, who)
	if s.hub != nil {
		delete(s.hub.dirty, who)
	}
}

// makeRoom forgets a tenth of all households, those of which there is least to know. It is
// called with the lock held, once for so many new ones.
func (s *Shield) makeRoom(rules *Rules) {
	now := s.now()
	worths := make([]float64, 0, len(s.households))
	for _, h := range s.households {
		h.decay(now, rules.HalfLife)
		worths = append(worths, h.worth())
	}
	slices.Sort(worths)
	room := max(1, len(worths)/10)
	limit := worths[room-1]
	for who, h := range s.households { // those below first, or equals might take their places
		if h.worth() < limit {
			s.drop(who)
			room--
		}
	}
	for who, h := range s.households {
		if room == 0 {
			return
		}
		if h.worth() == limit {
			s.drop(who)
			room--
		}
	}
}
