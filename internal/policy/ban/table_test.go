package ban

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"moip/internal/policy"
)

// naive is the Table that cannot be wrong: every ban is looked at.
type naive map[netip.Prefix]Ban

func (n naive) find(a netip.Addr, now time.Time) (found Ban, ok bool) {
	for network, b := range n {
		if network.Contains(a.Unmap()) && b.HoldsAt(now) && (!ok || network.Bits() > found.Network.Bits()) {
			found, ok = b, true
		}
	}
	return found, ok
}

func (n naive) all(now time.Time) (bans []Ban) {
	for _, b := range n {
		if b.HoldsAt(now) {
			bans = append(bans, b)
		}
	}
	slices.SortFunc(bans, func(x, y Ban) int {
		return cmp.Or(x.Network.Addr().Compare(y.Network.Addr()), x.Network.Bits()-y.Network.Bits())
	})
	return bans
}

// drawNetwork draws from few networks, so that they lie in one another.
func drawNetwork(t *rapid.T) netip.Prefix {
	a := drawAddress(t)
	p, err := policy.Normal(netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")))
	if err != nil {
		t.Skip() // of mapped addresses not all prefixes can be had
	}
	return p
}

func drawAddress(t *rapid.T) netip.Addr {
	bit := rapid.SampledFrom([]byte{0, 1, 128})
	last := bit.Draw(t, "last")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return netip.AddrFrom16([16]byte{0x20, 1, bit.Draw(t, "site"), 15: last})
	case 1:
		return netip.AddrFrom16([16]byte{10: 255, 11: 255, 12: 192, 14: 2, 15: last})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2 + bit.Draw(t, "third"), last})
}

// A Table is what a list is that is gone through, whatever happens to it, and one that
// was kept does not change.
func TestTableProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, list, now := Table{}, naive{}, time.Unix(1e9, 0).UTC()
		kept, keptList, keptAt := table, naive{}, now
		t.Repeat(map[string]func(*rapid.T){
			"ban": func(t *rapid.T) {
				b := Ban{Network: drawNetwork(t), By: ByOperator, Since: now, Reason: fmt.Sprint(len(list))}
				if d := rapid.IntRange(0, 20).Draw(t, "for"); d > 0 {
					b.Until = now.Add(time.Duration(d) * time.Second)
				}
				table, list[b.Network] = table.With(b), b
			},
			"unban": func(t *rapid.T) {
				network := drawNetwork(t)
				table = table.Without(network)
				delete(list, network)
			},
			"wait":  func(*rapid.T) { now = now.Add(time.Second) },
			"sweep": func(*rapid.T) { table = table.Swept(now) },
			"keep":  func(*rapid.T) { kept, keptList, keptAt = table, maps.Clone(list), now },
			"find": func(t *rapid.T) {
				a := drawAddress(t)
				got, banned := table.Find(a, now)
				if want, known := list.find(a, now); banned != known || got != want {
					t.Fatalf("%v is kept out by %v, %+v; it should be by %v, %+v", a, banned, got, known, want)
				}
			},
			"get": func(t *rapid.T) {
				network := drawNetwork(t)
				got, banned := table.Get(network, now)
				if want, known := list[network]; banned != (known && want.HoldsAt(now)) || banned && got != want {
					t.Fatalf("%v is %v, %+v", network, banned, got)
				}
			},
			"": func(t *rapid.T) {
				if got, want := slices.Collect(table.All(now)), list.all(now); !slices.Equal(got, want) {
					t.Fatalf("there are\n%+v, not\n%+v", got, want)
				}
				if got, want := slices.Collect(kept.All(keptAt)), keptList.all(keptAt); !slices.Equal(got, want) {
					t.Fatalf("in what was kept there are\n%+v, not\n%+v", got, want)
				}
			},
		})
	})
}

func TestTableOddities(t *testing.T) {
	now := time.Now()
	table := Table{}.With(Ban{Network: netip.MustParsePrefix("fe80::/64")}).With(Ban{Network: netip.MustParsePrefix("0.0.0.0/0")})
	for address, want := range map[string]bool{"fe80::1%eth0": true, "::ffff:192.0.2.1": true, "192.0.2.1": true, "2001:db8::1": false, "::1": false} {
		if _, banned := table.Find(netip.MustParseAddr(address), now); banned != want {
			t.Errorf("%s is banned: %v", address, banned)
		}
	}
	for _, none := range []Table{{}, table} {
		if b, banned := none.Find(netip.Addr{}, now); banned {
			t.Errorf("who has no address is banned: %+v", b)
		}
	}
	for range (Table{}).All(now) {
		t.Error("there are bans in no table")
	}
}

// many returns a Table of n bans, two thirds of them of IPv4 addresses.
func many(n int) Table {
	random, table, now := rand.New(rand.NewPCG(1, 2)), Table{}, time.Now()
	table.bans = table.tree()
	for table.Len() < n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}), 32)
		if table.Len()%3 == 0 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}), 64)
		}
		table.bans.Insert(p.Masked(), &Ban{Network: p.Masked(), Reason: "PyMoIP", By: ByImport, Since: now, Until: now.Add(time.Hour)})
	}
	return table
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{0, 1000, 100_000, Max} {
		before := heap()
		table := many(n)
		size := heap() - before
		l := &List{now: time.Now}
		l.SetNever(nil)
		l.table.Store(&table)
		var banned, others []netip.Addr
		for network := range table.tree().All() {
			if len(banned) < 4096 && rand.IntN(n/1000+1) == 0 {
				banned = append(banned, network.Addr())
			}
		}
		for range 4096 {
			others = append(others, netip.AddrFrom4([4]byte{192, 0, byte(rand.Uint32()), byte(rand.Uint32())}))
		}
		for name, addresses := range map[string][]netip.Addr{"banned": banned, "others": others} {
			b.Run(fmt.Sprint(n, "/", name), func(b *testing.B) {
				if len(addresses) == 0 {
					b.Skip("nobody is")
				}
				b.ReportAllocs()
				b.ReportMetric(float64(size)/float64(max(n, 1)), "B/ban")
				for i := range b.N {
					l.Find(addresses[i%len(addresses)])
				}
			})
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkAdd(b *testing.B) {
	table := many(100_000)
	l, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	l.table.Store(&table)
	for i := range b.N {
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{9, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		if _, err := l.Add(Ban{Network: network, By: ByShield, Since: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}
