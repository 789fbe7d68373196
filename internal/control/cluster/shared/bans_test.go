package shared_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/shared"
	"moip/internal/policy/ban"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A lossy bus loses some of what its gateway publishes.
type lossy struct {
	*bus.Place
	loses atomic.Pointer[func(bus.Message) bool]
}

func (l *lossy) lose(which func(bus.Message) bool) { l.loses.Store(&which) }

func (l *lossy) Publish(m bus.Message) error {
	if which := l.loses.Load(); which != nil && (*which)(m) {
		return nil
	}
	return l.Place.Publish(m)
}

// A station is a gateway of a test, which has nothing but what it shares.
type station struct {
	name   string
	file   string
	ahead  time.Duration // its clock
	bus    *lossy
	bans   *ban.List
	shared *shared.Bans
	stop   func()
}

func begin(t testing.TB, x *bus.Exchange, s *station) *station {
	t.Helper()
	var err error
	s.bans, err = ban.Open(ban.Options{File: s.file, Gateway: s.name, Now: func() time.Time { return time.Now().Add(s.ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	s.bus = &lossy{Place: x.Join()}
	hub := cluster.New(cluster.Options{
		Bus: s.bus, Name: s.name, Log: slog.New(slog.DiscardHandler),
		Self: func() cluster.Gateway { return cluster.Gateway{State: "running", Began: time.Now()} },
	})
	s.shared = &shared.Bans{Hub: hub, List: s.bans, Log: slog.New(slog.DiscardHandler)}
	s.shared.Open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { hub.Run(ctx); done <- struct{}{} }()
	go func() { s.shared.Run(ctx); done <- struct{}{} }()
	s.stop = func() {
		cancel()
		<-done
		<-done
		s.bus.Close()
		if err := s.bans.Close(); err != nil {
			t.Error(err)
		}
	}
	return s
}

func (s *station) now() time.Time { return time.Now().Add(s.ahead) }

func (s *station) ban(t testing.TB, network string, by ban.By, for_ time.Duration, reason string) {
	t.Helper()
	b := ban.Ban{Network: netip.MustParsePrefix(network), By: by, Since: s.now(), Reason: reason}
	if for_ > 0 {
		b.Until = b.Since.Add(for_)
	}
	if _, err := s.bans.Add(b); err != nil {
		t.Error(err)
	}
}

// knows is what a station has of bans, but for those that run out by one clock before they do
// by another.
func (s *station) knows() string {
	var all []string
	for _, b := range s.bans.All() {
		if !b.Until.IsZero() && time.Until(b.Until) < 5*time.Minute {
			continue
		}
		all = append(all, fmt.Sprintf("%s by %s of %s: %s", b.Network, b.By, b.Gateway, b.Reason))
	}
	return strings.Join(all, "\n")
}

// patience is how long schedules are tried, on a machine that has others to serve.
const patience = 10 * time.Second

const healed = 2 * time.Minute // many comparisons

// A ban of one is one of all at once, an operator's word is taken back by any, and who joins
// is told of all.
func TestBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := begin(t, &x, &station{name: "a"}), begin(t, &x, &station{name: "b", ahead: -time.Minute})
		time.Sleep(time.Second)
		a.ban(t, "192.0.2.1/32", ban.ByOperator, 0, "why")
		synctest.Wait() // and not a second later
		if got := b.knows(); got != "192.0.2.1/32 by operator of a: why" {
			t.Error(got)
		}
		// The clock of b is behind, and its word is newer all the same.
		if err := b.bans.Remove(netip.MustParsePrefix("192.0.2.1/32")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := a.knows() + b.knows(); got != "" {
			t.Error(got)
		}
		a.ban(t, "192.0.2.2/32", ban.ByShield, time.Hour, "")
		c := begin(t, &x, &station{name: "c"})
		time.Sleep(time.Second)
		if got := c.knows(); got != "192.0.2.2/32 by shield of a: " {
			t.Error(got)
		}
		time.Sleep(time.Hour)
		for _, s := range []*station{a, b, c} {
			if got := s.knows(); got != "" && s != b {
				t.Errorf("%s: %s", s.name, got)
			}
			s.stop()
		}
	})
}

// What a gateway in a cut does not know of is settled when it is back: an operator's word
// counts more than the shield's that did not know of it, however late that came, and of two
// words of operators the later.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := begin(t, &x, &station{name: "a"}), begin(t, &x, &station{name: "b"})
		for _, network := range []string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"} {
			a.ban(t, network, ban.ByShield, 10*time.Hour, "scans")
		}
		time.Sleep(time.Second)
		b.bus.Cut(errors.New("cut"))
		a.bans.Remove(netip.MustParsePrefix("192.0.2.1/32"))
		a.bans.Remove(netip.MustParsePrefix("192.0.2.2/32"))
		time.Sleep(time.Minute)
		b.ban(t, "192.0.2.1/32", ban.ByShield, 24*time.Hour, "scans again")
		b.ban(t, "192.0.2.2/32", ban.ByOperator, time.Hour, "mine")
		b.ban(t, "192.0.2.4/32", ban.ByOperator, time.Hour, "too")
		b.bus.Cut(nil)
		time.Sleep(time.Second)
		want := "192.0.2.2/32 by operator of b: mine\n192.0.2.3/32 by shield of a: scans\n192.0.2.4/32 by operator of b: too"
		if a.knows() != want || b.knows() != want {
			t.Errorf("%s\n\n%s", a.knows(), b.knows())
		}
		a.stop()
		b.stop()
	})
}

// A message that is lost is made up for by comparing, and so are many changes in pieces.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := begin(t, &x, &station{name: "a"}), begin(t, &x, &station{name: "b"})
		a.bus.lose(func(m bus.Message) bool { return m.Subject == "ban.changes" })
		time.Sleep(time.Second)
		var many []ban.Ban
		for i := range 6000 {
			network := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 32)
			many = append(many, ban.Ban{Network: network, By: ban.ByImport, Since: time.Now(), Reason: strings.Repeat("é", 200)})
		}
		for _, err := range a.bans.AddAll(many) {
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(b.bans.All()); n != 0 {
			t.Errorf("%d are not lost", n)
		}
		time.Sleep(healed)
		if got := b.bans.All(); !reflect.DeepEqual(got, a.bans.All()) {
			t.Errorf("%d are known", len(got))
		}
		if a.bans.Sums() != b.bans.Sums() {
			t.Error("they are of two minds")
		}
		a.stop()
		b.stop()
	})
}

// Whom a gateway never bans comes in there, and only there.
func TestNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := begin(t, &x, &station{name: "a"}), begin(t, &x, &station{name: "b"})
		b.bans.SetNever([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
		a.ban(t, "192.0.0.0/16", ban.ByOperator, 0, "")
		time.Sleep(time.Second)
		for address, want := range map[string]bool{"192.0.2.1": false, "192.0.3.1": true} {
			if _, banned := b.bans.Find(netip.MustParseAddr(address)); banned != want {
				t.Errorf("%s is banned: %v", address, banned)
			}
			if _, banned := a.bans.Find(netip.MustParseAddr(address)); !banned {
				t.Errorf("%s is not banned", address)
			}
		}
		a.stop()
		b.stop()
	})
}

// Nothing that comes by the bus does harm.
func TestNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a := begin(t, &x, &station{name: "a"})
		p := x.Join()
		instance := a.shared.Hub.Instance()
		for _, data := range []string{
			``, `null`, `{}`, `[]`, `{"from":"x","changes":[null,1,{}]}`, `{"from":"x","changes":{}}`,
			`{"from":"x","changes":[{"network":"192.0.2.1/32","at":9223372036854775807,"gateway":"x","by":"operator","since":"2026-01-01T00:00:00Z"}]}`,
			`{"from":"x","changes":[{"network":"192.0.2.1/32","at":-1,"gateway":"x","by":"operator","since":"2026-01-01T00:00:00Z"}]}`,
			`{"from":"x","changes":[{"network":"192.0.2.1/32","at":1,"gateway":"x\u001b","by":"operator","since":"1999-01-01T00:00:00Z"}]}`,
			`{"from":"x","changes":[{"network":"192.0.2.1/32","at":1,"gateway":"x","by":"me","since":"1999-01-01T00:00:00Z"}]}`,
			`{"sums":"","part":-1}`, `{"sums":"AAAA","part":1}`,
		} {
			p.Publish(bus.Message{Subject: "ban.changes", Data: []byte(data)})
			p.Publish(bus.Message{Subject: "ban.compare." + instance, Reply: "x", Data: []byte(data)})
		}
		// One that answers nonsense is asked, and left.
		var asked atomic.Int32
		p.Subscribe("ban.compare.liar", "", func(m bus.Message) {
			p.Publish(bus.Message{Subject: m.Reply, Data: fmt.Appendf(nil, `{"part":%d,"parts":[5000,-1],"changes":[{}]}`, asked.Add(1)%3*600)})
		})
		for range 100 {
			p.Publish(bus.Message{Subject: "beat.liar", Data: []byte(`{"name":"liar","instance":"liar","protocol":1,"state":"running"}`)})
			time.Sleep(2 * time.Second)
		}
		if a.knows() != "" || asked.Load() == 0 || asked.Load() > 50 {
			t.Errorf("asked %d times, %s", asked.Load(), a.knows())
		}
		p.Close()
		a.stop()
	})
}

// Whatever is banned and unbanned, by whom and where, with whatever clocks, while gateways
// come, go, crash, are cut off and messages are lost: in the end all are of one mind. And
// where an operator has said something when all knew all, that stays so, whatever a crash
// or a cut brings back.
func TestConvergence(t *testing.T) {
	began, wrong := time.Now(), false
	rapid.Check(t, func(rt *rapid.T) {
		if !wrong && time.Since(began) > patience {
			return
		}
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		var failed any
		synctest.Test(t, func(t *testing.T) {
			stations := map[string]*station{}
			defer func() {
				failed = recover() // which is rapid's, and no business of the bubble
				for _, s := range stations {
					s.stop()
				}
			}()
			converge(rt, t, dir, stations)
		})
		if failed != nil {
			wrong = true
			panic(failed)
		}
	})
}

func converge(rt *rapid.T, t *testing.T, dir string, stations map[string]*station) {
	var x bus.Exchange
	names := []string{"a", "b", "c", "d"}
	clocks := map[string]time.Duration{}
	for _, name := range names {
		clocks[name] = time.Duration(rapid.IntRange(-30, 30).Draw(rt, "clock of "+name)) * time.Second
	}
	var losing atomic.Bool
	start := func(name string) {
		s := &station{name: name, ahead: clocks[name]}
		if name < "c" { // others come back and know nothing
			s.file = filepath.Join(dir, name)
		}
		begin(t, &x, s)
		s.bus.lose(func(m bus.Message) bool { return losing.Load() && rand.IntN(3) == 0 })
		stations[name] = s
	}
	for _, name := range names[:2] {
		start(name)
	}
	time.Sleep(time.Second)
	networks := []string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.0/24", "2001:db8::/64"}
	settled, said := true, map[string]string{} // what an operator has said that must hold, by network: a reason, or "" for nothing
	some := func(rt *rapid.T) *station {
		var all []string
		for name := range stations {
			all = append(all, name)
		}
		if len(all) == 0 {
			rt.Skip()
		}
		slices.Sort(all)
		return stations[rapid.SampledFrom(all).Draw(rt, "where")]
	}
	n := 0
	note := func(network, what string) {
		delete(said, network)
		if settled {
			said[network] = what
		}
	}
	agree := func(rt *rapid.T) {
		settled = true
		losing.Store(false)
		for _, name := range names {
			if stations[name] == nil {
				start(name)
			}
			stations[name].bus.Cut(nil)
		}
		time.Sleep(healed)
		want := stations[names[0]].knows()
		for _, name := range names {
			s := stations[name]
			if s.knows() != want {
				rt.Fatalf("%s knows\n%s\n%s knows\n%s", names[0], want, name, s.knows())
			}
			for network, what := range said {
				b := false
				for _, have := range s.bans.All() {
					b = b || have.Network.String() == network && have.Reason == what
				}
				if b != (what != "") {
					rt.Fatalf("%s: an operator has said %q, there is\n%s", network, what, s.knows())
				}
			}
		}
	}
	rt.Repeat(map[string]func(*rapid.T){
		"ban": func(rt *rapid.T) {
			s, network := some(rt), rapid.SampledFrom(networks).Draw(rt, "network")
			n++
			s.ban(t, network, ban.ByOperator, 0, fmt.Sprint(n))
			note(network, fmt.Sprint(n))
		},
		"ban for a while": func(rt *rapid.T) {
			s, network := some(rt), rapid.SampledFrom(networks).Draw(rt, "network")
			n++
			s.ban(t, network, ban.ByOperator, time.Duration(rapid.IntRange(1, 8).Draw(rt, "minutes"))*time.Minute, fmt.Sprint(n))
			delete(said, network)
		},
		"shield": func(rt *rapid.T) {
			s, network := some(rt), rapid.SampledFrom(networks).Draw(rt, "network")
			n++
			if what, held := said[network]; held && what == "" && settled {
				delete(said, network) // it knows, and bans anew
			}
			s.ban(t, network, ban.ByShield, time.Duration(rapid.IntRange(1, 8).Draw(rt, "minutes"))*time.Minute, fmt.Sprint(n))
		},
		"unban": func(rt *rapid.T) {
			s, network := some(rt), rapid.SampledFrom(networks).Draw(rt, "network")
			if s.bans.Remove(netip.MustParsePrefix(network)) == nil {
				note(network, "")
			}
		},
		"cut": func(rt *rapid.T) { settled = false; some(rt).bus.Cut(errors.New("cut")) },
		"heal": func(rt *rapid.T) {
			some(rt).bus.Cut(nil)
		},
		"lose": func(rt *rapid.T) { settled = false; losing.Store(true) },
		"stop": func(rt *rapid.T) {
			s := some(rt)
			settled = false
			s.stop()
			delete(stations, s.name)
		},
		"crash": func(rt *rapid.T) { // what is on the disk is a little older than what was known
			s := some(rt)
			settled = false
			s.bans.Saved(t.Context())
			old, err := os.ReadFile(s.file + ".hub")
			s.stop()
			if err == nil && rapid.Bool().Draw(rt, "before the second file is written") {
				os.WriteFile(s.file+".hub", old, 0o600)
			}
			delete(stations, s.name)
		},
		"join": func(rt *rapid.T) {
			for _, name := range names {
				if stations[name] == nil {
					settled = false
					start(name)
					return
				}
			}
			rt.Skip()
		},
		"wait":  func(rt *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 300).Draw(rt, "seconds")) * time.Second) },
		"agree": agree,
		"":      func(*rapid.T) { synctest.Wait() },
	})
	agree(rt)
	time.Sleep(10 * time.Minute) // until all that is for a while has run out
	agree(rt)
	for _, name := range names[1:] {
		if stations[name].bans.Sums() != stations[names[0]].bans.Sums() {
			rt.Fatalf("%s and %s are of two minds", names[0], name)
		}
	}
}
