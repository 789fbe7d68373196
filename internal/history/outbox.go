package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
)

// The records that wait to be shipped, by the keys of their calls. One is added in the
// transaction that writes the end of its call, and taken away once it has arrived, so that
// none is lost or forgotten when the gateway is killed. It is a table of its own: a program
// that knows nothing of it leaves it alone.
const outbox = `CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY) STRICT;`

// maxShipped is how many visits of a record are shipped. Those beyond are counted in More.
const maxShipped = 1000

// A shipment is records that have arrived elsewhere.
type shipment struct {
	ids  []int64
	done chan error // of one
}

// Outbox tells, by a value, that there may be something new to be shipped, if Options.Ship
// says that there is to be anything. It is for one reader.
func (h *History) Outbox() <-chan struct{} { return h.outbox }

// post rings the bell of the Outbox.
func (h *History) post() {
	if !h.o.Ship {
		return
	}
	select {
	case h.outbox <- struct{}{}:
	default:
	}
}

// Unshipped returns the records that wait to be shipped, n at the most and the oldest
// first, with their first 1000 visits. It takes 5 s at the most, then it returns ErrSlow.
// Gateways that have one history see each other's.
func (h *History) Unshipped(ctx context.Context, n int) (all []Record, err error) {
	err = h.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ids, err := keys(ctx, tx, "SELECT id FROM outbox ORDER BY id LIMIT ?", n)
		if err != nil {
			return err
		}
		all, err = fetch(ctx, tx, ids, maxShipped)
		slices.Reverse(all)
		return err
	})
	return all, err
}

// ErrClosed is that the history is closed.
var ErrClosed = errors.New("the history is closed")

// Shipped notes that records, by their IDs, have arrived, and returns once that is written.
// If it cannot be, they are returned by Unshipped again.
func (h *History) Shipped(ctx context.Context, ids []int64) error {
	some := shipment{ids, make(chan error, 1)}
	select {
	case h.shipped <- some:
		return <-some.done
	case <-h.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shipping returns how many records wait to be shipped, and how many never will be since
// they were too old or too many and have been deleted, since Open.
func (h *History) Shipping(ctx context.Context) (waiting, missed int, err error) {
	err = h.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM outbox").Scan(&waiting)
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	return waiting, h.missed, err
}

// miss counts the records that a store has deleted before they were shipped, and tells of
// them.
func (h *History) miss(s *store) {
	if s.missed == 0 {
		return
	}
	h.mu.Lock()
	h.missed += s.missed
	all := h.missed
	h.mu.Unlock()
	h.o.Log.Error("records were deleted, as too old or too many, before they could be shipped", "records", s.missed, "since the start", all)
	s.missed = 0
}

// ship takes records from the outbox.
func (s *store) ship(ids []int64) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = s.writer.Exec("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", string(list))
	return err
}

// forget takes records from the outbox that are about to be deleted.
func forget(tx *sql.Tx, before int64) (n int64, err error) {
	result, err := tx.Exec("DELETE FROM outbox WHERE id < ?", before)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
