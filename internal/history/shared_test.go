package history

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	taken(t, h) // and waits to be written when there is a second
	begins(h, 2, start, caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
	closes(t, h)
	lock()
	h, _ = opens(t, path, Options{})
	records(t, h, Query{}, 2)
}

// Of two gateways that write at once one is killed. Its calls that were under way were
// killed with it, the other's go on.
func TestOneOfTwoIsKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	var writers [2]*exec.Cmd
	var told [2]int // calls that ended, as the writers say
	var mu sync.Mutex
	for i := range writers {
		writers[i] = exec.Command(os.Args[0])
		writers[i].Env = append(os.Environ(), "MOIP_HISTORY_WRITER="+path)
		out, err := writers[i].StdoutPipe()
		if err == nil {
			err = writers[i].Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				mu.Lock()
				if told[i]++; strings.Contains(lines.Text(), path) {
					t.Error(lines.Text())
				}
				mu.Unlock()
			}
		}()
		t.Cleanup(func() { writers[i].Process.Kill(); <-done; writers[i].Wait() })
	}
	some := func() string {
		mu.Lock()
		defer mu.Unlock()
		if told[0] < 200 || told[1] < 200 {
			return fmt.Sprintf("%v calls have ended", told)
		}
		return ""
	}
	eventually(t, some)
	killed := func(want int) (runs map[time.Time]bool) {
		t.Helper()
		h, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		runs = map[time.Time]bool{}
		for _, r := range records(t, h, Query{Reason: string(ReasonKilled), Service: "LONG"}, want) {
			runs[r.Run] = true
		}
		closes(t, h)
		return runs
	}
	if runs := killed(0); len(runs) != 0 {
		t.Errorf("killed are calls of %v", runs)
	}
	writers[0].Process.Kill()
	writers[0].Process.Wait()
	if runs := killed(1); len(runs) != 1 {
		t.Errorf("killed are calls of %v", runs)
	}
	writers[1].Process.Kill()
	writers[1].Process.Wait()
	if runs := killed(2); len(runs) != 2 {
		t.Errorf("killed are calls of %v", runs)
	}
	healthy(t, path)
}
