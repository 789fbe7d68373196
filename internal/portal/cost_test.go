package portal_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/directory"
	"moip/internal/portal"
	"moip/internal/session"
	"moip/internal/tariff"
	"moip/videotex"
)

// priced is a directory of ten services with tariffs of all kinds.
func priced(r *rand.Rand) string {
	var s strings.Builder
	for i := range 10 {
		fmt.Fprintf(&s, "[[service]]\ncode = 'S%d'\nurl = 'tcp://s.example:1'\n", i)
		fmt.Fprintf(&s, "tariff = { connection = %d.%02d, minute = %d.%04d", r.IntN(10), r.IntN(100), r.IntN(60), r.IntN(10000))
		if r.IntN(2) == 0 {
			fmt.Fprintf(&s, ", free = '%ds'", 1+r.IntN(300))
		}
		fmt.Fprintf(&s, ", currency = '%s' }\n", []string{"F", "EUR"}[r.IntN(2)])
	}
	return s.String()
}

// Whatever callers do, the cost shown on row 00 never decreases during a visit
// and is not shown more often than every few seconds; what is recorded is the
// tariff times the time, and the receipt adds up to it.
func TestCost(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		file := filepath.Join(t.TempDir(), "services.toml")
		if err := os.WriteFile(file, []byte(priced(r)), 0o666); err != nil {
			t.Fatal(err)
		}
		book, err := directory.Open(directory.Options{Path: file})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) { stays(t, r, book) })
	}
}

// nobody takes no orders.
type nobody struct{}

func (nobody) Redirect(session.ID, session.Route) error { return session.ErrOver }

// stays plays one call with visits at random.
func stays(t *testing.T, r *rand.Rand, book *directory.Book) {
	records := &books{}
	p := portal.New(portal.Options{Board: nobody{}, Book: book, Ledger: records, Log: slog.New(slog.DiscardHandler)})
	event := func(e session.EventType, s directory.Service, why session.Reason) {
		p.Event(session.Event{Call: 1, At: time.Now(), Type: e, Route: s.Route, Reason: why,
			Caller: session.Caller{Transport: "tcp", Addr: netip.MustParseAddrPort("192.0.2.1:1")}})
	}
	event(session.Began, directory.Service{}, "")
	desk, err := p.Dial(context.Background(), 1, session.Route{})
	if err != nil {
		t.Fatal(err)
	}
	bills := &bills{t: t, screen: videotex.NewScreen()}
	var watching sync.WaitGroup
	watching.Go(func() { bills.watch(desk) })

	var total tariff.Sum
	for range 1 + r.IntN(6) {
		s := book.Directory().Services()[r.IntN(10)]
		event(session.Redirecting, s, "")
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		bills.begins()
		event(session.Redirected, s, "")
		stay := time.Duration(r.Int64N(int64(20 * time.Minute)))
		time.Sleep(stay)
		synctest.Wait()
		bills.ends()
		event(session.Returned, s, session.ReasonFin)
		synctest.Wait()
		all := records.read()
		last := all[len(all)-1]
		if want := s.Tariff.Cost(stay); last.Cost != want || last.To.Sub(last.From) != stay || last.Currency != s.Tariff.Currency {
			t.Errorf("%v at %v: recorded %+v, want a cost of %v", stay, s.Tariff, last, want)
		}
		total.Add(last.Cost, last.Currency)
		if got := bills.row(0); !strings.HasSuffix(got, total.String()) {
			t.Errorf("the call has cost %v, and row 00 says %q", &total, got)
		}
		time.Sleep(time.Duration(r.IntN(60)) * time.Second)
	}
	desk.Send([]byte("\x13\x49"))
	watching.Wait()
	if got := bills.screen.String(); !strings.Contains(got, total.String()) {
		t.Errorf("the call has cost %v, and the receipt is\n%s", &total, got)
	}
	event(session.Ended, directory.Service{}, session.ReasonFin)
}

// bills are what a caller sees on row 00.
type bills struct {
	t *testing.T

	mu      sync.Mutex
	screen  *videotex.Screen
	during  bool // a visit
	shown   time.Time
	highest tariff.Money
}

func (b *bills) watch(desk session.Endpoint) {
	for {
		p, err := desk.Receive()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.screen.Write(p)
		if b.during {
			b.check()
		}
		b.mu.Unlock()
	}
}

// check looks at what has just been shown.
func (b *bills) check() {
	row := strings.TrimSpace(strings.Split(b.screen.String(), "\n")[0])
	fields := strings.Fields(row)
	if len(fields) < 3 {
		if !strings.HasSuffix(row, "gratuit") {
			b.t.Errorf("row 00 says %q", row)
		}
		return
	}
	var cost tariff.Money
	amount := strings.Join(fields[1:len(fields)-1], "") // thousands are apart
	if err := cost.UnmarshalJSON([]byte(strings.Replace(amount, ",", ".", 1))); err != nil {
		b.t.Errorf("row 00 says %q: %v", row, err)
	}
	if cost < b.highest {
		b.t.Errorf("the cost falls from %v to %v", b.highest, cost)
	}
	if since := time.Since(b.shown); !b.shown.IsZero() && since < 3*time.Second {
		b.t.Errorf("the cost is shown again after %v", since)
	}
	b.highest, b.shown = cost, time.Now()
}

func (b *bills) begins() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.during, b.highest, b.shown = true, 0, time.Time{}
}

func (b *bills) ends() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.during = false
}

func (b *bills) row(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.TrimRight(strings.Split(b.screen.String(), "\n")[n], " ")
}
