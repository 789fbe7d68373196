package shield

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/policy"
	"moip/internal/policy/ban"
	"moip/internal/session"
	"moip/internal/testkit/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var rules = Rules{Mode: On, HalfLife: time.Hour, SlowAt: 50, BanAt: 100}

var somebody = netip.MustParseAddr("192.0.2.7")

// A gate is a Shield in front of a gateway, as callers come to it.
type gate struct {
	*Shield
	t    *testing.T
	bans *ban.List
	log  logtest.Log

	refused, slowed int
}

func newGate(t *testing.T, o Options, never ...string) *gate {
	g := &gate{t: t}
	b := ban.Options{}
	for _, n := range never {
		b.Never = append(b.Never, netip.MustParsePrefix(n))
	}
	var err error
	if g.bans, err = ban.Open(b); err != nil {
		t.Fatal(err)
	}
	o.Bans, o.Log = g.bans, g.log.Logger()
	g.Shield = Open(o)
	return g
}

func (g *gate) close() {
	g.Shield.Close()
	g.bans.Close()
}

// in tests what follows with a gate, in time that passes at once.
func in(t *testing.T, o Options, f func(*gate), never ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, o, never...)
		defer g.close()
		f(g)
	})
}

// comes has somebody come, and reports whether it is answered.
func (g *gate) comes(from netip.Addr) bool {
	synctest.Wait() // what came before is weighed
	if _, banned := g.bans.Find(from); banned {
		g.refused++
		return false
	}
	began := time.Now()
	if !g.Wait(from, nil) {
		g.refused++
		return false
	}
	if time.Since(began) > 0 {
		g.slowed++
	}
	return true
}

// A visit is how a call goes.
type visit struct {
	lasts   time.Duration
	keys    uint64
	asked   bool
	visited []string
	reason  session.Reason
	err     error
}

// calls has somebody call, and returns when that is over.
func (g *gate) calls(from netip.Addr, by string, v visit) bool {
	if !g.comes(from) {
		return false
	}
	began := time.Now()
	time.Sleep(v.lasts)
	if v.reason == "" {
		v.reason = session.ReasonGone
	}
	g.Note(session.Event{
		Type: session.Ended, At: time.Now(), Began: began, Keys: v.keys, Asked: v.asked, Visited: v.visited, Reason: v.reason, Err: v.err,
		Caller: session.Caller{Transport: by, Addr: netip.AddrPortFrom(from, 1)},
	})
	return true
}

// scans has somebody come who speaks something else.
func (g *gate) scans(from netip.Addr, k Kind) bool {
	if !g.comes(from) {
		return false
	}
	g.Report(from, k)
	return true
}

// unharmed expects that nobody was refused or slowed.
func (g *gate) unharmed() {
	g.t.Helper()
	synctest.Wait()
	all, _ := g.Households(10)
	if len(g.bans.All()) > 0 || g.refused > 0 || g.slowed > 0 {
		g.t.Errorf("of honest callers %d are refused and %d slowed, %+v, %v", g.refused, g.slowed, all, g.bans.All())
	}
	for _, h := range all {
		if h.State != Watched {
			g.t.Errorf("%+v", h)
		}
	}
}

// A caller who is slow and clumsy calls for an evening: for 3 to 6 s, among them for 5.05,
// types a wrong code or half a key or nothing, and hangs up. Its emulator does not say who
// it is.
func TestClumsyCaller(t *testing.T) {
	for seed := range uint64(5) {
		in(t, Options{Rules: rules}, func(g *gate) {
			chance := rand.New(rand.NewPCG(seed, 0))
			for end := time.Now().Add(5 * time.Hour); time.Now().Before(end); {
				g.calls(somebody, "tcp", visit{
					lasts: []time.Duration{1, 3000, 3030, 4000, 5050, 6000}[chance.IntN(6)] * time.Millisecond,
					keys:  chance.Uint64N(12), asked: true,
					reason: []session.Reason{session.ReasonGone, session.ReasonDropped, session.ReasonFin}[chance.IntN(3)],
				})
				time.Sleep(time.Duration(chance.IntN(20000)) * time.Millisecond)
			}
			g.unharmed()
		})
	}
}

// Ten people come from one address, one of them by a dongle whose line breaks every 2 s
// for an hour, and one with a program that cannot even ask for a WebSocket.
func TestTenPeople(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for i := range 1800 {
			g.calls(somebody, "ws", visit{lasts: 1500 * time.Millisecond, reason: session.ReasonDropped})
			g.Report(somebody, Upgrade)
			if i%100 == 0 {
				for range 8 {
					g.calls(somebody, "telnet", visit{lasts: 3 * time.Second, keys: 5})
				}
			}
			time.Sleep(500 * time.Millisecond)
		}
		g.unharmed()
	})
}

// Somebody pastes 2,000 characters at line speed into one call after the other.
func TestPaste(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 200 {
			g.calls(somebody, "telnet", visit{lasts: 90 * time.Second, keys: 10 * 2000, asked: true})
		}
		g.unharmed()
	})
}

// Nor is somebody banned whose keyboard is a machine: it may be a service of its own.
func TestMachine(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 200 {
			g.calls(somebody, "telnet", visit{lasts: 11 * time.Minute, keys: 40 * 660})
		}
		g.unharmed()
		if n := g.Totals()[Typing]; n != 200 {
			t.Errorf("%d are noticed", n)
		}
	})
}

// A browser is opened on the telnet port by mistake, and reloaded three times. For each
// page it tries TLS and HTTP, twice, and asks for an icon.
func TestBrowser(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 4 {
			for _, k := range []Kind{"tls", "tls", "http", "http", "http"} {
				g.scans(somebody, k)
			}
			time.Sleep(2 * time.Second)
		}
		g.unharmed()
	})
}

// A monitor connects every 30 s for a week, and hangs up.
func TestMonitor(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 7 * 24 * 120 {
			g.calls(somebody, "telnet", visit{})
			time.Sleep(30 * time.Second)
		}
		g.unharmed()
	})
}

// Scanners of each kind are banned after so many connections.
func TestScanners(t *testing.T) {
	for opening, all := range openings {
		protocol, _ := Recognise([]byte(all[0]))
		in(t, Options{Rules: rules}, func(g *gate) {
			n := 0
			for ; g.scans(somebody, Kind(protocol)); n++ {
				time.Sleep(time.Second)
			}
			want := 11
			if opening == "http" || opening == "tls" {
				want = 51
			}
			if n != want || g.slowed == 0 {
				t.Errorf("a scanner for %s comes %d times, slowed %d", opening, n, g.slowed)
			}
			b, _ := g.bans.Find(somebody)
			if b.By != ban.ByShield || !strings.Contains(b.Reason, "openings of") || b.Network != policy.Household(somebody) {
				t.Errorf("it is banned: %+v", b)
			}
			if !g.log.Has("banned by the shield") {
				t.Errorf("the log says %s", g.log.String())
			}
		})
	}
}

// When more comes than can be weighed, that is told once a minute, and not each time.
func TestFlood(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		g.mu.Lock() // nothing is weighed
		for range 2 * maxQueue {
			g.Report(somebody, Short)
		}
		g.mu.Unlock()
		for range 10 {
			synctest.Wait()
			g.lost.Add(1)
			g.Report(somebody, Short)
		}
		time.Sleep(sweepTime)
		synctest.Wait()
		if told := strings.Count(g.log.String(), "more evidence came"); told != 1 {
			t.Errorf("it is told %d times: %s", told, g.log.String())
		}
	})
}

// Those who break rules in calls are banned, too.
func TestRuleBreakers(t *testing.T) {
	for by, words := range map[string]string{"telnet": "telnet negotiations", "telnets": "telnet negotiations", "ws": "broken frames", "wss": "broken frames"} {
		in(t, Options{Rules: rules}, func(g *gate) {
			n := 0
			for g.calls(somebody, by, visit{lasts: time.Second, reason: session.ReasonDropped, err: fmt.Errorf("%w: x", session.ErrProtocol)}) {
				n++
			}
			if b, _ := g.bans.Find(somebody); n > 22 || !strings.Contains(b.Reason, words) {
				t.Errorf("by %s it comes %d times, and is banned: %+v", by, n, b)
			}
		})
	}
	in(t, Options{Rules: rules}, func(g *gate) { // an opening that came later
		n := 0
		for g.calls(somebody, "tcp", visit{lasts: time.Second, reason: session.ReasonForeign, err: session.Foreign("ssh")}) {
			n++
		}
		if n > 12 {
			t.Errorf("it comes %d times", n)
		}
	})
}

// Who is banned again is banned for longer, and after a month as if for the first time.
// It is slowed when it comes back, and not banned at once for what it was banned for.
func TestGrowth(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		again := func(want time.Duration) {
			t.Helper()
			n := 0
			for g.scans(somebody, "ssh") {
				n++
			}
			b, _ := g.bans.Find(somebody)
			if got := b.Until.Sub(b.Since); got != want || n < 5 {
				t.Errorf("after %d it is banned for %v, not %v", n, got, want)
			}
			time.Sleep(time.Until(b.Until) + time.Second)
		}
		for _, want := range append(spans[:], spans[len(spans)-1]) {
			again(want)
		}
		time.Sleep(memoryTime)
		again(spans[0])
	})
}

// What is remembered stays in a file, and one that is damaged keeps nobody from working.
func TestMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shield.json")
	banned := func(want time.Duration, said string) {
		t.Helper()
		in(t, Options{Rules: rules, File: file}, func(g *gate) {
			for g.scans(somebody, "rdp") {
			}
			time.Sleep(2 * sweepTime)
			synctest.Wait()
			if b, _ := g.bans.Find(somebody); b.Until.Sub(b.Since) != want || !g.log.Has(said) {
				t.Errorf("it is banned %+v, and said: %s", b, g.log.String())
			}
		})
	}
	banned(spans[0], "")
	banned(spans[1], "")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	banned(spans[0], "earlier bans are forgotten")
	if data, err := os.ReadFile(file + ".damaged"); string(data) != "{" {
		t.Errorf("%v, set aside is %q", err, data)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	banned(spans[0], "not remembered after a restart")
}

// The memory is bounded; who was banned longest ago is forgotten.
func TestMemoryFull(t *testing.T) {
	var m memory
	m.open("", slog.New(slog.DiscardHandler))
	now, home := time.Now(), func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
	}
	for i := range maxMemory + 1 {
		m.next(home(i), now.Add(time.Duration(i)*time.Second))
	}
	if len(m.banned) != maxMemory || m.forget(home(0)) || !m.forget(home(1)) {
		t.Errorf("%d are remembered", len(m.banned))
	}
}

// Scores decay by their half-life, and then nothing is left of them.
func TestDecay(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 4 {
			g.scans(somebody, "ssh")
		}
		score := func(want float64) {
			t.Helper()
			synctest.Wait()
			if all, n := g.Households(10); len(all) != 1 || n != 1 || math.Abs(all[0].Score-want) > 0.001 || all[0].Evidence["ssh"] != 4 {
				t.Errorf("%+v, of %d, is not %v", all, n, want)
			}
		}
		score(40)
		time.Sleep(time.Hour)
		score(20)
		time.Sleep(time.Hour)
		score(10)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if all, n := g.Households(10); len(all) != 0 || n != 0 {
			t.Errorf("there is %+v", all)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.households) != 0 {
			t.Errorf("%d are kept", len(g.households))
		}
	})
}

// People speak for their household: what is among them is slowed, and not banned.
func TestTrust(t *testing.T) {
	for name, good := range map[string]visit{
		"long":  {lasts: longCall, keys: longKeys},
		"visit": {lasts: visitCall, keys: visitKeys, visited: []string{"ULLA"}, reason: session.ReasonFin},
	} {
		in(t, Options{Rules: rules}, func(g *gate) {
			g.calls(somebody, "telnet", good)
			for range 200 {
				g.scans(somebody, "ssh")
				time.Sleep(time.Minute)
			}
			synctest.Wait()
			if all, _ := g.Households(1); g.refused > 0 || g.slowed < 100 || all[0].State != Slowed || all[0].Trust < trustLeast {
				t.Errorf("%s: %d are refused, %d slowed, %+v", name, g.refused, g.slowed, all)
			}
			time.Sleep(10 * 24 * time.Hour)
			for g.scans(somebody, "ssh") {
			}
			if _, banned := g.bans.Find(somebody); !banned {
				t.Errorf("%s: trust is for ever", name)
			}
		})
	}
	for name, bad := range map[string]visit{
		"without keys": {lasts: time.Hour},
		"too short":    {lasts: longCall - 1, keys: 1000},
		"no visit":     {lasts: visitCall, keys: visitKeys},
		"foreign":      {lasts: longCall, keys: longKeys, reason: session.ReasonForeign, err: session.Foreign("ssh")},
	} {
		in(t, Options{Rules: rules}, func(g *gate) {
			for range 10 {
				g.calls(somebody, "telnet", bad)
			}
			synctest.Wait()
			g.mu.Lock()
			defer g.mu.Unlock()
			if h := g.households[policy.Household(somebody)]; h != nil && h.trust > 0 {
				t.Errorf("%s: it is trusted", name)
			}
		})
	}
}

// Whoever is never banned has no score, but is counted. So it is with callers that have
// no address.
func TestNever(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 1000 {
			g.scans(somebody, "ssh")
			g.Report(netip.Addr{}, "ssh")
		}
		g.unharmed()
		if all, _ := g.Households(1); len(all) > 0 || g.Totals()["ssh"] != 1000 {
			t.Errorf("it has %+v, counted %d", all, g.Totals()["ssh"])
		}
	}, "192.0.2.0/24")
}

// Nor has one that is left alone for another reason, and that may be banned.
func TestExempt(t *testing.T) {
	in(t, Options{Rules: rules, Exempt: func(a netip.Addr) bool { return a == somebody }}, func(g *gate) {
		for range 100 {
			g.scans(somebody, "ssh")
		}
		g.unharmed()
		for g.scans(netip.MustParseAddr("192.0.2.8"), "ssh") {
		}
	})
}

// A network that an operator never wants banned from now on is not slowed either.
func TestNeverSince(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 8 {
			g.scans(somebody, "ssh")
		}
		was := g.slowed
		g.bans.SetNever([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
		if g.comes(somebody); g.slowed != was || was == 0 {
			t.Errorf("it is slowed %d times, was %d", g.slowed, was)
		}
	})
}

// In observe mode the log says what would be, and nobody is harmed; when it is off,
// nothing is even seen.
func TestModes(t *testing.T) {
	observe := rules
	observe.Mode = Observe
	in(t, Options{Rules: observe}, func(g *gate) {
		for range 1000 {
			g.scans(somebody, "ssh")
		}
		synctest.Wait()
		all, _ := g.Households(1)
		if len(g.bans.All()) > 0 || g.refused > 0 || g.slowed > 0 || len(all) != 1 || all[0].State != Banned {
			t.Errorf("%d refused, %d slowed, %+v", g.refused, g.slowed, all)
		}
		if n := g.Count(); n[Banned] != 1 || n[Slowed] != 0 {
			t.Errorf("counted: %v", n)
		}
		for _, want := range []string{"would be slowed by the shield", "would be banned by the shield"} {
			if n := strings.Count(g.log.String(), want); n != 1 {
				t.Errorf("%d times it is said that it %s", n, want)
			}
		}
		off := rules
		off.Mode = Off
		g.Change(off)
		if _, ok := g.Recognise([]byte(openings["ssh"][0])); ok {
			t.Error("it looks")
		}
		before := g.Totals()
		g.Report(somebody, "ssh")
		if after := g.Totals(); after["ssh"] != before["ssh"] {
			t.Error("it counts")
		}
	})
}

// Callers of a household that is slowed wait, longer from one to the next; of a crowd
// some are told to come again. Whoever stops the gateway ends that.
func TestWait(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 6 {
			g.Report(somebody, "ssh")
		}
		synctest.Wait()
		for _, want := range []time.Duration{1, 2, 4, 4} {
			began := time.Now()
			if !g.Wait(somebody, nil) || time.Since(began) != want*time.Second {
				t.Errorf("it waits %v, not %v s", time.Since(began), want)
			}
		}
		began, quit, said := time.Now(), make(chan struct{}), make(chan bool)
		for range 3 * maxWaitingHome {
			go func() { said <- g.Wait(somebody, quit) }()
		}
		for range 2 * maxWaitingHome {
			if <-said {
				t.Error("too many wait")
			}
		}
		if !g.Wait(netip.MustParseAddr("192.0.2.8"), quit) || time.Since(began) > 0 {
			t.Error("others wait with them")
		}
		close(quit)
		for range maxWaitingHome {
			if !<-said {
				t.Error("who has waited is turned away")
			}
		}
		if g.waiting != 0 || time.Since(began) > 0 {
			t.Errorf("%d wait, after %v", g.waiting, time.Since(began))
		}
		time.Sleep(time.Hour)
		began = time.Now()
		if !g.Wait(somebody, nil) || time.Since(began) > 0 {
			t.Error("it is slowed for ever")
		}
	})
}

// Of all households together no more than so many callers wait.
func TestWaitAll(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		quit, said := make(chan struct{}), make(chan bool)
		for i := range maxWaiting + 10 {
			home := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
			for range 5 {
				g.Report(home, "ssh")
			}
			synctest.Wait()
			go func() { said <- g.Wait(home, quit) }()
		}
		for range 10 {
			if <-said {
				t.Error("too many wait")
			}
		}
		close(quit)
		for range maxWaiting {
			<-said
		}
	})
}

// Whom an operator forgives is as new, whatever was known, but for an operator's own ban.
func TestForgive(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for range 2 {
			for g.scans(somebody, "ssh") {
			}
			if err := g.Forgive(somebody); err != nil {
				t.Error(err)
			}
			if b, banned := g.bans.Find(somebody); banned {
				t.Errorf("it is banned: %v", b)
			}
		}
		for g.scans(somebody, "ssh") {
		}
		if b, _ := g.bans.Find(somebody); b.Until.Sub(b.Since) != spans[0] {
			t.Errorf("it is banned for %v", b.Until.Sub(b.Since))
		}
		mine := ban.Ban{Network: policy.Household(somebody), By: ban.ByOperator, Since: time.Now()}
		if _, err := g.bans.Add(mine); err != nil {
			t.Fatal(err)
		}
		if err := g.Forgive(somebody); err != nil {
			t.Error(err)
		}
		if _, banned := g.bans.Find(somebody); !banned {
			t.Error("an operator's ban is gone")
		}
		if err := g.Forgive(somebody); !errors.Is(err, ErrUnknown) {
			t.Errorf("nobody is forgiven: %v", err)
		}
	})
}

// An operator who unbans a household has it told as banned no more.
func TestUnbanned(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		for g.scans(somebody, "ssh") {
		}
		all, _ := g.Households(1)
		if len(all) != 1 || all[0].State != Banned || !time.Now().Before(all[0].Until) {
			t.Errorf("it is %+v", all)
		}
		if err := g.bans.Remove(policy.Household(somebody)); err != nil {
			t.Error(err)
		}
		if all, _ := g.Households(1); all[0].State == Banned || !all[0].Until.IsZero() {
			t.Errorf("it is %+v", all)
		}
	})
}

// Of more households than there may be, those are known of which there is most to know.
func TestBound(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in(t, Options{Rules: rules}, func(g *gate) {
			g.most = 20
			counts := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 200).Draw(r, "counts")
			for i, n := range counts {
				home := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
				for range n {
					g.Report(home, "http")
				}
			}
			synctest.Wait()
			g.mu.Lock()
			defer g.mu.Unlock()
			if len(g.households) > g.most {
				t.Errorf("%d are known", len(g.households))
			}
			slices.SortFunc(counts, func(a, b int) int { return b - a })
			if len(counts) > 0 && counts[0] > 0 {
				best := 0.0
				for _, h := range g.households {
					best = max(best, h.strong)
				}
				if best != float64(2*counts[0]) {
					t.Errorf("of %v the highest score is %v", counts, best)
				}
			}
		})
	})
}

// While nobody can be told what is new, of no more households is kept that it is than are
// known.
func TestNewsAreBound(t *testing.T) {
	in(t, Options{Rules: rules}, func(g *gate) {
		g.most = 20
		g.Share("self", func() {})
		for i := range 200 {
			g.Report(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), "http")
		}
		synctest.Wait()
		if all, more := g.News(1000); len(all) > g.most || more {
			t.Errorf("there are news of %d households", len(all))
		}
		g.Report(somebody, "http")
		time.Sleep(10 * rules.HalfLife)
		synctest.Wait()
		if all, _ := g.News(1000); len(all) != 0 {
			t.Errorf("there are news of %d households that are forgotten", len(all))
		}
	})
}

// However evidence comes, weak evidence alone slows nobody, scores are never negative, and
// a reason is one that a ban can have.
func TestScores(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in(t, Options{Rules: rules}, func(g *gate) {
			weak := rapid.Bool().Draw(r, "weak")
			for range rapid.IntRange(0, 100).Draw(r, "steps") {
				i := rapid.IntRange(0, len(kinds)-1).Draw(r, "kind")
				if weak && !kinds[i].weak {
					continue
				}
				if !weak && rapid.IntRange(0, 50).Draw(r, "good") == 0 {
					g.sight(somebody, goodCall)
				}
				g.Report(somebody, kinds[i].Kind)
				time.Sleep(time.Duration(rapid.IntRange(0, 600).Draw(r, "pause")) * time.Second)
			}
			synctest.Wait()
			all, _ := g.Households(1)
			for _, h := range all {
				if h.Score < 0 || weak && h.State != Watched {
					t.Errorf("%+v", h)
				}
			}
			if g.log.Has("cannot ban") {
				t.Error(g.log.String())
			}
		})
	})
}

// The longest reason there can be is one that a ban can have.
func TestWords(t *testing.T) {
	for skip := range len(kinds) {
		var all tally
		for i := range all[:len(all)-skip] {
			all[i] = 65535
		}
		if words := "score 1000000: " + all.words(); len(words) > ban.MaxReason {
			t.Errorf("%q has %d characters", words, len(words))
		}
	}
	var many tally
	for range 70000 {
		many.add(3)
	}
	if many[3] != 65535 {
		t.Errorf("it counts %d", many[3])
	}
}
