package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moip/internal/session"
	"moip/internal/tariff"
)

const million = 1_000_000

// ninety days of calls, from end backwards: some callers come often and some services
// are dear to many.
const ninetyDays = 90 * 24 * time.Hour

// filled returns a history of n calls that ended before now, each with a visit or two.
func filled(t testing.TB, path string, n int, now time.Time, o Options) *History {
	t.Helper()
	s, err := openStore(path, o)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	began := now.Add(-ninetyDays)
	step := ninetyDays / time.Duration(n+1)
	var batch []change
	for i := range n {
		began = began.Add(step)
		c := &call{row: new(row), key: micro(began)}
		c.number, c.caller = session.ID(i+1), session.Caller{Transport: pick(r, "ws", "ws", "ws", "telnet", "tcp"), Addr: address(r)}
		c.in, c.out, c.ended = 500, 50_000, micro(began.Add(5*time.Minute))
		c.reason = session.Reason(pick(r, "gone", "gone", "gone", "fin", "fin", "idle"))
		if i%10_000 == 17 {
			c.reason = session.ReasonNoPortal
		}
		for v := range r.IntN(3) {
			from := began.Add(time.Duration(v) * time.Minute)
			c.visits = append(c.visits, visit{
				service: service(r), began: micro(from), ended: micro(from.Add(50 * time.Second)), in: 100, out: 10_000, reason: session.ReasonFin,
				seconds: 50, palier: "36 15", cost: 10_000 + tariff.Money(r.IntN(100)), currency: "F",
			})
		}
		if batch = append(batch, c.take()); len(batch) == 2000 || i == n-1 {
			if err := s.save(batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	h, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// address returns one of many, most of them IPv4, some far more often than others.
func address(r *rand.Rand) netip.AddrPort {
	n := uint32(r.ExpFloat64() * 4000)
	if n%7 == 0 {
		as16 := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint32(as16[4:], n)
		return netip.AddrPortFrom(netip.AddrFrom16(as16), 40_000)
	}
	var as4 [4]byte
	binary.BigEndian.PutUint32(as4[:], 0x0a000000+n*977)
	return netip.AddrPortFrom(netip.AddrFrom4(as4), 40_000)
}

// service returns SERVICE0 half of the time, and others ever less often; one in some
// ten thousand is RARE.
func service(r *rand.Rand) string {
	if r.IntN(20_000) == 0 {
		return "RARE"
	}
	return fmt.Sprintf("SERVICE%d", int(r.ExpFloat64()*3/2))
}

// BenchmarkMillion asks a history of a million calls. It takes minutes to be made.
func BenchmarkMillion(b *testing.B) {
	path := os.Getenv("MOIP_HISTORY") // made there if it is missing, for next time
	if path == "" {
		path = filepath.Join(b.TempDir(), "history.db")
	}
	now := time.Now()
	var h *History
	if _, err := os.Stat(path); err == nil {
		if h, err = Open(path, Options{}); err != nil {
			b.Fatal(err)
		}
	} else {
		h = filled(b, path, million, now, Options{Node: "bench"})
		b.Logf("made in %v", time.Since(now))
	}
	defer h.Close()
	if info, err := os.Stat(path); err == nil {
		b.Logf("%d MB", info.Size()>>20)
	}
	newest, err := h.Records(b.Context(), Query{Limit: 1})
	if err != nil || len(newest) == 0 {
		b.Fatal(newest, err)
	}
	end := newest[0].Began
	deep := micro(end.Add(-ninetyDays / 2))
	for _, test := range []struct {
		name string
		q    Query
	}{
		{"newest", Query{}},
		{"a thousand", Query{Limit: MaxRecords}},
		{"deep page", Query{Before: deep}},
		{"a day", Query{Since: end.Add(-48 * time.Hour), Until: end.Add(-24 * time.Hour), Limit: MaxRecords}},
		{"one address", Query{From: netip.MustParsePrefix("10.3.208.144/32"), Limit: MaxRecords}},
		{"narrow network", Query{From: netip.MustParsePrefix("10.3.0.0/20"), Limit: MaxRecords}},
		{"wide network", Query{From: netip.MustParsePrefix("10.0.0.0/8"), Limit: MaxRecords}},
		{"IPv6 network", Query{From: netip.MustParsePrefix("2001:db8::/32"), Limit: MaxRecords}},
		{"no address", Query{From: netip.MustParsePrefix("192.0.2.0/24")}},
		{"dear service", Query{Service: "service0", Limit: MaxRecords}},
		{"rare service", Query{Service: "RARE", Limit: MaxRecords}},
		{"no service", Query{Service: "NOWHERE"}},
		{"transport", Query{Transport: "tcp", Limit: MaxRecords}},
		{"no transport", Query{Transport: "serial"}},
		{"frequent reason", Query{Reason: "gone", Limit: MaxRecords}},
		{"rare reason", Query{Reason: "noportal", Limit: MaxRecords}},
		{"dear service, rare reason", Query{Service: "SERVICE0", Reason: "noportal"}},
		{"wide network, rare reason", Query{From: netip.MustParsePrefix("10.0.0.0/8"), Reason: "noportal", Limit: MaxRecords}},
		{"all at once", Query{From: netip.MustParsePrefix("10.0.0.0/8"), Service: "SERVICE0", Transport: "ws", Reason: "idle", Since: end.Add(-60 * 24 * time.Hour), Before: deep}},
	} {
		b.Run(test.name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				all, err := h.Records(context.Background(), test.q)
				if err != nil {
					b.Fatal(err)
				}
				found = len(all)
			}
			b.ReportMetric(float64(found), "records")
		})
	}
	for _, test := range []struct {
		name string
		q    Query
	}{
		{"totals", Query{}},
		{"totals of a day", Query{Since: end.Add(-24 * time.Hour)}},
		{"totals of a service", Query{Service: "SERVICE0"}},
		{"totals of a network", Query{From: netip.MustParsePrefix("10.0.0.0/8")}},
	} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Totals(context.Background(), test.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
