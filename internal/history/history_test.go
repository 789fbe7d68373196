package history

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"moip/internal/ledger"
	"moip/internal/session"
	"moip/internal/tariff"
	"moip/internal/testkit/logtest"
	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("MOIP_HISTORY_WRITER"); path != "" {
		writeForEver(path)
	}
	goleak.VerifyTestMain(m)
}

// opens opens a history, whose log is returned with it.
func opens(t *testing.T, path string, o Options) (*History, *logtest.Log) {
	t.Helper()
	log := new(logtest.Log)
	o.Log = log.Logger()
	h, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h, log
}

func closes(t *testing.T, h *History) {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// records returns what there is, soon: want is how many there must be.
func records(t *testing.T, h *History, q Query, want int) []Record {
	t.Helper()
	for late := time.Now().Add(soon.Patience); ; time.Sleep(20 * time.Millisecond) {
		all, err := h.Records(context.Background(), q)
		if err == nil && len(all) == want {
			return all
		}
		if time.Now().After(late) {
			t.Fatalf("%+v finds %d, not %d; %v", q, len(all), want, err)
		}
	}
}

// healthy has a database checked.
func healthy(t *testing.T, path string) {
	t.Helper()
	db, err := openDB(path, "mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the database is %q, %v", verdict, err)
	}
}

var start = time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)

// A story is a call, told event by event.
type story struct {
	h *History
	e session.Event
}

func begins(h *History, number session.ID, began time.Time, who session.Caller) *story {
	s := &story{h: h, e: session.Event{Call: number, Caller: who, Began: began}}
	s.at(0, session.Began, "", "")
	return s
}

// at has something happen so long after the beginning, each time with ten bytes more from
// the caller and a thousand more for him.
func (s *story) at(after time.Duration, kind session.EventType, service string, why session.Reason) {
	s.e.At, s.e.Type, s.e.Route, s.e.Reason = s.e.Began.Add(after), kind, session.Route{Name: service}, why
	s.h.Note(s.e)
	s.e.In, s.e.Out = s.e.In+10, s.e.Out+1000
}

func (s *story) visits(from, to time.Duration, service string, cost tariff.Money, currency string, why session.Reason) {
	s.at(from, session.Redirecting, service, "")
	s.at(from, session.Redirected, service, "")
	s.h.Enter(ledger.Record{Call: s.e.Call, Seconds: int64((to - from).Seconds()), Palier: "36 15", Cost: cost, Currency: currency})
	s.at(to, session.Returned, service, why)
}

func caller(address string) session.Caller {
	if address == "" {
		return session.Caller{Transport: "serial"}
	}
	return session.Caller{Transport: "ws", Addr: netip.MustParseAddrPort(address)}
}

func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?%#.db")
	h, _ := opens(t, path, Options{Node: "quimper"})
	s := begins(h, 7, start, caller("[::ffff:203.0.113.9]:52114"))
	s.e.Identity = [3]byte{'C', 'u', '<'}
	s.visits(2*time.Second, 127*time.Second, "ULLA", 26800, "", session.ReasonFin)
	s.visits(130*time.Second, 131*time.Second, "TEASER", 1200, "EUR", session.ReasonClosed)
	s.at(140*time.Second, session.Redirecting, "AWAY", "")
	s.at(141*time.Second, session.Returned, "AWAY", session.ReasonRefused) // no visit
	s.at(150*time.Second, session.Redirected, "ws://own.example", "")
	s.e.Err = errors.New("broken\npipe\xff" + strings.Repeat("x", 300))
	s.at(152*time.Second, session.Ended, "", session.ReasonDropped)
	want := Record{
		ID: start.UnixMicro(), Node: "quimper", Call: 7, Address: "203.0.113.9", Port: 52114, Transport: "ws",
		Terminal: "Minitel 1B Telic-Alcatel",
		Began:    start, Ended: start.Add(152 * time.Second), In: 100, Out: 10000,
		Visits: []Visit{
			{"ULLA", start.Add(2 * time.Second), start.Add(127 * time.Second), 125, "36 15", 26800, "F", 10, 1000, "fin"},
			{"TEASER", start.Add(130 * time.Second), start.Add(131 * time.Second), 1, "36 15", 1200, "EUR", 10, 1000, "closed"},
			{"ws://own.example", start.Add(150 * time.Second), start.Add(152 * time.Second), 0, "", 0, "", 10, 1000, "dropped"},
		},
		Cost: map[string]tariff.Money{"F": 26800, "EUR": 1200}, Reason: "dropped", Error: "broken?pipe?" + strings.Repeat("x", 188),
	}
	check := func(h *History) {
		t.Helper()
		got := records(t, h, Query{}, 1)[0]
		want.Run = got.Run
		if diff := cmp.Diff(want, got); diff != "" || time.Since(got.Run) > time.Minute {
			t.Error(diff, got.Run)
		}
	}
	check(h)
	closes(t, h)
	healthy(t, path)
	h, _ = opens(t, path, Options{Node: "elsewhere"})
	check(h) // still there
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

// Calls that begin at one moment have records of their own, also after another start.
func TestSameMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	const each = 20 // of which the last tries all moments that are taken
	for run := range 2 {
		h, _ := opens(t, path, Options{})
		for n := range session.ID(each) {
			s := begins(h, n+1, start, caller("192.0.2.1:1"))
			if n%2 == 0 {
				records(t, h, Query{Limit: 1}, min(run+int(n), 1)) // one is written while it is under way
			}
			defer s.at(time.Second, session.Ended, "", session.ReasonGone)
			s.at(time.Second, session.Ended, "", session.ReasonGone)
		}
		records(t, h, Query{Limit: MaxRecords}, each*(run+1))
		closes(t, h)
	}
	healthy(t, path)
}

func TestQueries(t *testing.T) {
	h, _ := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	for n, c := range []struct {
		address, service string
		why              session.Reason
	}{
		{"192.0.2.1:1", "ULLA", session.ReasonGone},
		{"192.0.2.200:1", "", session.ReasonFin},
		{"192.0.3.1:1", "ECHO", session.ReasonGone},
		{"[2001:db8::1]:1", "ULLA", session.ReasonIdle},
		{"", "ULLA", session.ReasonGone},
	} {
		s := begins(h, session.ID(n+1), start.Add(time.Duration(n)*time.Hour), caller(c.address))
		for range 2 {
			if c.service != "" {
				s.visits(time.Second, 2*time.Second, c.service, 5000, "F", session.ReasonFin)
			}
		}
		s.at(time.Minute, session.Ended, "", c.why)
	}
	begins(h, 6, start.Add(5*time.Hour), caller("192.0.2.1:2")) // is not told of: it goes on
	records(t, h, Query{}, 5)
	network := netip.MustParsePrefix
	for _, test := range []struct {
		q    Query
		want string
	}{
		{Query{}, "5 4 3 2 1"},
		{Query{Limit: 2}, "5 4"},
		{Query{Before: start.Add(3 * time.Hour).UnixMicro()}, "3 2 1"},
		{Query{Before: start.Add(3 * time.Hour).UnixMicro(), Limit: 1}, "3"},
		{Query{Since: start.Add(time.Hour), Until: start.Add(3 * time.Hour)}, "3 2"},
		{Query{From: network("192.0.2.0/24")}, "2 1"},
		{Query{From: network("192.0.2.1/32")}, "1"},
		{Query{From: network("192.0.2.0/23")}, "3 2 1"},
		{Query{From: network("0.0.0.0/0")}, "3 2 1"},
		{Query{From: network("::/0")}, "4 3 2 1"},
		{Query{From: network("2001:db8::/32")}, "4"},
		{Query{Service: "ulla"}, "5 4 1"},
		{Query{Service: "ULLA", Limit: 2}, "5 4"},
		{Query{Service: "ULLA", Before: start.Add(4 * time.Hour).UnixMicro()}, "4 1"},
		{Query{Service: "ULL"}, ""},
		{Query{Transport: "serial"}, "5"},
		{Query{Reason: "gone"}, "5 3 1"},
		{Query{Reason: "gone", Service: "ULLA", From: network("192.0.0.0/16"), Transport: "ws", Until: start.Add(time.Minute)}, "1"},
	} {
		all, err := h.Records(t.Context(), test.q)
		got := ""
		for _, r := range all {
			got += fmt.Sprint(r.Call, " ")
		}
		if err != nil || strings.TrimSpace(got) != test.want {
			t.Errorf("%+v finds %q, not %q; %v", test.q, got, test.want, err)
		}
	}
	for _, test := range []struct {
		q    Query
		want Totals
	}{
		{Query{}, Totals{5, 300, 290, 29000, []ServiceTotal{{"ECHO", 2, 2, 10000, "F"}, {"ULLA", 6, 6, 30000, "F"}}}},
		{Query{Service: "ulla"}, Totals{3, 180, 210, 21000, []ServiceTotal{{"ULLA", 6, 6, 30000, "F"}}}},
		{Query{From: network("192.0.0.0/16")}, Totals{3, 180, 150, 15000, []ServiceTotal{{"ECHO", 2, 2, 10000, "F"}, {"ULLA", 2, 2, 10000, "F"}}}},
		{Query{Since: start.Add(9 * time.Hour)}, Totals{Services: []ServiceTotal{}}},
	} {
		got, err := h.Totals(t.Context(), test.q)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v %s", test.q, err, diff)
		}
	}
	s := begins(h, 7, start.Add(6*time.Hour), caller(""))
	s.visits(time.Second, 3*time.Second, "ULLA", 100, "EUR", session.ReasonFin)
	s.at(time.Minute, session.Ended, "", session.ReasonGone)
	records(t, h, Query{}, 6)
	got, err := h.Totals(t.Context(), Query{Service: "ULLA"})
	if diff := cmp.Diff([]ServiceTotal{{"ULLA", 1, 2, 100, "EUR"}, {"ULLA", 6, 6, 30000, "F"}}, got.Services); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// Of many visits the first are told, and what all have cost.
func TestManyVisits(t *testing.T) {
	h, _ := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	s := begins(h, 1, start, caller("192.0.2.1:1"))
	for i := range time.Duration(200) {
		s.visits(2*i*time.Second, (2*i+1)*time.Second, "ULLA", 1, "F", session.ReasonFin)
		if i == 120 {
			time.Sleep(2 * flushTime) // those before are written
		}
	}
	s.at(time.Hour, session.Ended, "", session.ReasonGone)
	got := records(t, h, Query{}, 1)[0]
	if len(got.Visits) != maxTold || got.More != 100 || got.Cost["F"] != 200 || !got.Visits[99].From.Equal(start.Add(198*time.Second)) {
		t.Errorf("%d visits and %d more, for %v", len(got.Visits), got.More, got.Cost)
	}
}

func count(t *testing.T, h *History) (calls, visits, runs int) {
	t.Helper()
	if err := errors.Join(
		h.store.Load().readers.QueryRow("SELECT count(*) FROM calls").Scan(&calls),
		h.store.Load().readers.QueryRow("SELECT count(*) FROM visits").Scan(&visits),
		h.store.Load().readers.QueryRow("SELECT count(*) FROM runs").Scan(&runs)); err != nil {
		t.Fatal(err)
	}
	return calls, visits, runs
}

// What is too old is deleted, and of the rest the oldest, if they are too many.
func TestRetention(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	const n, few = 4500, 200 // fifty a day, and what is soon found on a busy machine, too
	closes(t, filled(t, path, n, time.Now(), Options{}))
	h, _ := opens(t, path, Options{Keep: 30 * 24 * time.Hour})
	want := records(t, h, Query{Limit: few}, few)
	eventually(t, func() string {
		if calls, visits, _ := count(t, h); calls < n/3-2 || calls > n/3+2 || visits > calls*5/4 {
			return fmt.Sprintf("of %d calls %d are left, with %d visits", n, calls, visits)
		}
		return ""
	})
	if diff := cmp.Diff(want, records(t, h, Query{Limit: few}, few)); diff != "" {
		t.Error(diff)
	}
	if _, err := h.store.Load().writer.Exec("UPDATE runs SET seen = 1 WHERE id = 1"); err != nil { // was over long ago
		t.Fatal(err)
	}
	closes(t, h)
	h, _ = opens(t, path, Options{Calls: 100})
	begins(h, 1, time.Now(), caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
	eventually(t, func() string {
		if _, waiting := h.Losses(); waiting > 0 {
			return "the newest is not written"
		}
		if calls, visits, runs := count(t, h); calls != 100 || visits > 200 || runs != 3 {
			return fmt.Sprintf("%d calls are left, %d visits, %d runs", calls, visits, runs)
		}
		return ""
	})
	if newest := records(t, h, Query{}, 100)[0]; newest.Transport != "serial" {
		t.Errorf("the newest is %+v", newest)
	}
	closes(t, h)
	healthy(t, path)
}

// eventually waits until nothing is wrong.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	late := time.Now().Add(soon.Patience)
	for w := wrong(); w != ""; w = wrong() {
		if time.Now().After(late) {
			t.Fatal(w)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A full disk costs nothing but time, also for what happens meanwhile.
func TestFull(t *testing.T) {
	t.Parallel()
	h, log := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	var pages int
	if err := h.store.Load().writer.QueryRow("PRAGMA max_page_count = 1").Scan(&pages); err != nil { // what there is
		t.Fatal(err)
	}
	const n = 2000
	come := func(from, to session.ID) {
		for i := from; i < to; i++ {
			begins(h, i+1, start.Add(time.Duration(i)*time.Second), caller("192.0.2.1:1")).at(time.Second, session.Ended, "", session.ReasonGone)
		}
	}
	come(0, n/2)
	log.Await(t, "history cannot be written")
	come(n/2, n)
	time.Sleep(2 * retryTime)
	if err := h.store.Load().writer.QueryRow("PRAGMA max_page_count = 1000000").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	log.Await(t, "history is written again")
	eventually(t, func() string {
		if calls, _, _ := count(t, h); calls != n {
			return fmt.Sprintf("%d of %d are there:\n%s", calls, n, log)
		}
		return ""
	})
	if strings.Count(log.String(), "cannot be written") != 1 {
		t.Errorf("it is logged:\n%s", log)
	}
}

func without(log *logtest.Log, text string) string {
	if all := log.String(); !strings.Contains(all, text) {
		return fmt.Sprintf("the log is without %q: %s", text, all)
	}
	return ""
}

// What waits is bounded, and counted.
func TestBounds(t *testing.T) {
	t.Parallel()
	h, log := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	tx, err := h.store.Load().writer.Begin() // so that it waits
	if err != nil {
		t.Fatal(err)
	}
	s := begins(h, 1, start, caller(""))
	taken(t, h) // and nothing more meanwhile
	for range maxVisits + 40 {
		s.visits(time.Second, 2*time.Second, "ULLA", 1, "F", session.ReasonFin)
	}
	lost, _ := h.Losses()
	if lost < 40 || lost > 42 {
		t.Errorf("%d visits are lost", lost)
	}
	for i := range session.ID(maxWaiting + 10) {
		begins(h, i+2, start.Add(time.Duration(i)*time.Microsecond), caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
	}
	if all, waiting := h.Losses(); waiting != maxWaiting || all != lost+10 {
		t.Errorf("%d wait and %d are lost", waiting, all)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	closes(t, h)
	if w := without(log, fmt.Sprintf("history is incomplete\" history=%s lost=%d", h.path, lost+10)); w != "" {
		t.Error(w)
	}
}

// Who is no database, or a damaged one, is set aside.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	closes(t, filled(t, path, 500, time.Now(), Options{}))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(p []byte) []byte{
		"no database": func([]byte) []byte { return []byte(strings.Repeat("no database ", 1000)) },
		"cut":         func(p []byte) []byte { return p[:len(p)/2] },
		"overwritten": func(p []byte) []byte { copy(p[4096:], bytes.Repeat([]byte{0xff}, len(p)-4096)); return p },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			bad := damage(bytes.Clone(good))
			if err := os.WriteFile(path, bad, 0o640); err != nil {
				t.Fatal(err)
			}
			h, log := opens(t, path, Options{})
			h.Records(t.Context(), Query{Limit: MaxRecords}) // may be the first to see
			begins(h, 1, time.Now(), caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
			records(t, h, Query{}, 1)
			if w := without(log, "is set aside"); w != "" {
				t.Error(w)
			}
			aside, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(aside) == 0 {
				t.Fatal(aside, err)
			}
			if kept, err := os.ReadFile(aside[0]); err != nil || len(kept) < len(bad) {
				t.Errorf("of %d bytes %d are kept, %v", len(bad), len(kept), err)
			}
			closes(t, h)
			healthy(t, path)
		})
	}
}

// A file that is removed or moved away is begun anew.
func TestMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	h, _ := opens(t, path, Options{})
	under := begins(h, 1, start, caller("192.0.2.1:1"))
	begins(h, 2, start.Add(time.Second), caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
	records(t, h, Query{}, 1)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	under.at(time.Minute, session.Ended, "", session.ReasonFin)
	if got := records(t, h, Query{Reason: "fin"}, 1)[0]; got.Address != "192.0.2.1" {
		t.Errorf("%+v", got)
	}
	closes(t, h)
	healthy(t, path)
	healthy(t, path+".old")
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	other, newer := filepath.Join(dir, "other.db"), filepath.Join(dir, "newer.db")
	for path, text := range map[string]string{
		other: "CREATE TABLE t (a); PRAGMA user_version = 1",
		newer: schema + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 2", applicationID),
	} {
		db, err := sql.Open("sqlite", path)
		if err == nil {
			_, err = db.Exec(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
	}
	was, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		other:                               "is a database of something else",
		newer:                               "is of version 2, and this program understands 1",
		filepath.Join(dir, "no", "history"): "in a directory that is there",
		dir:                                 "is no file",
	} {
		h, err := Open(path, Options{})
		if err == nil {
			h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", path, err, want)
		}
	}
	if is, err := os.ReadFile(other); err != nil || !bytes.Equal(is, was) {
		t.Errorf("what is somebody else's was changed: %v", err)
	}
}

// A gateway and the one that replaces it keep one history: calls that are under way in
// the old one are not killed, and are written when they end.
func TestTwoRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	first, _ := opens(t, path, Options{})
	long := begins(first, 1, start, caller("192.0.2.1:1"))
	short := begins(first, 2, start, caller("192.0.2.2:2"))
	short.at(time.Second, session.Ended, "", session.ReasonGone)
	records(t, first, Query{}, 1)
	second, _ := opens(t, path, Options{})
	same := begins(second, 1, start, caller("192.0.2.3:3")) // in the very same moment
	same.at(time.Minute, session.Ended, "", session.ReasonFin)
	records(t, second, Query{}, 2)
	long.at(time.Hour, session.Ended, "", session.ReasonIdle)
	all := records(t, second, Query{}, 3)
	for _, r := range all {
		if r.Reason == string(ReasonKilled) {
			t.Errorf("%+v", r)
		}
	}
	closes(t, first)
	begins(second, 9, start.Add(time.Hour), caller("192.0.2.9:9"))
	time.Sleep(2 * flushTime)
	closes(t, second) // under way: as if it had been killed
	third, _ := opens(t, path, Options{})
	if last := records(t, third, Query{}, 4)[0]; last.Reason != string(ReasonKilled) {
		t.Errorf("%+v", last)
	}
	if left, _ := filepath.Glob(path + "-run*"); len(left) != 1 {
		t.Errorf("locks: %v", left)
	}
	healthy(t, path)
}

// Who asks for too much is told so, and stops nobody.
func TestSlow(t *testing.T) {
	t.Parallel()
	h, _ := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	asks := func() (ended chan error) {
		begun, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- h.read(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
				close(begun)
				var n int
				return tx.QueryRowContext(ctx, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c").Scan(&n)
			})
		}()
		<-begun
		return ended
	}
	for n, meanwhile := 1, false; !meanwhile; n++ { // a busy machine may write nothing for so long
		ended := asks()
		begins(h, session.ID(n), start.Add(time.Duration(n)), caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
		records(t, h, Query{}, n)
		meanwhile = len(ended) == 0
		if err := <-ended; !errors.Is(err, ErrSlow) {
			t.Errorf("it ends by %v", err)
		}
		if n == 10 {
			t.Fatal("nothing is written meanwhile")
		}
	}
}
