package limit

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nobody(netip.Addr) bool { return false }

var addr = netip.MustParseAddr

// Of each reason, who is refused and who is not.
func TestEnter(t *testing.T) {
	loopback := func(a netip.Addr) bool { return a.IsLoopback() }
	for _, test := range []struct {
		name  string
		rules Rules
		in    []string // come first, and are let in
		from  string
		want  Reason
	}{
		{"no rules", Rules{}, []string{"192.0.2.1", "192.0.2.1"}, "192.0.2.1", ""},
		{"full", Rules{Calls: 2}, []string{"192.0.2.1", "192.0.2.2"}, "192.0.2.3", Full},
		{"full for the exempt", Rules{Calls: 1}, []string{"192.0.2.1"}, "127.0.0.1", Full},
		{"household", Rules{HouseholdCalls: 1}, []string{"192.0.2.1"}, "192.0.2.1", HouseholdFull},
		{"mapped", Rules{HouseholdCalls: 1}, []string{"::ffff:192.0.2.1"}, "192.0.2.1", HouseholdFull},
		{"neighbour", Rules{HouseholdCalls: 1}, []string{"192.0.2.1"}, "192.0.2.2", ""},
		{"/64", Rules{HouseholdCalls: 1}, []string{"2001:db8::1"}, "2001:db8::2:2:2:2", HouseholdFull},
		{"next /64", Rules{HouseholdCalls: 1}, []string{"2001:db8::1"}, "2001:db8:0:1::1", ""},
		{"exempt", Rules{HouseholdCalls: 1, NetworkCalls: 1, HouseholdNewCalls: 1}, []string{"127.0.0.1", "127.0.0.1"}, "127.0.0.1", ""},
		{"/48", Rules{HouseholdCalls: 1, NetworkCalls: 2}, []string{"2001:db8::1", "2001:db8:0:1::1"}, "2001:db8:0:2::1", NetworkFull},
		{"next /48", Rules{NetworkCalls: 1}, []string{"2001:db8::1"}, "2001:db8:1::1", ""},
		{"/24", Rules{NetworkCalls: 2}, []string{"192.0.2.1", "192.0.2.2"}, "192.0.2.3", NetworkFull},
		{"household too fast", Rules{HouseholdNewCalls: 1}, []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"}, "192.0.2.1", HouseholdFast},
		{"others are not", Rules{HouseholdNewCalls: 1}, []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"}, "192.0.2.2", ""},
		{"all too fast", Rules{NewCalls: 1}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1", "192.0.2.5"}, "192.0.2.1", TooFast},
		{"a stranger in a crush", Rules{NewCalls: 1}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1", "192.0.2.5"}, "192.0.2.6", ""},
		{"the exempt in a crush", Rules{NewCalls: 1}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1", "192.0.2.5"}, "127.0.0.1", ""},
		{"a crush of strangers", Rules{NewCalls: 1}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9", "127.0.0.1"}, "192.0.2.10", TooFast},
		{"the exempt too fast", Rules{NewCalls: 1}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9", "127.0.0.1"}, "127.0.0.1", TooFast},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // all come at once
				s := New(test.rules, loopback)
				for _, a := range test.in {
					if _, refused := s.Enter(addr(a)); refused != "" {
						t.Fatalf("%s is refused: %s", a, refused)
					}
				}
				leave, refused := s.Enter(addr(test.from))
				if refused != test.want || (leave == nil) != (refused != "") {
					t.Errorf("%s is refused %q", test.from, refused)
				}
				if calls, _, _ := s.Count(); calls != len(test.in)+map[bool]int{true: 1}[refused == ""] {
					t.Errorf("%d calls are counted", calls)
				}
			})
		})
	}
}

// Five seconds' worth may come at once, and then so many a second; a household that was
// refused has cost the others nothing, and one that has been quiet is as good as new.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Rules{NewCalls: 40, HouseholdNewCalls: 20, HouseholdRequests: 10}, nobody)
		come := func(a string, times int) (in int) {
			for range times {
				if leave, refused := s.Enter(addr(a)); refused == "" {
					in++
					leave()
				}
			}
			return in
		}
		expect := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d of %d come in", what, got, want)
			}
		}
		expect("at once", come("192.0.2.1", 1000), 100)
		expect("of another household", come("192.0.2.2", 1000), 100)
		expect("when that was all, for who has not called", come("192.0.2.3", 1000), 1)
		time.Sleep(time.Second)
		expect("a second later", come("192.0.2.1", 1000), 20)
		expect("and of another", come("192.0.2.3", 1000), 20)
		time.Sleep(time.Hour)
		expect("an hour later", come("192.0.2.1", 1000), 100)
		asked := 0
		for range 1000 {
			if s.Ask(addr("192.0.2.1")) {
				asked++
			}
		}
		expect("requests", asked, 50)
		time.Sleep(100 * time.Millisecond)
		if !s.Ask(addr("192.0.2.1")) || s.Ask(addr("192.0.2.1")) {
			t.Error("after 100 ms there is not one request more")
		}
		time.Sleep(time.Hour)
		s.Ask(addr("203.0.113.1"))
		s.Ask(addr("203.0.113.2"))
		if n := len(s.parties); n > 4 {
			t.Errorf("%d parties are remembered", n)
		}
	})
}

// A crowd whose calls come and go keeps nobody out whose calls last, nor who has not called.
func TestCrush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Rules{NewCalls: 20, HouseholdNewCalls: 20}, nobody)
		crowd := func() {
			for i := range 1000 {
				if leave, refused := s.Enter(netip.AddrFrom4([4]byte{203, 0, byte(i % 10), byte(i % 50)})); refused == "" {
					leave()
				}
			}
		}
		enters := func(a string, want Reason) (leave func()) {
			t.Helper()
			leave, refused := s.Enter(addr(a))
			if refused != want {
				t.Errorf("%s is refused %q, not %q", a, refused, want)
			}
			if leave == nil {
				return func() {}
			}
			return leave
		}
		enters("192.0.2.1", "")() // by a mistake, say
		crowd()
		enters("192.0.2.1", TooFast)
		stays := enters("192.0.2.2", "")
		enters("192.0.2.2", TooFast) // as yet nobody knows
		time.Sleep(aWhile)
		crowd()
		second := enters("192.0.2.2", "") // of a household that is there
		stays()
		second()
		for range 3 { // minutes, in all of which they hang up and call again
			time.Sleep(time.Minute)
			crowd()
			enters("192.0.2.2", "")()
		}
		enters("192.0.2.2", TooFast) // which they may not for ever
		time.Sleep(briefPast)
		crowd()
		enters("192.0.2.1", "")()
		for range 30 {
			leave := enters("192.0.2.2", "")
			time.Sleep(aWhile)
			crowd()
			leave()
		}
		for range maxCredit {
			enters("192.0.2.2", "")()
		}
		enters("192.0.2.2", TooFast)
		time.Sleep(time.Hour)
		s.Ask(addr("203.0.113.1"))
		s.Ask(addr("203.0.113.1"))
		for range 1000 {
			s.Ask(addr("203.0.113.2"))
		}
		if n := len(s.parties); n > 4 {
			t.Errorf("%d parties are remembered", n)
		}
	})
}

// Lower limits cut nobody, and refuse the next.
func TestChange(t *testing.T) {
	s := New(Rules{}, nobody)
	leave, _ := s.Enter(addr("192.0.2.1"))
	again, _ := s.Enter(addr("192.0.2.1"))
	s.Change(Rules{Calls: 1, HouseholdCalls: 1})
	if _, refused := s.Enter(addr("192.0.2.9")); refused != Full {
		t.Errorf("refused %q", refused)
	}
	leave()
	leave()
	leave()
	if calls, _, most := s.Count(); calls != 1 || most != 1 {
		t.Errorf("%d calls of %d", calls, most)
	}
	again()
	if _, refused := s.Enter(addr("192.0.2.1")); refused != "" {
		t.Errorf("refused %q", refused)
	}
}

// Whatever comes and leaves in whatever order, the counts are what a simple model says,
// they never fall below zero, and when all have left they are zero.
func TestCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := Rules{
			Calls: rapid.IntRange(0, 12).Draw(t, "calls"), HouseholdCalls: rapid.IntRange(0, 4).Draw(t, "household"),
			NetworkCalls: rapid.IntRange(0, 6).Draw(t, "network"), Arriving: rapid.IntRange(0, 8).Draw(t, "arriving"),
			HouseholdArriving: rapid.IntRange(0, 4).Draw(t, "household arriving"),
		}
		s := New(rules, nobody)
		type call struct {
			from  netip.Addr
			leave func()
		}
		type guest struct {
			from netip.Addr
			left func()
			out  bool
		}
		var calls, gone []call
		var guests []*guest
		from := rapid.Custom(func(t *rapid.T) netip.Addr {
			return addr(fmt.Sprintf("2001:db8:%d:%d::%d", rapid.IntRange(0, 2).Draw(t, "n"), rapid.IntRange(0, 2).Draw(t, "h"), rapid.IntRange(0, 2).Draw(t, "a")))
		})
		most := func(n, limit int) bool { return limit > 0 && n >= limit }
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				a, h, n := from.Draw(t, "from"), 0, 0
				for _, c := range calls {
					if policy.Household(c.from) == policy.Household(a) {
						h++
					}
					if Network(c.from) == Network(a) {
						n++
					}
				}
				want := Reason("")
				switch {
				case most(len(calls), rules.Calls):
					want = Full
				case most(h, rules.HouseholdCalls):
					want = HouseholdFull
				case most(n, rules.NetworkCalls):
					want = NetworkFull
				}
				leave, got := s.Enter(a)
				if got != want {
					t.Fatalf("%v is refused %q, not %q", a, got, want)
				}
				if got == "" {
					calls = append(calls, call{a, leave})
				}
			},
			"leave": func(t *rapid.T) {
				if len(calls) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(calls)-1).Draw(t, "who")
				calls[i].leave()
				gone = append(gone, calls[i])
				calls = append(calls[:i], calls[i+1:]...)
			},
			"leave again": func(t *rapid.T) {
				if len(gone) == 0 {
					t.Skip()
				}
				gone[rapid.IntRange(0, len(gone)-1).Draw(t, "who")].leave()
			},
			"arrive": func(t *rapid.T) {
				g := &guest{from: from.Draw(t, "from")}
				g.left = s.Arrive(g.from, func() {
					if g.out {
						t.Fatalf("%v has to go twice", g.from)
					}
					g.out = true
				})
				guests = append(guests, g)
			},
			"is a call": func(t *rapid.T) {
				if len(guests) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(guests)-1).Draw(t, "who")
				guests[i].left()
				guests = append(guests[:i], guests[i+1:]...)
			},
			"": func(t *rapid.T) {
				there, of, late := 0, map[netip.Prefix]int{}, map[netip.Prefix]bool{}
				for _, g := range guests {
					home := policy.Household(g.from)
					if g.out {
						if rules.Arriving == 0 && late[home] {
							t.Fatalf("%v had to go, and is not the oldest of its household", g.from)
						}
						continue
					}
					late[home] = true
					there++
					of[home]++
				}
				n, arriving, _ := s.Count()
				if n != len(calls) || arriving != there {
					t.Fatalf("%d calls are counted of %d, %d arriving of %d", n, len(calls), arriving, there)
				}
				if len(s.arriving.of) != len(of) || rules.Arriving > 0 && there > rules.Arriving {
					t.Fatalf("%d arriving, of %v", there, s.arriving.of)
				}
				for home, n := range of {
					if s.arriving.of[home] != n || rules.HouseholdArriving > 0 && n > rules.HouseholdArriving {
						t.Fatalf("of %v there are %d, counted %d", home, n, s.arriving.of[home])
					}
				}
			},
		})
		for _, c := range calls {
			c.leave()
		}
		for _, g := range guests {
			g.left()
		}
		s.Ask(addr("192.0.2.1"))
		if n, arriving, _ := s.Count(); n != 0 || arriving != 0 || len(s.Usage().Busiest) != 0 || len(s.arriving.of) != 0 {
			t.Fatalf("%d calls and %d arriving are left", n, arriving)
		}
		idle := 0
		for at := s.idle.first; at != nil; at = at.next {
			idle++
		}
		if idle != s.idle.n || idle != len(s.parties) {
			t.Fatalf("%d parties, %d idle, counted %d", len(s.parties), idle, s.idle.n)
		}
	})
}

// nth returns an address of a household of its own, and every 65536 of a network.
func nth(i int) netip.Addr {
	var b [16]byte
	b[0] = 0x20
	binary.BigEndian.PutUint64(b[:], 0x2001<<48|uint64(i))
	return netip.AddrFrom16(b)
}

// A million households, faster than they can be forgotten, take bounded memory, and do no
// harm to who was there: an honest household keeps its calls, and may have more.
func TestMillionHouseholds(t *testing.T) {
	s := New(Rules{Calls: 1000, HouseholdCalls: 10, NetworkCalls: 100_000, HouseholdNewCalls: 1, HouseholdRequests: 1}, nobody)
	honest := addr("192.0.2.1")
	leave, _ := s.Enter(honest)
	before, peak := used(), 0
	for i := range households {
		out, refused := s.Enter(nth(i))
		if refused != "" {
			t.Fatalf("household %d is refused: %s", i, refused)
		}
		out()
		peak = max(peak, len(s.parties))
	}
	took := used() - before
	t.Logf("%d parties at most, %d bytes, %d each", peak, took, took/peak)
	if peak > maxIdle+16 || took > 8<<20 {
		t.Errorf("%d parties take %d bytes", peak, took)
	}
	if s.parties[policy.Household(honest)].calls != 1 {
		t.Error("the honest household is forgotten")
	}
	if _, refused := s.Enter(honest); refused != "" {
		t.Errorf("the honest household is refused: %s", refused)
	}
	leave()
	runtime.KeepAlive(s)
}

// Calls of as many households take bounded memory each.
func TestMemory(t *testing.T) {
	const n = 20_000
	s := New(Rules{HouseholdNewCalls: 20}, nobody)
	var leaves [n]func()
	before := used()
	for i := range n {
		leaves[i], _ = s.Enter(nth(i << 16)) // and a network each
	}
	each := (used() - before) / n
	t.Logf("%d bytes for a call of a household and a network of its own", each)
	if each > 700 {
		t.Errorf("a call takes %d bytes", each)
	}
	for _, leave := range leaves {
		leave()
	}
}

func used() int {
	for range 2 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse)
}

func TestUsage(t *testing.T) {
	s := New(Rules{Calls: 1000}, nobody)
	for i := range 20 {
		for range i {
			s.Enter(netip.AddrFrom4([4]byte{10, byte(i), 0, 1}))
		}
	}
	s.Enter(addr("10.19.0.2"))
	left := s.Arrive(addr("192.0.2.1"), func() {})
	u := s.Usage()
	if u.Calls != 191 || u.Arriving != 1 || len(u.Busiest) != maxShares || u.Rules.Calls != 1000 {
		t.Errorf("usage is %+v", u)
	}
	if got := fmt.Sprint(u.Busiest[:3]); got != "[{10.19.0.0/24 20 0} {10.19.0.1/32 19 0} {10.18.0.1/32 18 0}]" {
		t.Errorf("the busiest are %s", got)
	}
	left()
}

func TestFitting(t *testing.T) {
	for _, test := range []struct{ descriptors, each, calls, arriving int }{
		{0, 3, manyCall, manyHere},
		{16, 3, 0, 1},
		{256, 3, 56, 24},
		{1024, 2, 420, 120},
		{1024, 3, 280, 120},
		{65536, 2, 30688, 4096},
		{1 << 20, 2, manyCall, manyHere},
	} {
		calls, arriving := Fitting(test.descriptors, test.each)
		if calls != test.calls || arriving != test.arriving {
			t.Errorf("of %d descriptors, %d a call, fit %d calls and %d arriving", test.descriptors, test.each, calls, arriving)
		}
		if test.descriptors > spare+8 && spare+calls*test.each+arriving > test.descriptors {
			t.Errorf("%d descriptors are not enough for that", test.descriptors)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	for name, households := range map[string]int{"one": 1, "million": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			s := New(Rules{Calls: 1000, HouseholdCalls: 100, NetworkCalls: 400, NewCalls: 1 << 30, HouseholdNewCalls: 1 << 30}, nobody)
			b.ReportAllocs()
			for i := range b.N {
				leave, _ := s.Enter(nth(i % households))
				leave()
			}
		})
	}
}

func BenchmarkArrive(b *testing.B) {
	s := New(Rules{Arriving: 4096, HouseholdArriving: 100}, nobody)
	for i := range 4096 {
		s.Arrive(nth(i<<16), func() {})
	}
	b.ReportAllocs()
	for i := range b.N {
		s.Arrive(nth(i), func() {})
	}
}
