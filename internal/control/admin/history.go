package admin

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/history"
	"moip/internal/policy"
)

// errNoHistory refuses to tell of what was not kept.
var errNoHistory = errors.New("this gateway keeps no history (it was told not to, or could not open it: see its log)")

// A History is a page of the records of calls that have ended, the newest first.
type History struct {
	Records []Record `json:"records"`
	Next    int64    `json:"next,omitempty"` // what before must be for the next page, if there may be one
	Asked
}

// A Record is that of a call of one gateway.
type Record struct {
	history.Record
	Gateway string `json:"gateway"`
}

// Totals are sums over calls.
type Totals struct {
	history.Totals
	Asked
}

func (d desk) history(r *http.Request) (any, error) {
	if d.History == nil {
		return nil, errNoHistory
	}
	q, err := historyQuery(r.URL.Query(), time.Now())
	if err != nil {
		return nil, err
	}
	records, err := d.History.Records(r.Context(), q)
	page := History{Records: make([]Record, 0, len(records))}
	for _, r := range records {
		page.Records = append(page.Records, Record{r, d.name()})
	}
	if len(records) == q.Limit {
		page.Next = records[q.Limit-1].ID
	}
	return page, err
}

func (d desk) historyTotals(r *http.Request) (any, error) {
	if d.History == nil {
		return nil, errNoHistory
	}
	values := r.URL.Query()
	if values.Has("limit") || values.Has("before") {
		return nil, faulty("totals have no pages: leave out limit and before")
	}
	q, err := historyQuery(values, time.Now())
	if err != nil {
		return nil, err
	}
	sums, err := d.History.Totals(r.Context(), q)
	return Totals{Totals: sums}, err
}

// historyQuery reads the parameters of a request.
func historyQuery(values url.Values, now time.Time) (q history.Query, err error) {
	q.Limit = 100
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) > 1 {
			return q, faulty("%s is there twice", name)
		}
		text := values.Get(name)
		switch name {
		case "since":
			q.Since, err = parseMoment(text, now)
		case "until":
			q.Until, err = parseMoment(text, now)
		case "from":
			q.From, err = policy.ParseNetwork(text)
		case "service":
			q.Service = text
		case "transport":
			q.Transport = text
		case "reason":
			q.Reason = text
		case "limit":
			if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > history.MaxRecords {
				err = faulty("%.20q is out of range (1 to %d)", text, history.MaxRecords)
			}
		case "before":
			if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before < 1 {
				err = faulty("%.20q is no ID of a record (write what next was on the page before)", text)
			}
		default:
			err = faulty("%.40q is unknown (use since, until, from, service, transport, reason, limit or before)", name)
		}
		if err != nil {
			return q, faulty("%.40s: %w", name, err)
		}
	}
	return q, nil
}

// parseMoment reads a moment as operators write it: 2026-11-23T20:15:00+01:00, or how
// long ago, as in 90m, 24h or 7d.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if ago, err := parseSpan(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, faulty("%.40q is neither a moment nor how long ago (write 2026-11-23T20:15:00+01:00, 24h or 7d)", text)
}

// parseSpan reads how long something takes, as operators write it: 90m, 24h or 7d.
func parseSpan(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
