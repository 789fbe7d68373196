package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/bus"
)

const (
	beatTime    = 2 * time.Second
	silentTime  = 6500 * time.Millisecond // three beats are missed: with lookTime, within 8 s
	lookTime    = time.Second             // from one look at who is silent to the next
	claimTime   = 2 * time.Second         // for the bus to come up, and a gateway of our name to answer
	settleTime  = 300 * time.Millisecond  // for who is on a bus that has come up
	forgetTime  = 24 * time.Hour          // a silent one
	maxGateways = 4096                    // that are known
	skews       = 4                       // beats of which the clock is judged
)

// Subjects on which gateways tell how they are: beats by their names; who is new asks all,
// and by its name whether that is free. Who is silent is forgotten by an operator's order.
const (
	beats  = "beat."
	roll   = "roll"
	claim  = "roll."
	forget = "forget."
)

// Options of a Hub.
type Options struct {
	Bus  bus.Bus
	Name string
	Self func() Gateway // how this gateway is now; what is missing in it is the Hub's to say
	Log  *slog.Logger

	// Alone is of a gateway that has no others: its Hub is not run.
	Alone bool

	// Heir is the Instance of the process that this one replaces, which has the same name
	// and goes on until its calls are over. "" for none.
	Heir string

	// Now is the clock by which others are told the time, nil for the machine's.
	Now func() time.Time
}

// A Hub is what one gateway knows of all, itself among them. Its methods may be called
// from any goroutine.
type Hub struct {
	o        Options
	instance string
	host     string
	aside    atomic.Pointer[Gateway] // an older one that has our name, nil for none
	bell     chan struct{}           // rings Run to beat

	turn   sync.Mutex // held from a change until who follows has been told
	mu     sync.Mutex
	known  map[string]*member   // by instance, without ourselves
	gone   map[string]time.Time // when an instance has left: what it had said before may be heard later
	follow map[*func(Seen)]struct{}
	full   bool // since the log has been told that there are too many
}

// A member is a gateway as it is remembered.
type member struct {
	Seen
	skews [skews]time.Duration // by its last beats, a ring
	beats int
}

// New returns a Hub that hears nothing before Run.
func New(o Options) *Hub {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{o: o, instance: strings.ToLower(rand.Text()[:8]), bell: make(chan struct{}, 1), known: map[string]*member{}, gone: map[string]time.Time{}, follow: map[*func(Seen)]struct{}{}}
	h.host, _ = os.Hostname() // or people are not told
	return h
}

// Name returns what this gateway is called.
func (h *Hub) Name() string { return h.o.Name }

// Instance returns what this process is called.
func (h *Hub) Instance() string { return h.instance }

// Bus returns what the gateways are connected by.
func (h *Hub) Bus() bus.Bus { return h.o.Bus }

// Alone reports whether the gateway is not one of several.
func (h *Hub) Alone() bool { return h.o.Alone }

// Claim asks, before Run, whether another gateway has our name, and returns an error that
// says what to do if so. One that drains, or is replaced by us, has it no more. A bus that
// is down is waited for a little, and so is one that has just come up: its servers may have
// just met. If nobody can be asked and there is another all the same, the younger of the
// two keeps out of what the hub shares once they hear each other.
func (h *Hub) Claim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	up := make(chan struct{}, 1)
	defer h.o.Bus.Follow(func(bus.State) { ring(up) })()
	for h.o.Heir == "" {
		data, err := h.o.Bus.Request(ctx, claim+h.o.Name, nil)
		if g, ok := parse(data); err == nil && ok && h.rivals(g) {
			return fmt.Errorf("cluster.node: a gateway called %s is running already%s, since %s by its clock: each gateway of the hub has a name of its own (give this one another by --node, or stop that one)",
				g.Name, on(g.Host), g.Began.Local().Format(time.DateTime))
		}
		state := h.o.Bus.State()
		if state.Up && (err == nil || time.Since(state.Since) >= settleTime) {
			return nil
		}
		select {
		case <-up:
		case <-time.After(settleTime):
		case <-ctx.Done():
			return nil
		}
	}
	return nil // it is ours
}

func on(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}

// rivals reports whether g is another gateway that has our name, and not one that leaves it
// to us.
func (h *Hub) rivals(g Gateway) bool {
	return g.Name == h.o.Name && g.Instance != h.instance && g.State == running && (h.o.Heir == "" || g.Instance != h.o.Heir)
}

// Run tells the others how this gateway is, and hears how they are, until ctx is done.
func (h *Hub) Run(ctx context.Context) {
	inbox := bus.Inbox()
	stop, err := bus.SubscribeAll(h.o.Bus, map[string]func(bus.Message){
		beats + "*": func(m bus.Message) { h.hear(m, strings.TrimPrefix(m.Subject, beats)) },
		inbox:       func(m bus.Message) { h.hear(m, "") },
		roll:        h.answer, claim + h.o.Name: h.answer,
		forget + "*": func(m bus.Message) { h.forget(strings.TrimPrefix(m.Subject, forget)) },
	})
	if err != nil {
		h.o.Log.Error("the other gateways are not heard", "error", err)
		return
	}
	defer stop()
	up := make(chan struct{}, 1)
	defer h.o.Bus.Follow(func(s bus.State) {
		if s.Up {
			ring(up)
		}
	})()
	h.join(inbox)
	beat, look := time.NewTicker(beatTime), time.NewTicker(lookTime)
	defer beat.Stop()
	defer look.Stop()
	for {
		select {
		case <-beat.C:
			h.beat()
		case <-h.bell:
			h.beat()
		case <-look.C:
			h.look()
		case <-up:
			h.join(inbox)
		case <-ctx.Done():
			g := h.self()
			g.State = Gone
			h.say(beats+h.o.Name, g)
			return
		}
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// Tell has the others told at once how this gateway is: its state has changed. It does not
// block.
func (h *Hub) Tell() { ring(h.bell) }

// join tells all that we are there, and asks who else is. They answer us alone: when many
// come together, as after a cut, each is told of each once.
func (h *Hub) join(inbox string) {
	h.beat()
	h.o.Bus.Publish(bus.Message{Subject: roll, Reply: inbox}) // while the bus is down, nobody is there
}

// answer tells who asks how we are.
func (h *Hub) answer(m bus.Message) {
	if m.Reply != "" {
		h.say(m.Reply, h.self())
	}
}

// self returns how we are.
func (h *Hub) self() Gateway {
	g := h.o.Self()
	g.Name, g.Instance, g.Host, g.Protocol, g.Told = h.o.Name, h.instance, h.host, Protocol, h.o.Now().UTC()
	g.Aside = h.aside.Load() != nil
	return g
}

func (h *Hub) beat() { h.say(beats+h.o.Name, h.self()) }

func (h *Hub) say(subject string, g Gateway) {
	data, err := json.Marshal(g)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	h.o.Bus.Publish(bus.Message{Subject: subject, Data: data}) // the next one comes soon
}

// hear is told how a gateway is, who has to be called name unless that is "".
func (h *Hub) hear(m bus.Message, name string) {
	g, ok := parse(m.Data)
	if !ok || name != "" && g.Name != name || g.Instance == h.instance {
		return
	}
	h.turn.Lock()
	defer h.turn.Unlock()
	h.mu.Lock()
	if _, left := h.gone[g.Instance]; left {
		h.mu.Unlock()
		return
	}
	old, s, room := h.note(g)
	full := !room && !h.full
	h.full = !room || h.full && len(h.known) >= maxGateways
	h.mu.Unlock()
	switch {
	case full:
		h.o.Log.Error("there are too many gateways: who comes now is not known", "known", maxGateways, "gateway", g.Name)
	case !room:
	case old == nil && g.State == Gone:
	case old == nil || old.Silent || old.State != s.State || old.Aside != s.Aside:
		h.tell(s)
	}
	if room {
		h.warn(old, s)
	}
	if g.Name == h.o.Name {
		h.yield()
	}
}

// note remembers what g says of itself. It returns what was known before, nil for nothing,
// and what is now. h.mu is held.
func (h *Hub) note(g Gateway) (old *Seen, is Seen, room bool) {
	m := h.known[g.Instance]
	if m != nil {
		was := m.Seen
		old = &was
	}
	if g.State == Gone {
		delete(h.known, g.Instance)
		if len(h.gone) < maxGateways {
			h.gone[g.Instance] = time.Now()
		}
		return old, Seen{Gateway: g, Heard: time.Now()}, true
	}
	if m == nil {
		if len(h.known) >= maxGateways {
			return nil, Seen{}, false
		}
		m = new(member)
		h.known[g.Instance] = m
	}
	if m.Silent {
		m.beats = 0
	}
	m.Seen = Seen{Gateway: g, Heard: time.Now(), Skew: m.skew(g.Told.Sub(h.o.Now()), g.Told.IsZero()), wrong: m.wrong}
	m.judge()
	if g.State == running && (old == nil || old.Silent) {
		h.succeed(g)
	}
	return old, m.Seen, true
}

// skew returns how far a clock is from ours, of which now is the latest measure. All are
// too low by as long as a message took: the highest of the last is nearest.
func (m *member) skew(now time.Duration, unknown bool) time.Duration {
	if unknown {
		return 0
	}
	m.skews[m.beats%skews] = now
	m.beats++
	return slices.Max(m.skews[:min(m.beats, skews)])
}

// succeed forgets who is silent and has the name of g, which is there in its place. One
// that was replaced had calls still: those are missing, and that is shown. h.mu is held.
func (h *Hub) succeed(g Gateway) {
	for instance, m := range h.known {
		if m.Silent && m.Name == g.Name && m.State == running {
			delete(h.known, instance)
		}
	}
}

// warn tells the log of a clock that turns out to be wrong, or right again, and of who speaks
// a protocol that we do not know.
func (h *Hub) warn(old *Seen, is Seen) {
	var was Seen
	if old != nil {
		was = *old
	}
	switch {
	case is.wrong && !was.wrong:
		h.o.Log.Warn("clocks differ: one of the two is wrong (see to NTP on both machines)", "gateway", is.Name, "its host", is.Host, "ahead", is.Skew.Round(time.Millisecond))
	case !is.wrong && was.wrong:
		h.o.Log.Info("clocks agree again", "gateway", is.Name)
	}
	if is.Foreign() && !was.Foreign() {
		h.o.Log.Warn("a gateway is newer: what it shares is not understood, and no work is shared with it until this one is upgraded",
			"gateway", is.Name, "version", is.Version, "protocol", is.Protocol, "ours", Protocol)
	}
}

// yield notes whether an older gateway has our name, and tells all if that has changed.
// h.turn is held.
func (h *Hub) yield() {
	self := h.self()
	var older *Gateway
	h.mu.Lock()
	for _, m := range h.known {
		if !m.Silent && h.rivals(m.Gateway) && m.before(self) && (older == nil || m.before(*older)) {
			g := m.Gateway
			older = &g
		}
	}
	h.mu.Unlock()
	was := h.aside.Swap(older)
	if (was == nil) == (older == nil) {
		return
	}
	if older != nil {
		h.o.Log.Error("another gateway has this one's name, and was there first: this one keeps out of what the hub shares (give it another name by --node, and start it anew)",
			"name", older.Name, "its host", older.Host, "its instance", older.Instance, "it began", older.Began)
	} else {
		h.o.Log.Info("no other gateway has this one's name any more: it takes part in what the hub shares", "name", h.o.Name)
	}
	h.Tell()
}

// look notes who has fallen silent.
func (h *Hub) look() {
	h.turn.Lock()
	defer h.turn.Unlock()
	var silent []Seen
	h.mu.Lock()
	maps.DeleteFunc(h.gone, func(_ string, at time.Time) bool { return time.Since(at) > silentTime })
	for instance, m := range h.known {
		switch quiet := time.Since(m.Heard); {
		case quiet > forgetTime:
			delete(h.known, instance)
		case quiet > silentTime && !m.Silent:
			m.Silent = true
			if h.succeeded(m.Gateway) {
				delete(h.known, instance)
			}
			silent = append(silent, m.Seen)
		}
	}
	h.mu.Unlock()
	for _, s := range silent {
		h.tell(s)
	}
	if len(silent) > 0 {
		h.yield()
	}
}

// succeeded reports whether one that has fallen silent has been started anew meanwhile.
// h.mu is held.
func (h *Hub) succeeded(g Gateway) bool {
	if g.State != running {
		return false
	}
	for _, m := range h.known {
		if m.Instance != g.Instance && m.Name == g.Name && !m.Silent {
			return true
		}
	}
	return g.Name == h.o.Name
}

// tell tells who follows of one that has come, changed its state, fallen silent or gone.
func (h *Hub) tell(s Seen) {
	switch {
	case s.Silent:
		h.o.Log.Warn("a gateway is silent", "gateway", s.Name, "since", s.Heard)
	default:
		h.o.Log.Info("gateway", "gateway", s.Name, "state", s.State, "version", s.Version)
	}
	h.mu.Lock()
	var all []*func(Seen)
	for f := range h.follow {
		all = append(all, f)
	}
	h.mu.Unlock()
	for _, f := range all {
		(*f)(s)
	}
}

// us returns this gateway as it knows itself.
func (h *Hub) us() Seen {
	s := Seen{Gateway: h.self(), Self: true, Heard: time.Now()}
	s.judge()
	return s
}

// Gateways returns all gateways that are known, by name, and of one name the newest first.
func (h *Hub) Gateways() []Seen {
	all := []Seen{h.us()}
	h.mu.Lock()
	for _, m := range h.known {
		all = append(all, m.Seen)
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.Began.Compare(a.Began), cmp.Compare(a.Instance, b.Instance))
	})
	return all
}

// those returns the gateways that are wanted, in the order of Gateways.
func (h *Hub) those(wanted func(Seen) bool) []Seen {
	return slices.DeleteFunc(h.Gateways(), func(s Seen) bool { return !wanted(s) })
}

// Alive returns the gateways that are not silent, this one among them.
func (h *Hub) Alive() []Seen { return h.those(func(s Seen) bool { return !s.Silent }) }

// Of returns all gateways of a name that are known: one as a rule, more if it was replaced
// and has calls still, or if two have the name, none if nobody has it.
func (h *Hub) Of(name string) []Seen { return h.those(func(s Seen) bool { return s.Name == name }) }

// Hears reports whether the process of that instance is there, is not this one, and may be
// believed: it is not foreign.
func (h *Hub) Hears(instance string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.known[instance]
	return m != nil && !m.Silent && !m.Foreign()
}

// Settled reports whether all who are there have been heard: the bus has been up for long
// enough. Before that, one that is not known may be there all the same.
func (h *Hub) Settled() bool {
	s := h.o.Bus.State()
	return s.Up && time.Since(s.Since) > silentTime
}

// Working returns the gateways that share what is the hub's work, this one among them if it
// does. All that hear each other find the same.
func (h *Hub) Working() []Seen { return h.those(func(s Seen) bool { return !s.Silent && s.Works() }) }

// Works reports whether this gateway takes part in what the hub shares: it is running, and
// no older one has its name.
func (h *Hub) Works() bool { return h.self().Works() }

var (
	// ErrUnknown is that of a name that no gateway has.
	ErrUnknown = errors.New("there is no gateway of that name")
	// ErrUnheard is that of a name that no gateway has which was heard so far.
	ErrUnheard = errors.New("no gateway of that name has been heard yet; in a few seconds it will be, if there is one")
	// ErrHeard is that of a gateway that is not silent.
	ErrHeard = errors.New("the gateway is there; only one that is silent can be forgotten")
)

// Forget has all gateways forget those of a name that are silent. Its error is ErrUnknown
// or ErrHeard.
func (h *Hub) Forget(name string) error {
	all := h.Of(name)
	if len(all) == 0 {
		return ErrUnknown
	}
	if !slices.ContainsFunc(all, func(s Seen) bool { return s.Silent }) {
		return ErrHeard
	}
	h.forget(name)
	h.o.Bus.Publish(bus.Message{Subject: forget + name}) // or the others keep it for a day
	return nil
}

func (h *Hub) forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for instance, m := range h.known {
		if m.Silent && m.Name == name {
			delete(h.known, instance)
		}
	}
}

// Follow has f told of each gateway that comes, changes its state, falls silent or goes,
// until stop is called. f must not block.
func (h *Hub) Follow(f func(Seen)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follow[&f] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.follow, &f)
	}
}
