//go:build linux

package cluster

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moip/internal/history"
)

// A book is what a gateway has recorded of a call.
type book struct {
	history.Record
	gateway string
}

// records reads the records of a gateway that has ended, by address and port.
func records(t *testing.T, m *member, into map[string][]book) {
	t.Helper()
	h, err := history.Open(filepath.Join(m.dir, "history.db"), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for q := (history.Query{Limit: history.MaxRecords}); ; {
		all, err := h.Records(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			at := fmt.Sprintf("%s:%d", r.Address, r.Port)
			into[at] = append(into[at], book{r, m.name})
		}
		if len(all) < q.Limit {
			return
		}
		q.Before = all[len(all)-1].ID
	}
}

// A balance is what is left when what callers know and what the gateways have recorded
// are held against each other.
type balance struct {
	calls, records, lost, doubled, unknown int
	young                                  int            // calls lost, too, but so new when their gateway was killed that it had not written of them
	cut                                    map[string]int // calls that ended without a word before, by the reason in their records
}

func (c *crowd) balances(h *hub, all map[string][]book) (b balance) {
	h.Helper()
	for _, found := range all {
		b.records += len(found)
	}
	b.cut = map[string]int{}
	ours := map[string]bool{}
	for _, l := range c.books() {
		b.calls++
		switch found := all[l.address]; len(found) {
		case 0:
			if slices.ContainsFunc(h.killed, l.isYoung) {
				b.young++
				continue
			}
			if b.lost++; b.lost < 10 {
				h.Errorf("the call of %s, from %v to %v, is recorded nowhere", l.address, l.began, l.ended)
			}
		case 1:
			if !l.left && !l.ordered && !l.warned {
				b.cut[found[0].Reason+" at "+found[0].gateway]++
			}
		default:
			if b.doubled++; b.doubled < 10 {
				h.Errorf("the call of %s is recorded %d times: %+v", l.address, len(found), found)
			}
		}
		ours[l.address] = true
	}
	for at, found := range all {
		if _, ok := c.doubtful.Load(at); !ours[at] && !ok || !ours[at] && len(found) > 1 {
			if b.unknown++; b.unknown < 10 {
				h.Errorf("%s is recorded, and has not called: %+v", at, found)
			}
		}
	}
	return b
}

// isYoung reports whether a call had not been there for long when a gateway was killed, and
// ended with it. What happens is written within 250 ms, or later where there is much to do.
func (l *call) isYoung(killed time.Time) bool {
	return !l.left && l.began.After(killed.Add(-time.Second)) && l.began.Before(killed) && l.ended.Sub(killed) < time.Second
}
