package admin

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"moip/internal/history"
	"moip/internal/session"
)

func TestHistoryQuery(t *testing.T) {
	now := time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)
	for text, want := range map[string]history.Query{
		"":          {Limit: 100},
		"since=24h": {Since: now.Add(-24 * time.Hour), Limit: 100},
		"since=7d&until=2026-11-23T20:00:00%2B01:00": {Since: now.AddDate(0, 0, -7), Until: now.Add(-75 * time.Minute), Limit: 100},
		"from=192.0.2.7":                                {From: netip.MustParsePrefix("192.0.2.7/32"), Limit: 100},
		"from=192.0.2.7/24":                             {From: netip.MustParsePrefix("192.0.2.0/24"), Limit: 100},
		"from=2001:db8::/32":                            {From: netip.MustParsePrefix("2001:db8::/32"), Limit: 100},
		"limit=1000&before=42":                          {Limit: 1000, Before: 42},
		"service=ULLA&transport=ws&reason=gone&limit=1": {Service: "ULLA", Transport: "ws", Reason: "gone", Limit: 1},
	} {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := historyQuery(values, now)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
}

// A page tells where the next begins, and wrong parameters are named.
func TestHistory(t *testing.T) {
	kept, err := history.Open(filepath.Join(t.TempDir(), "history.db"), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	for n := range session.ID(3) {
		e := session.Event{Call: n + 1, Began: now.Add(time.Duration(n) * time.Second), Type: session.Began, Caller: session.Caller{Transport: "ws"}}
		kept.Note(e)
		e.At, e.Type, e.Reason = e.Began.Add(time.Minute), session.Ended, session.ReasonGone
		kept.Note(e)
	}
	server := httptest.NewServer(NewServer(Options{History: kept, Log: slog.New(slog.DiscardHandler)}).Handler)
	defer server.Close()
	client := NewClient(server.URL)
	defer client.http.CloseIdleConnections()
	ask := func(query string) (page History, err error) {
		return page, client.Do(t.Context(), "GET", "/history"+query, nil, &page)
	}
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if page, err := ask(""); err == nil && len(page.Records) == 3 {
			break
		} else if time.Now().After(late) {
			t.Fatal(page, err)
		}
	}
	told := ""
	for query := "?limit=2"; query != ""; {
		page, err := ask(query)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			told += fmt.Sprint(r.Call, " ")
		}
		if query = ""; page.Next != 0 {
			query = fmt.Sprint("?limit=2&before=", page.Next)
		}
	}
	if told != "3 2 1 " {
		t.Errorf("pages tell of %s", told)
	}
	var totals history.Totals
	if err := client.Do(t.Context(), "GET", "/history/totals?since=1h", nil, &totals); err != nil || totals.Calls != 3 || totals.Seconds != 180 {
		t.Errorf("totals are %+v, %v", totals, err)
	}
	for query, want := range map[string]string{
		"?since=yesterday":   `since: "yesterday" is neither a moment nor how long ago`,
		"?until=-1h":         `until: "-1h" is neither a moment`,
		"?from=here":         `from: "here" is neither an address nor a network`,
		"?from=fe80::1%25e0": `is neither an address nor a network`,
		"?limit=0":           `limit: "0" is out of range (1 to 1000)`,
		"?limit=1001":        `limit: "1001" is out of range`,
		"?before=x":          `before: "x" is no ID of a record`,
		"?sevrice=ULLA":      `"sevrice" is unknown`,
		"?limit=1&limit=2":   `limit is there twice`,
		"/totals?limit=1":    `totals have no pages`,
	} {
		if _, err := ask(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", query, err, want)
		}
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(""); err == nil {
		t.Error("a closed history is told of")
	}
	without := httptest.NewServer(NewServer(Options{Log: slog.New(slog.DiscardHandler)}).Handler)
	defer without.Close()
	for _, path := range []string{"/history", "/history/totals"} {
		w, err := without.Client().Get(without.URL + root + path)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		if w.StatusCode != 404 {
			t.Errorf("without a history %s is %s", path, w.Status)
		}
	}
}
