package shared_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/shared"
	"moip/internal/policy/ban"
	"moip/internal/policy/limit"
	"moip/internal/policy/shield"
)

// A gate is all that a gateway shares.
type gate struct {
	name   string
	bus    *lossy
	bans   *ban.List
	shield *shield.Shield
	limits *limit.Turnstile
	stop   func()
}

var scores = shield.Rules{Mode: shield.On, HalfLife: time.Hour, SlowAt: 50, BanAt: 100}

func guard(t testing.TB, x *bus.Exchange, name string, rules limit.Rules) *gate {
	t.Helper()
	g := &gate{name: name, bus: &lossy{Place: x.Join()}}
	var err error
	if g.bans, err = ban.Open(ban.Options{Gateway: name}); err != nil {
		t.Fatal(err)
	}
	g.shield = shield.Open(shield.Options{Rules: scores, Bans: g.bans})
	g.limits = limit.New(rules, func(netip.Addr) bool { return false })
	log := slog.New(slog.DiscardHandler)
	hub := cluster.New(cluster.Options{
		Bus: g.bus, Name: name, Log: log,
		Self: func() cluster.Gateway { return cluster.Gateway{State: "running", Began: time.Now()} },
	})
	bans := &shared.Bans{Hub: hub, List: g.bans, Log: log, Taken: func(changes []ban.Change) {
		for _, c := range changes {
			if b := c.Ban(); !c.Lifted && b.By == ban.ByShield && b.HoldsAt(time.Now()) {
				g.shield.Banned(b.Network, b.Since, b.Until)
			}
		}
	}}
	seen := &shared.Shield{Hub: hub, Shield: g.shield, Log: log}
	calls := &shared.Limits{Hub: hub, Count: g.limits, Log: log}
	bans.Open()
	seen.Open()
	calls.Open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	all := []func(context.Context){hub.Run, bans.Run, seen.Run, calls.Run}
	for _, run := range all {
		go func() { run(ctx); done <- struct{}{} }()
	}
	g.stop = func() {
		cancel()
		for range all {
			<-done
		}
		g.bus.Close()
		g.shield.Close()
		g.bans.Close()
	}
	return g
}

var scanner = netip.MustParseAddr("192.0.2.7")

// scans counts how often a scanner comes by turns until it is banned everywhere.
func scans(gates []*gate, pause time.Duration) (n int) {
	for n < 1000 {
		for _, g := range gates {
			if _, banned := g.bans.Find(scanner); banned {
				return n
			}
			g.shield.Report(scanner, "ssh")
			n++
			time.Sleep(pause)
		}
	}
	return n
}

func close(gates []*gate) {
	for _, g := range gates {
		g.stop()
	}
}

// A scanner that comes by three gateways in turn is banned by all, as fast as by one; when it
// comes back, it is banned for longer, whoever has banned it before.
func TestScanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		var gates []*gate
		for _, name := range []string{"a", "b", "c"} {
			gates = append(gates, guard(t, &x, name, limit.Rules{}))
		}
		time.Sleep(time.Second)
		for i, want := range []time.Duration{10 * time.Minute, time.Hour, 6 * time.Hour} {
			n := scans(gates, time.Second)
			if alone := 11; n > alone+len(gates) || n < 5 {
				t.Errorf("it comes %d times before it is banned", n)
			}
			time.Sleep(5 * time.Second)
			for _, g := range gates {
				b, banned := g.bans.Find(scanner)
				if !banned || b.Until.Sub(b.Since) != want || !strings.Contains(b.Reason, "openings of SSH: ") {
					t.Errorf("the %d. time %s has it banned: %v, %+v", i+1, g.name, banned, b)
				}
				all, _ := g.shield.Households(1)
				if len(all) != 1 || all[0].Score > scores.BanAt*3/4 {
					t.Errorf("%s: it has %+v", g.name, all)
				}
			}
			time.Sleep(want + time.Minute)
		}
		close(gates)
	})
}

// What a scanner did at a gateway that is gone, or that was cut off, counts once all the same.
func TestScannerAndCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := guard(t, &x, "a", limit.Rules{}), guard(t, &x, "b", limit.Rules{})
		time.Sleep(time.Second)
		a.bus.Cut(errors.New("cut"))
		for range 4 {
			a.shield.Report(scanner, "ssh")
			b.shield.Report(scanner, "ssh")
		}
		time.Sleep(time.Second)
		a.bus.Cut(nil)
		time.Sleep(time.Second)
		for _, g := range []*gate{a, b} {
			if all, _ := g.shield.Households(1); len(all) != 1 || all[0].Score < 79 || all[0].Score > 80 || all[0].Evidence["ssh"] != 8 || all[0].Abroad < 39 {
				t.Errorf("%s: %+v", g.name, all)
			}
		}
		c := guard(t, &x, "c", limit.Rules{}) // who joins knows it, too
		time.Sleep(time.Second)
		if all, _ := c.shield.Households(1); len(all) != 1 || all[0].Score < 79 || all[0].Score > 80 {
			t.Errorf("%+v", all)
		}
		a.stop()
		time.Sleep(20 * time.Minute) // what nobody tells again is forgotten
		if all, _ := c.shield.Households(1); len(all) != 1 || all[0].Score > 40 || all[0].Score < 30 {
			t.Errorf("%+v", all)
		}
		close([]*gate{b, c})
	})
}

// Whom an operator forgives at one gateway is forgiven at all, also where that is heard
// later.
func TestForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b, c := guard(t, &x, "a", limit.Rules{}), guard(t, &x, "b", limit.Rules{}), guard(t, &x, "c", limit.Rules{})
		gates := []*gate{a, b, c}
		time.Sleep(time.Second)
		scans(gates, time.Second)
		time.Sleep(time.Second)
		c.bus.Cut(errors.New("cut"))
		if err := a.shield.Forgive(scanner); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		c.shield.Report(scanner, "ssh")
		time.Sleep(time.Minute)
		c.bus.Cut(nil)
		time.Sleep(time.Minute)
		for _, g := range gates {
			all, _ := g.shield.Households(1)
			if _, banned := g.bans.Find(scanner); banned || len(all) != 0 {
				t.Errorf("%s: it is banned: %v, %+v", g.name, banned, all)
			}
		}
		scans(gates, time.Second)
		time.Sleep(time.Second)
		for _, g := range gates {
			if b, _ := g.bans.Find(scanner); b.Until.Sub(b.Since) != 10*time.Minute {
				t.Errorf("%s: it is banned for %v", g.name, b.Until.Sub(b.Since))
			}
		}
		close(gates)
	})
}

// Whatever is seen by whom, and whatever is lost, all have the same score in the end, which
// is that of one gateway that has seen all of it.
func TestScores(t *testing.T) {
	began := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if !t.Failed() && time.Since(began) > patience {
			return
		}
		type step struct{ where, what, pause int }
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{rapid.IntRange(0, 2).Draw(rt, "where"), rapid.IntRange(0, 9).Draw(rt, "what"), rapid.IntRange(0, 90).Draw(rt, "pause")}
		}), 0, 20).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			var x, y bus.Exchange
			var gates []*gate
			for _, name := range []string{"a", "b", "c"} {
				gates = append(gates, guard(t, &x, name, limit.Rules{}))
			}
			alone := guard(t, &y, "alone", limit.Rules{})
			time.Sleep(time.Second)
			points := 0
			for _, s := range steps {
				g := gates[s.where]
				switch s.what {
				case 0:
					g.bus.Cut(errors.New("cut"))
				case 1:
					g.bus.Cut(nil)
				case 2:
					g.bus.lose(func(m bus.Message) bool { return m.Subject != "ban.changes" })
				default:
					if points += 10; points < 100 {
						g.shield.Report(scanner, "ssh")
						alone.shield.Report(scanner, "ssh")
					}
				}
				time.Sleep(time.Duration(s.pause) * time.Second)
			}
			for _, g := range gates {
				g.bus.Cut(nil)
				g.bus.lose(func(bus.Message) bool { return false })
			}
			time.Sleep(6 * time.Minute)
			want, _ := alone.shield.Households(1)
			for _, g := range gates {
				if all, _ := g.shield.Households(1); len(all) != len(want) || len(all) > 0 && fmt.Sprint(all[0].Evidence, all[0].State) != fmt.Sprint(want[0].Evidence, want[0].State) ||
					len(all) > 0 && (all[0].Score-want[0].Score > 0.2 || want[0].Score-all[0].Score > 0.2) {
					t.Errorf("%v: %s has %+v, not %+v", steps, g.name, all, want)
				}
			}
			close(append(gates, alone))
		})
	})
}

// counts is how many are let in, and an end to them.
type counts struct {
	n      int
	leaves []func()
}

func (c *counts) enter(g *gate, from netip.Addr) limit.Reason {
	leave, refused := g.limits.Enter(from)
	if refused == "" {
		c.n++
		c.leaves = append(c.leaves, leave)
	}
	return refused
}

func (c *counts) leave() {
	for _, leave := range c.leaves {
		leave()
	}
	c.n, c.leaves = 0, nil
}

// A household, a network and all together have so many calls at a time at all gateways
// together, but for what comes in a tenth of a second and is not told of.
func TestLimits(t *testing.T) {
	const rate = 20 // new calls a second, at each
	for _, test := range []struct {
		name     string
		gateways int
		rules    limit.Rules
		most     int
		from     func(i int) netip.Addr
		want     limit.Reason
	}{
		{"household", 3, limit.Rules{HouseholdCalls: 100}, 100, func(int) netip.Addr { return scanner }, limit.HouseholdFull},
		{"small household", 3, limit.Rules{HouseholdCalls: 2}, 2, func(int) netip.Addr { return scanner }, limit.HouseholdFull},
		{"household of many gateways", 15, limit.Rules{HouseholdCalls: 100}, 100, func(int) netip.Addr { return scanner }, limit.HouseholdFull},
		{"network", 3, limit.Rules{HouseholdCalls: 100, NetworkCalls: 200}, 200, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }, limit.NetworkFull},
		{"all", 3, limit.Rules{HubCalls: 150, HouseholdCalls: 100}, 150, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i), 1}) }, limit.HubFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var x bus.Exchange
				var gates []*gate
				for i := range test.gateways {
					gates = append(gates, guard(t, &x, string(rune('a'+i)), test.rules))
				}
				time.Sleep(2 * time.Second)
				var in counts
				for i := range 30 * rate {
					for _, g := range gates {
						in.enter(g, test.from(i))
					}
					time.Sleep(time.Second / rate)
				}
				// What others let in while they have not heard, in 0.1 s or one call
				// each, and what is not told of, an eighth or 3 calls each at the most.
				others := test.gateways - 1
				gap := max(100*time.Millisecond, time.Duration(test.gateways)*10*time.Millisecond)
				bound := test.most + others*(1+int(rate*gap/time.Second)) + max(test.most/8, 3*others)
				if test.most < 16 {
					bound -= max(test.most/8, 3*others)
				}
				if in.n < test.most || in.n > bound {
					t.Errorf("%d are let in, not %d to %d", in.n, test.most, bound)
				}
				t.Logf("%d of %d", in.n, test.most)
				for _, g := range gates {
					if refused := in.enter(g, test.from(1)); refused != test.want {
						t.Errorf("%s refuses for %q", g.name, refused)
					}
				}
				in.leave()
				time.Sleep(time.Second)
				for _, g := range gates {
					if refused := in.enter(g, test.from(1)); refused != "" && test.most > test.gateways {
						t.Errorf("%s refuses for %q", g.name, refused)
					}
				}
				in.leave()
				close(gates)
			})
		})
	}
}

// A gateway that is silent, cut off or gone counts no more.
func TestLimitsOfSilent(t *testing.T) {
	for name, silence := range map[string]func(a, b *gate){
		"cut":    func(_, b *gate) { b.bus.Cut(errors.New("cut")) },
		"silent": func(a, _ *gate) { a.bus.lose(func(bus.Message) bool { return true }) },
		"gone":   func(a, _ *gate) { a.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var x bus.Exchange
				rules := limit.Rules{HouseholdCalls: 10}
				a, b := guard(t, &x, "a", rules), guard(t, &x, "b", rules)
				time.Sleep(time.Second)
				var in counts
				for range 10 {
					in.enter(a, scanner)
				}
				time.Sleep(time.Second)
				if refused := in.enter(b, scanner); refused != limit.HouseholdFull {
					t.Errorf("b refuses for %q", refused)
				}
				if u := b.limits.Usage(); u.Hub.Calls != 10 || u.Hub.Gateways != 2 {
					t.Errorf("b has %+v", u.Hub)
				}
				silence(a, b)
				time.Sleep(7 * time.Second)
				if refused := in.enter(b, scanner); refused != "" {
					t.Errorf("b refuses for %q", refused)
				}
				if name != "gone" {
					a.stop()
				}
				in.leave()
				b.stop()
			})
		})
	}
}

// Of more households than can be told of, those are that have most calls.
func TestManyHouseholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		rules := limit.Rules{HouseholdCalls: 4}
		a, b := guard(t, &x, "a", rules), guard(t, &x, "b", rules)
		time.Sleep(time.Second)
		var in counts
		for i := range 20_000 {
			in.enter(a, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		}
		for range 4 {
			in.enter(a, scanner)
		}
		time.Sleep(3 * time.Second)
		if refused := in.enter(b, scanner); refused != limit.HouseholdFull {
			t.Errorf("b refuses for %q", refused)
		}
		if u := a.limits.Usage(); u.Hub.Household != 2 {
			t.Errorf("%+v", u.Hub)
		}
		in.leave()
		time.Sleep(2 * time.Minute)
		in.enter(a, scanner)
		time.Sleep(time.Second)
		if u := a.limits.Usage(); u.Hub.Household != 1 {
			t.Errorf("%+v", u.Hub)
		}
		in.leave()
		close([]*gate{a, b})
	})
}

// Nothing that comes by the bus does harm.
func TestScoresOfNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, p := guard(t, &x, "a", limit.Rules{HouseholdCalls: 1, HubCalls: 1}), x.Join()
		time.Sleep(time.Second)
		for _, data := range []string{
			``, `null`, `{"from":"x"}`, `{"from":"x y","calls":5}`, `{"from":"x","calls":-5,"of":[{"of":"192.0.2.7/32","calls":3}]}`,
			`{"from":"y","calls":0,"of":[{"of":"192.0.2.7/32","calls":3},{"of":"192.0.2.7/24","calls":-3},{"of":"","calls":3}]}`,
			`{"from":"x","households":[{},{"network":"192.0.2.7/24","strong":1000},{"network":"192.0.2.7/32","strong":-1},{"network":"192.0.2.7/32","strong":1e300}]}`,
			`{"from":"x","households":[{"network":"192.0.2.7/32","pardon":9223372036854775807},{"network":"192.0.2.7/32","times":-1}]}`,
			`{"from":"x","households":[{"network":"192.0.2.7/32","evidence":{"ssh":-7,"what":9}}]}`,
		} {
			for _, subject := range []string{"limit.counts", "shield.reports", "shield.ask"} {
				p.Publish(bus.Message{Subject: subject, Data: []byte(data)})
			}
		}
		time.Sleep(time.Second)
		if all, n := a.shield.Households(9); n != 0 {
			t.Errorf("%+v", all)
		}
		leave, refused := a.limits.Enter(scanner)
		if refused != "" {
			t.Fatalf("refused for %q", refused)
		}
		leave()
		p.Close()
		a.stop()
	})
}
