// Package survey has the gateways of a hub share the trying of services. Each service is
// tried by one of those that have it in their directory, its keeper, and how it is, all are
// told. Nobody elects keepers: all find the same by what they know of each other.
//
// Gateways that hear each other agree on the keepers within 10 s of the last change of who
// is there, or of a directory: until then, a service may be tried by two, or not. Another
// 10 s later, at the latest, all have what its keeper knows of a service. One that hears
// nobody is keeper of all that it has.
package survey

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/directory/probe"
)

const (
	tick        = time.Second
	tellTime    = 10 * time.Second // all that is ours to tell is told again, whatever was lost
	presumeTime = 10 * time.Second // for a gateway to tell what it has
	askTime     = time.Second      // for an answer
	asks        = 4                // gateways that are asked at a time
	maxPages    = 100              // of an answer
	allKeys     = 1 << 20          // of others that are kept
)

const probes = "probe." // and the name of who tells

// asked is the subject on which a gateway is asked what it knows.
func asked(name, instance string) string { return "gateway." + name + "." + instance + ".probe" }

// Options of a survey.
type Options struct {
	Hub    *cluster.Hub
	Prober *probe.Prober
	Log    *slog.Logger
}

// A Survey is this gateway's part in it.
type Survey struct {
	Options
	bus  bus.Bus
	plan *plan // owned by Run, as all to mu

	mine        []uint64 // services that we have
	generation  int      // of mine
	digest      string   // of mine
	directories map[string][]uint64
	retold      time.Time // when all was told last

	mu      sync.Mutex       // guards what follows
	current *plan            // plan, for whoever hears
	peers   map[string]*peer // by instance
	met     bool             // somebody has come
	behind  bool             // what the others know has not been asked for
}

// A peer is another gateway that is there.
type peer struct {
	name   string
	since  time.Time // that it is there
	digest string    // of what it has, "" if it has not told
	failed time.Time // when it was last asked in vain
}

// New returns a Survey that has not begun. The Prober, which is not running yet, tries what
// Run assigns to it.
func New(o Options) *Survey {
	o.Prober.Share(o.Hub.Name(), o.Hub.Instance())
	return &Survey{Options: o, bus: o.Hub.Bus(), directories: map[string][]uint64{}, peers: map[string]*peer{}, behind: true, generation: -1}
}

// Run has this gateway take its part, until ctx is done.
func (s *Survey) Run(ctx context.Context) {
	stop, err := bus.SubscribeAll(s.bus, map[string]func(bus.Message){
		probes + "*":                          s.hear,
		asked(s.Hub.Name(), s.Hub.Instance()): s.answer,
	})
	if err != nil {
		s.Log.Error("services are not tried together with other gateways", "error", err)
		return
	}
	defer stop()
	defer s.Hub.Follow(func(g cluster.Seen) {
		if !g.Silent && g.State != cluster.Gone {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.met = true
		}
	})()
	defer s.bus.Follow(func(is bus.State) {
		if is.Up {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.met, s.behind = true, true
		}
	})()
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for {
		s.step(ctx)
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

// step looks at who is there, and tells what there is to tell.
func (s *Survey) step(ctx context.Context) {
	alive := s.Hub.Alive()
	s.ask(ctx, s.look(alive))
	s.divide(alive)
	s.tell(len(alive) > 1)
}

// look notes which gateways are there, and what we have ourselves. It returns those whose
// answers are wanted.
func (s *Survey) look(alive []cluster.Seen) (wanted []string) {
	mine, generation := s.Prober.Keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation != s.generation {
		s.mine, s.generation, s.digest = mine, generation, digest(mine)
		s.met = true
	}
	s.directories[s.digest] = s.mine
	there := map[string]bool{}
	for _, g := range alive {
		if g.Self || g.Foreign() {
			continue
		}
		there[g.Instance] = true
		if s.peers[g.Instance] == nil {
			s.peers[g.Instance] = &peer{name: g.Name, since: time.Now()}
		}
	}
	used := map[string]bool{s.digest: true}
	for instance, p := range s.peers {
		if !there[instance] {
			delete(s.peers, instance)
			continue
		}
		used[p.digest] = true
		if p.digest != "" && s.directories[p.digest] == nil && time.Since(p.failed) > tellTime {
			wanted = append(wanted, instance)
		}
	}
	for digest := range s.directories {
		if !used[digest] {
			delete(s.directories, digest)
		}
	}
	if s.behind && len(wanted) == 0 {
		return s.oneOf()
	}
	rand.Shuffle(len(wanted), func(i, k int) { wanted[i], wanted[k] = wanted[k], wanted[i] })
	return wanted[:min(len(wanted), asks)]
}

// oneOf returns a gateway that is there, one with the same directory as ours if there is
// one. s.mu is held.
func (s *Survey) oneOf() (one []string) {
	for instance, p := range s.peers {
		if one == nil || p.digest == s.digest {
			one = []string{instance}
		}
	}
	return one
}

// divide finds the keepers anew if anything has changed that they depend on.
func (s *Survey) divide(alive []cluster.Seen) {
	next := &plan{self: s.Hub.Instance()}
	s.mu.Lock()
	for _, g := range alive {
		if g.Aside || g.Foreign() || g.State == "stopping" {
			continue
		}
		c := candidate{name: g.Name, hash: hashOf(g.Name), instance: g.Instance, works: g.Works()}
		if g.Self {
			c.keys, c.digest = s.mine, s.digest
		} else if p := s.peers[g.Instance]; p != nil {
			c.digest = p.digest
			c.keys = s.directories[p.digest]
			c.presumed = c.keys == nil && time.Since(p.since) < presumeTime || c.digest == s.digest
		}
		next.all = append(next.all, c)
	}
	s.mu.Unlock()
	if s.plan != nil && slices.EqualFunc(s.plan.all, next.all, candidate.is) {
		return
	}
	s.plan = next
	s.mu.Lock()
	s.current = next
	s.mu.Unlock()
	s.Prober.Assign(next.ours)
}

// tell tells what is new; all that is ours to tell if somebody has come, or it is time.
func (s *Survey) tell(heard bool) {
	if !heard || !s.bus.State().Up {
		return // what is ours is told to whoever comes
	}
	s.mu.Lock()
	all := s.met || time.Since(s.retold) >= tellTime
	s.met = false
	s.mu.Unlock()
	var found []probe.Finding
	var unknown []uint64
	if all {
		found, unknown = s.Prober.Ours()
		s.retold = time.Now()
	} else if found = s.Prober.News(); len(found) == 0 {
		return
	}
	now := time.Now()
	for n := 0; n == 0 || n*maxStates < len(found) || n*maxUnknown < len(unknown); n++ {
		r := report{Instance: s.Hub.Instance(), Directory: s.digest, Unknown: pack(page(unknown, n, maxUnknown))}
		for _, f := range page(found, n, maxStates) {
			r.States = append(r.States, stateOf(f, now))
		}
		s.bus.Publish(bus.Message{Subject: probes + s.Hub.Name(), Data: r.encode()}) // or it is told again in a while
	}
}

func (r report) encode() []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return data
}

// hear is told how services are.
func (s *Survey) hear(m bus.Message) {
	var r report
	if json.Unmarshal(m.Data, &r) != nil || !s.Hub.Hears(r.Instance) || len(r.Directory) > maxID {
		return
	}
	s.mu.Lock()
	if p := s.peers[r.Instance]; p != nil && m.Subject == probes+p.name && r.Directory != "" {
		p.digest = r.Directory
	}
	plan := s.current
	s.mu.Unlock()
	s.learn(r, plan)
	s.Prober.Remind(unpack(r.Unknown[:min(len(r.Unknown), 8*maxUnknown)]))
}

// learn has the Prober know what a report says. What it says of services whose keeper it is
// from, by plan, is believed in any case.
func (s *Survey) learn(r report, plan *plan) {
	now := time.Now()
	for _, told := range r.States[:min(len(r.States), maxStates)] {
		if f, ok := told.finding(now); ok {
			s.Prober.Learn(f, plan != nil && plan.keeper(f.Key) == r.Instance)
		}
	}
}

// answer tells one who asks all that is known, a page at a time.
func (s *Survey) answer(m bus.Message) {
	n, err := strconv.Atoi(string(m.Data))
	if m.Reply == "" || err != nil || n < 0 || n >= maxPages {
		return
	}
	keys, _ := s.Prober.Keys()
	found, now := s.Prober.Findings(), time.Now()
	r := report{Instance: s.Hub.Instance(), Directory: digest(keys), Keys: pack(page(keys, n, maxKeys))}
	for _, f := range page(found, n, maxStates) {
		r.States = append(r.States, stateOf(f, now))
	}
	r.More = (n+1)*maxKeys < len(keys) || (n+1)*maxStates < len(found)
	s.bus.Publish(bus.Message{Subject: m.Reply, Data: r.encode()})
}

// ask asks gateways for what they have and know.
func (s *Survey) ask(ctx context.Context, instances []string) {
	var asking sync.WaitGroup
	for _, instance := range instances {
		s.mu.Lock()
		name := s.peers[instance].name
		s.mu.Unlock()
		asking.Go(func() {
			digest, keys, ok := s.askOne(ctx, name, instance)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.behind = s.behind && !ok
			p := s.peers[instance]
			switch {
			case p == nil:
			case !ok || !s.room(len(keys)):
				p.failed = time.Now()
			default:
				p.digest, s.directories[digest] = digest, keys
			}
		})
	}
	asking.Wait()
}

// room reports whether so many keys may be kept. s.mu is held.
func (s *Survey) room(more int) bool {
	for _, keys := range s.directories {
		more += len(keys)
	}
	return more <= allKeys
}

// askOne asks a gateway for all its pages.
func (s *Survey) askOne(ctx context.Context, name, instance string) (is string, keys []uint64, ok bool) {
	keys = []uint64{}
	for n := range maxPages {
		limited, cancel := context.WithTimeout(ctx, askTime)
		data, err := s.bus.Request(limited, asked(name, instance), strconv.AppendInt(nil, int64(n), 10))
		cancel()
		var r report
		if err != nil || json.Unmarshal(data, &r) != nil || n > 0 && r.Directory != is {
			return "", nil, false
		}
		is = r.Directory
		keys = append(keys, unpack(r.Keys[:min(len(r.Keys), 8*maxKeys)])...)
		s.learn(r, nil)
		if !r.More {
			break
		}
	}
	return is, keys, slices.IsSorted(keys) && is == digest(keys)
}
