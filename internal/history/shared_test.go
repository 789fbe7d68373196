package history

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"moip/internal/session"
)

// Of two gateways that find their history damaged one sets it aside, and leaves what
// the other has begun.
func TestDamagedForTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	first, _ := opens(t, path, Options{})
	second, _ := opens(t, path, Options{})
	first.store.Load().damaged.Store(true)
	second.store.Load().damaged.Store(true)
	for n, h := range []*History{first, second} {
		begins(h, session.ID(n+1), start, caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
		records(t, h, Query{}, n+1)
	}
	if aside, err := filepath.Glob(path + ".damaged-*.??????"); err != nil || len(aside) != 1 {
		t.Errorf("set aside are %v, %v", aside, err)
	}
}

// What another gateway forgets is not forgotten twice, nor what it adds left.
func TestBoundOfTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	const most = 20
	adds := func(h *History, n int, began time.Time) {
		for i := range n {
			at := began.Add(time.Duration(i) * time.Second)
			begins(h, session.ID(i+1), at, caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
		}
		eventually(t, func() string {
			if _, waiting := h.Losses(); waiting > 0 {
				return fmt.Sprintf("%d wait", waiting)
			}
			return ""
		})
	}
	first, _ := opens(t, path, Options{Calls: most})
	adds(first, most, time.Now().Add(-2*time.Hour))
	second, _ := opens(t, path, Options{Calls: most, Keep: time.Hour})
	records(t, second, Query{}, 0)
	adds(first, most-5, time.Now().Add(-time.Minute))
	time.Sleep(2 * flushTime) // for more to be forgotten
	records(t, first, Query{}, most-5)
	adds(second, most, time.Now())
	records(t, first, Query{}, most)
}

// A clock that is set back has no call end before it began.
func TestClockSetBack(t *testing.T) {
	h, _ := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	s := begins(h, 1, start, caller(""))
	s.visits(time.Second, -time.Hour, "ULLA", 0, "F", session.ReasonFin)
	s.at(-time.Hour, session.Ended, "", session.ReasonGone)
	r := records(t, h, Query{}, 1)[0]
	if v := r.Visits[0]; r.Ended.Before(r.Began) || v.To.Before(v.From) {
		t.Errorf("from %v to %v, at %s from %v to %v", r.Began, r.Ended, v.Service, v.From, v.To)
	}
}

// Whoever has the database locked when a gateway comes or goes, a backup for example,
// costs no record.
func TestLockedByOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	lock := func() {
		t.Helper()
		db, err := openDB(path, "_txlock=immediate")
		if err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(9*time.Second, func() {
			tx.Rollback()
			db.Close()
		})
	}
	h, _ := opens(t, path, Options{})
	lock()
	begins(h, 1, start, caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
	closes(t, h)
	lock()
	h, _ = opens(t, path, Options{})
	records(t, h, Query{}, 1)
}
