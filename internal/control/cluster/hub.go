package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"moip/internal/control/cluster/bus"
)

const (
	beatTime    = 2 * time.Second
	silentTime  = 3*beatTime + beatTime/2
	forgetTime  = 24 * time.Hour // a silent one
	maxGateways = 4096           // that are known
)

// Subjects on which gateways tell how they are: beats by their names, and who is new asks
// all for one.
const (
	beats = "beat."
	roll  = "roll"
)

// Options of a Hub.
type Options struct {
	Bus  bus.Bus
	Name string
	Self func() Gateway // how this gateway is now; Name, Instance, Protocol and Told are the Hub's to say
	Log  *slog.Logger
}

// A Hub is what one gateway knows of all, itself among them. Its methods may be called
// from any goroutine.
type Hub struct {
	o        Options
	instance string

	turn   sync.Mutex // held from a change until who follows has been told
	mu     sync.Mutex
	known  map[string]*Seen // by instance, without ourselves
	follow map[*func(Seen)]struct{}
}

// New returns a Hub that hears nothing before Run.
func New(o Options) *Hub {
	return &Hub{o: o, instance: strings.ToLower(rand.Text()[:8]), known: map[string]*Seen{}, follow: map[*func(Seen)]struct{}{}}
}

// Name returns what this gateway is called.
func (h *Hub) Name() string { return h.o.Name }

// Instance returns what this process is called.
func (h *Hub) Instance() string { return h.instance }

// Bus returns what the gateways are connected by.
func (h *Hub) Bus() bus.Bus { return h.o.Bus }

// Run tells the others how this gateway is, and hears how they are, until ctx is done.
func (h *Hub) Run(ctx context.Context) {
	for subject, f := range map[string]func(bus.Message){beats + "*": h.hear, roll: func(bus.Message) { h.beat("") }} {
		stop, err := h.o.Bus.Subscribe(subject, "", f)
		if err != nil {
			h.o.Log.Error("the other gateways are not heard", "error", err)
			return
		}
		defer stop()
	}
	up := make(chan struct{}, 1)
	defer h.o.Bus.Follow(func(s bus.State) {
		if s.Up {
			select {
			case up <- struct{}{}:
			default:
			}
		}
	})()
	h.join()
	tick := time.NewTicker(beatTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.beat("")
			h.listen()
		case <-up:
			h.join()
		case <-ctx.Done():
			h.beat(Gone)
			return
		}
	}
}

// join tells all that we are there, and asks who else is.
func (h *Hub) join() {
	h.beat("")
	h.o.Bus.Publish(bus.Message{Subject: roll}) // while the bus is down, nobody is there
}

// self returns how we are.
func (h *Hub) self() Gateway {
	g := h.o.Self()
	g.Name, g.Instance, g.Protocol, g.Told = h.o.Name, h.instance, Protocol, time.Now().UTC()
	return g
}

// beat tells how we are, in a state unless it is "".
func (h *Hub) beat(state string) {
	g := h.self()
	g.State = cmp.Or(state, g.State)
	data, err := json.Marshal(g)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	h.o.Bus.Publish(bus.Message{Subject: beats + h.o.Name, Data: data}) // the next one comes soon
}

// hear is told how a gateway is.
func (h *Hub) hear(m bus.Message) {
	var g Gateway
	if json.Unmarshal(m.Data, &g) != nil || !bus.IsWord(g.Instance) || m.Subject != beats+g.Name || g.Instance == h.instance {
		return
	}
	h.turn.Lock()
	defer h.turn.Unlock()
	now := time.Now()
	s := Seen{Gateway: g, Heard: now, Skew: g.Told.Sub(now)}
	h.mu.Lock()
	old := h.known[g.Instance]
	switch {
	case g.State == Gone:
		delete(h.known, g.Instance)
	case old != nil || len(h.known) < maxGateways:
		h.known[g.Instance] = &s
	}
	h.mu.Unlock()
	if old == nil && g.State != Gone || old != nil && (old.Silent || old.State != g.State) {
		h.tell(s)
	}
}

// listen notes who has fallen silent.
func (h *Hub) listen() {
	h.turn.Lock()
	defer h.turn.Unlock()
	var silent []Seen
	h.mu.Lock()
	for instance, s := range h.known {
		switch quiet := time.Since(s.Heard); {
		case quiet > forgetTime:
			delete(h.known, instance)
		case quiet > silentTime && !s.Silent:
			s.Silent = true
			silent = append(silent, *s)
		}
	}
	h.mu.Unlock()
	for _, s := range silent {
		h.tell(s)
	}
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

// Gateways returns all gateways that are known, by name, and of one name the newest first.
func (h *Hub) Gateways() []Seen {
	all := []Seen{{Gateway: h.self(), Self: true, Heard: time.Now()}}
	h.mu.Lock()
	for _, s := range h.known {
		all = append(all, *s)
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.Began.Compare(a.Began), cmp.Compare(a.Instance, b.Instance))
	})
	return all
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
