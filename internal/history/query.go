package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"

	"moip/internal/tariff"
)

// A Record is a call that has ended.
type Record struct {
	ID        int64                   `json:"id"`             // of the record; newer ones have greater
	Node      string                  `json:"node"`           // the machine of the gateway
	Run       time.Time               `json:"run"`            // when the gateway was started
	Call      uint64                  `json:"call"`           // counted from then
	Address   string                  `json:"address"`        // of the terminal, "" if it has none
	Port      int                     `json:"port,omitempty"` //
	Transport string                  `json:"transport"`      // ws, telnet, tcp, with TLS wss, telnets, tcps, or serial
	Terminal  string                  `json:"terminal,omitempty"`
	Began     time.Time               `json:"began"`
	Ended     time.Time               `json:"ended"`
	In        uint64                  `json:"in"`  // bytes from the caller
	Out       uint64                  `json:"out"` // bytes to the caller
	Visits    []Visit                 `json:"visits"`
	More      int                     `json:"more,omitempty"` // visits beyond the first 100
	Cost      map[string]tariff.Money `json:"cost"`           // of all visits, by currency
	Reason    string                  `json:"reason"`
	Error     string                  `json:"error,omitempty"`
}

// A Visit is a stay at a service.
type Visit struct {
	Service  string       `json:"service"`
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	Seconds  int64        `json:"seconds"` // charged for
	Palier   string       `json:"palier,omitempty"`
	Cost     tariff.Money `json:"cost"`
	Currency string       `json:"currency,omitempty"` // "" if nobody has counted
	In       uint64       `json:"in"`
	Out      uint64       `json:"out"`
	Reason   string       `json:"reason"`
}

// MaxRecords is how many records a query returns at the most.
const MaxRecords = 1000

const (
	maxTold   = 100             // visits of a record
	queryTime = 5 * time.Second // that a query may take
	fewCalls  = 50_000          // from a network, that are better found by address than one after the other
)

// ErrSlow is that a query took too long.
var ErrSlow = errors.New("that takes too long to look for (ask for a shorter time, or for less)")

// A Query says which calls are asked for. What is zero does not matter.
type Query struct {
	Since, Until      time.Time // in between they began, at Since or later and before Until
	From              netip.Prefix
	Service           string // they have visited, capitals or not
	Transport, Reason string
	Before            int64 // the ID of the record behind which to go on, towards older ones
	Limit             int   // 1 to MaxRecords; 0 for 100
}

// Records returns the newest calls that are asked for, the newest first. It takes 5 s at
// the most, then it returns ErrSlow.
func (h *History) Records(ctx context.Context, q Query) (all []Record, err error) {
	err = h.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ids, err := find(ctx, tx, q)
		if err != nil {
			return err
		}
		all, err = fetch(ctx, tx, ids, maxTold)
		return err
	})
	return all, err
}

// read runs a query on a state of the database that does not change meanwhile. Whoever
// writes does not wait for it.
func (h *History) read(ctx context.Context, query func(context.Context, *sql.Tx) error) error {
	s := h.store.Load()
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		err = query(ctx, tx)
		tx.Rollback()
	}
	if isDamage(err) && !s.damaged.Swap(true) {
		h.ring()
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrSlow
	}
	return err
}

// A filter is the conditions of a query, joined by AND.
type filter struct {
	terms []string
	args  []any
}

func (f *filter) add(term string, args ...any) {
	f.terms, f.args = append(f.terms, term), append(f.args, args...)
}

func (f *filter) String() string { return strings.Join(f.terms, " AND ") }

// ends returns where a range of keys begins and where it ends, which is not in it.
func (q Query) ends() (from, to int64) {
	to = 1<<63 - 1
	if !q.Since.IsZero() {
		from = micro(q.Since)
	}
	if !q.Until.IsZero() {
		to = micro(q.Until)
	}
	if q.Before > 0 {
		to = min(to, q.Before)
	}
	return from, to
}

// of adds what the query says of calls c but for their time.
func (f *filter) of(q Query) {
	f.add("c.ended IS NOT NULL")
	if q.From.IsValid() {
		first, last := ends(q.From)
		f.add("c.address BETWEEN ? AND ?", first, last)
	}
	if q.Transport != "" {
		f.add("c.transport = ?", q.Transport)
	}
	if q.Reason != "" {
		f.add("c.reason = ?", q.Reason)
	}
}

// ends returns the first and the last address of a network, as they are written.
func ends(network netip.Prefix) (first, last []byte) {
	bits := network.Bits()
	if network.Addr().Is4() {
		bits += 96
	}
	a := network.Masked().Addr().As16()
	b := a
	for i := bits; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return a[:], b[:]
}

// find returns the keys of the calls that are asked for. Which way to go is known here
// better than by the database: to a service's calls by its visits, to those from a few
// addresses by these, and to others one after the other, which are in order.
func find(ctx context.Context, tx *sql.Tx, q Query) (ids []int64, err error) {
	var f filter
	from, to := q.ends()
	text := "SELECT c.id FROM calls c NOT INDEXED WHERE "
	key := "c.id"
	switch {
	case q.Service != "":
		text = "SELECT DISTINCT v.call FROM visits v CROSS JOIN calls c NOT INDEXED ON c.id = v.call WHERE "
		key = "v.call"
		f.add("v.service = ?", q.Service)
	case q.From.IsValid():
		few, err := few(ctx, tx, q.From)
		if err != nil {
			return nil, err
		}
		if few {
			text = "SELECT c.id FROM calls c INDEXED BY calls_address WHERE "
		}
	}
	f.add(key+" >= ? AND "+key+" < ?", from, to)
	f.of(q)
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	return keys(ctx, tx, text+f.String()+" ORDER BY "+key+" DESC LIMIT ?", append(f.args, min(limit, MaxRecords))...)
}

// keys returns what a query for keys of records finds.
func keys(ctx context.Context, tx *sql.Tx, query string, args ...any) (ids []int64, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// few reports whether few calls came from a network.
func few(ctx context.Context, tx *sql.Tx, network netip.Prefix) (bool, error) {
	first, last := ends(network)
	var n int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM calls WHERE address BETWEEN ? AND ? LIMIT ?)", first, last, fewCalls).Scan(&n)
	return n < fewCalls, err
}

// fetch returns the records with some keys, the newest first, with so many visits each.
func fetch(ctx context.Context, tx *sql.Tx, ids []int64, most int) ([]Record, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT c.id, ifnull(r.node, ''), ifnull(r.began, c.id), c.call, c.address, ifnull(c.port, 0), c.transport, c.terminal,
			c.ended, c.bytes_in, c.bytes_out, c.reason, c.error
		FROM calls c LEFT JOIN runs r ON r.id = c.run WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id DESC`, string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all, at := make([]Record, 0, len(ids)), map[int64]int{}
	for rows.Next() {
		r := Record{Visits: []Visit{}, Cost: map[string]tariff.Money{}}
		var run, ended int64
		var address []byte
		if err := rows.Scan(&r.ID, &r.Node, &run, &r.Call, &address, &r.Port, &r.Transport, &r.Terminal,
			&ended, &r.In, &r.Out, &r.Reason, &r.Error); err != nil {
			return nil, err
		}
		r.Run, r.Began, r.Ended = moment(run), moment(r.ID), moment(ended)
		if a, ok := netip.AddrFromSlice(address); ok {
			r.Address = a.Unmap().String()
		}
		at[r.ID] = len(all)
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, fetchVisits(ctx, tx, string(list), most, func(id int64) *Record { return &all[at[id]] })
}

// fetchVisits adds their visits to records.
func fetchVisits(ctx context.Context, tx *sql.Tx, ids string, most int, record func(id int64) *Record) error {
	rows, err := tx.QueryContext(ctx, `SELECT call, service, began, ended, seconds, palier, cost, currency, bytes_in, bytes_out, reason
		FROM visits WHERE call IN (SELECT value FROM json_each(?)) AND ended IS NOT NULL ORDER BY call, n`, ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var v Visit
		var call, from, to, cost int64
		if err := rows.Scan(&call, &v.Service, &from, &to, &v.Seconds, &v.Palier, &cost, &v.Currency, &v.In, &v.Out, &v.Reason); err != nil {
			return err
		}
		v.From, v.To, v.Cost = moment(from), moment(to), tariff.Money(cost)
		r := record(call)
		if v.Currency != "" {
			r.Cost[v.Currency] += v.Cost
		}
		if len(r.Visits) == most {
			r.More++
		} else {
			r.Visits = append(r.Visits, v)
		}
	}
	return rows.Err()
}

func moment(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// Totals are sums over calls that have ended, and over their visits.
type Totals struct {
	Calls    int64          `json:"calls"`
	Seconds  int64          `json:"seconds"` // that they lasted
	In       uint64         `json:"in"`      // bytes from callers
	Out      uint64         `json:"out"`     // bytes to callers
	Services []ServiceTotal `json:"services"`
}

// A ServiceTotal is what was at one service, by currency.
type ServiceTotal struct {
	Service  string       `json:"service"`
	Visits   int64        `json:"visits"`
	Seconds  int64        `json:"seconds"`
	Cost     tariff.Money `json:"cost"`
	Currency string       `json:"currency,omitempty"` // "" if nobody has counted
}

// Totals returns the sums over the calls that are asked for, without a limit; services
// are in the order of their names. It takes 5 s at the most, then it returns ErrSlow.
func (h *History) Totals(ctx context.Context, q Query) (t Totals, err error) {
	err = h.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		from, to := q.ends()
		var f filter
		calls := "calls c NOT INDEXED"
		if q.Service != "" {
			calls = "(SELECT DISTINCT call FROM visits WHERE service = ? AND call >= ? AND call < ?) v CROSS JOIN calls c ON c.id = v.call"
			f.args = []any{q.Service, from, to}
		}
		f.add("c.id >= ? AND c.id < ?", from, to)
		f.of(q)
		err := tx.QueryRowContext(ctx, "SELECT count(*), ifnull(sum(c.ended - c.id), 0) / 1000000, ifnull(sum(c.bytes_in), 0), ifnull(sum(c.bytes_out), 0) FROM "+
			calls+" WHERE "+f.String(), f.args...).Scan(&t.Calls, &t.Seconds, &t.In, &t.Out)
		if err != nil {
			return err
		}
		t.Services, err = totalVisits(ctx, tx, q)
		return err
	})
	return t, err
}

// totalVisits goes from service to service, each a range of an index that has all that is
// summed up: to group a million visits would be to sort them.
func totalVisits(ctx context.Context, tx *sql.Tx, q Query) ([]ServiceTotal, error) {
	all := []ServiceTotal{}
	if q.Service != "" {
		return totalService(ctx, tx, q, all)
	}
	for {
		var next sql.NullString
		if err := tx.QueryRowContext(ctx, "SELECT min(service) FROM visits WHERE service > ?", q.Service).Scan(&next); err != nil {
			return nil, err
		}
		if !next.Valid {
			return all, nil
		}
		q.Service = next.String
		var err error
		if all, err = totalService(ctx, tx, q, all); err != nil {
			return nil, err
		}
	}
}

// totalService adds the totals of the query's service to all: one, unless it has been
// paid for in several currencies.
func totalService(ctx context.Context, tx *sql.Tx, q Query, all []ServiceTotal) ([]ServiceTotal, error) {
	from, to := q.ends()
	var f filter
	calls := ""
	f.add("v.service = ? AND v.call >= ? AND v.call < ? AND v.ended IS NOT NULL", q.Service, from, to)
	if q.From.IsValid() || q.Transport != "" || q.Reason != "" {
		calls = " CROSS JOIN calls c ON c.id = v.call"
		f.of(q)
	}
	text := "SELECT max(v.service), count(*), sum(v.ended - v.began) / 1000000, sum(v.cost), v.currency, min(v.currency) < max(v.currency) FROM visits v" +
		calls + " WHERE " + f.String()
	some, several, err := scanTotals(tx.QueryContext(ctx, text+" HAVING count(*) > 0", f.args...))
	if several {
		some, _, err = scanTotals(tx.QueryContext(ctx, text+" GROUP BY v.currency", f.args...))
	}
	return append(all, some...), err
}

func scanTotals(rows *sql.Rows, err error) (all []ServiceTotal, several bool, _ error) {
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var s ServiceTotal
		var cost int64
		if err := rows.Scan(&s.Service, &s.Visits, &s.Seconds, &cost, &s.Currency, &several); err != nil {
			return nil, false, err
		}
		s.Cost = tariff.Money(cost)
		all = append(all, s)
	}
	return all, several, rows.Err()
}
