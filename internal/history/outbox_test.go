package history

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moip/internal/session"
	"moip/internal/testkit/soon"
)

// waits returns what waits to be shipped, soon: want is how much that must be.
func waits(t *testing.T, h *History, want int) []Record {
	t.Helper()
	for late := time.Now().Add(soon.Patience); ; time.Sleep(20 * time.Millisecond) {
		all, err := h.Unshipped(context.Background(), want+1)
		if err == nil && len(all) == want {
			return all
		}
		if time.Now().After(late) {
			t.Fatalf("%d records wait, not %d; %v", len(all), want, err)
		}
	}
}

// idle reports whether the writer has taken all there is.
func (h *History) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.changed) == 0
}

// taken waits until the writer has taken all there is.
func taken(t *testing.T, h *History) {
	t.Helper()
	soon.Is(t, "all is taken to be written", h.idle)
}

func ids(all []Record) (ids []int64) {
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids
}

// allWait wants each record to wait to be shipped, once.
func allWait(t *testing.T, h *History) {
	t.Helper()
	var there []int64
	for before := int64(0); ; before = there[len(there)-1] {
		all, err := h.Records(context.Background(), Query{Before: before, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		if there = append(there, ids(all)...); len(all) < 200 {
			break
		}
	}
	slices.Reverse(there)
	rows, err := h.store.Load().readers.Query("SELECT id FROM outbox ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var waiting []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, id)
	}
	if rows.Err() != nil || !slices.Equal(waiting, there) {
		t.Errorf("%d records wait to be shipped of %d; %v", len(waiting), len(there), rows.Err())
	}
}

// What has ended waits to be shipped, whole, until it has arrived.
func TestOutbox(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h, _ := opens(t, path, Options{Node: "paris", Ship: true})
	<-h.Outbox() // of what may have waited since before
	long := begins(h, 1, start, caller("192.0.2.1:1"))
	s := begins(h, 2, start.Add(time.Second), caller("192.0.2.2:1"))
	s.visits(time.Second, 3*time.Second, "ULLA", 12345, "F", session.ReasonFin)
	s.at(time.Minute, session.Ended, "", session.ReasonGone)
	if r := waits(t, h, 1)[0]; r.Call != 2 || r.Node != "paris" || r.Cost["F"] != 12345 || r.Reason != "gone" || len(r.Visits) != 1 {
		t.Errorf("%+v", r)
	}
	<-h.Outbox()
	for i := range maxShipped + 3 {
		long.visits(time.Duration(i)*time.Second, time.Duration(i+1)*time.Second, "ULLA", 1, "F", session.ReasonFin)
		for i%maxVisits == 0 && !h.idle() { // no more wait for the disk than may
			time.Sleep(10 * time.Millisecond)
		}
	}
	long.at(time.Hour, session.Ended, "", session.ReasonGone)
	all := waits(t, h, 2)
	if r := all[0]; r.Call != 1 || len(r.Visits) != maxShipped || r.More != 3 || r.Cost["F"] != maxShipped+3 {
		t.Errorf("call %d first, with %d visits and %d more for %v", r.Call, len(r.Visits), r.More, r.Cost)
	}
	if err := h.Shipped(context.Background(), ids(all[1:])); err != nil {
		t.Fatal(err)
	}
	closes(t, h)
	if err := h.Shipped(context.Background(), nil); err != ErrClosed {
		t.Error(err)
	}
	h, _ = opens(t, path, Options{Ship: true})
	<-h.Outbox()
	if r := waits(t, h, 1)[0]; r.Call != 1 {
		t.Errorf("%+v", r)
	}
	if waiting, missed, err := h.Shipping(context.Background()); waiting != 1 || missed != 0 || err != nil {
		t.Error(waiting, missed, err)
	}
}

// Without that being wanted, nothing waits.
func TestNoOutbox(t *testing.T) {
	t.Parallel()
	h, _ := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	begins(h, 1, start, caller("192.0.2.1:1")).at(time.Minute, session.Ended, "", session.ReasonGone)
	records(t, h, Query{}, 1)
	waits(t, h, 0)
	select {
	case <-h.Outbox():
		t.Error("something is to be shipped")
	default:
	}
}

// What is deleted before it has been shipped is counted, and the log tells of it.
func TestUnshippedDeleted(t *testing.T) {
	t.Parallel()
	h, log := opens(t, filepath.Join(t.TempDir(), "history.db"), Options{Ship: true, Calls: 10})
	for n := range session.ID(25) {
		begins(h, n+1, start.Add(time.Duration(n)*time.Second), caller("192.0.2.1:1")).at(time.Minute, session.Ended, "", session.ReasonGone)
	}
	soon.Is(t, "all is written", func() bool {
		_, waiting := h.Losses()
		return waiting == 0
	})
	records(t, h, Query{}, 10)
	if r := waits(t, h, 10)[0]; r.Call != 16 {
		t.Errorf("%+v", r)
	}
	for late := time.Now().Add(soon.Patience); ; time.Sleep(20 * time.Millisecond) {
		if waiting, missed, err := h.Shipping(context.Background()); waiting == 10 && missed == 15 && err == nil {
			break
		} else if time.Now().After(late) {
			t.Fatal(waiting, missed, err)
		}
	}
	log.Await(t, "could be shipped")
}

// A database of a program that shipped nothing is one that can.
func TestOlderOutbox(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	if err := touch(path); err != nil {
		t.Fatal(err)
	}
	db, err := openDB(path, "_txlock=immediate", "journal_mode(wal)")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		schema, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version),
		"INSERT INTO runs VALUES (1, 'paris', 1, 2000000)",
		"INSERT INTO calls VALUES (1000, 1, 1, NULL, NULL, 'ws', '', 0, 0, 2000, 'gone', '')",
		"INSERT INTO calls VALUES (2000, 1, 2, NULL, NULL, 'ws', '', 0, 0, NULL, '', '')",
		"INSERT INTO visits VALUES (2000, 0, 'ULLA', 3000, NULL, 60, 'T34', 5000, 'F', 0, 0, '')",
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(text, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	h, _ := opens(t, path, Options{Ship: true})
	records(t, h, Query{}, 2)
	// The call under way was so until it was killed. Its visit has cost what was known.
	if r := waits(t, h, 1)[0]; r.Call != 2 || r.Reason != "killed" || r.Visits[0].Reason != "killed" || r.Cost["F"] != 5000 || r.Ended.UnixMicro() != 2000000 {
		t.Errorf("%+v", r)
	}
}
