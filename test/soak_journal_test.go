package test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"moip/internal/control/admin"
	"moip/internal/history"
)

// A journal is what a gateway tells of its calls as it happens: each begins once and ends
// once, and what happens to it happens in between, in its order.
type journal struct {
	fails func(format string, args ...any)

	mu     sync.Mutex
	news   chan struct{} // closed, and made anew, when something was told
	calls  map[uint64]*entry
	latest map[string]*entry // by address and port of the terminal
	floor  uint64            // the calls up to that number were settled, and are not here
	record int64             // the newest of their records in the history

	// Since the gateway began.
	began, ended, returned map[string]int // by transport, reason, reason
	redirected             int            // and perhaps not reached
	in, out                uint64         // bytes
}

// An entry is a call.
type entry struct {
	id                   uint64
	from, by             string
	state                string // of it, but for what the portal's state is
	over                 bool
	reason               string // why it ended
	back                 string // why the latest visit did
	went, came, returned int    // redirections, those that reached a service, those that are over
}

func newJournal(fails func(string, ...any)) *journal {
	return &journal{
		fails: fails, news: make(chan struct{}), calls: map[uint64]*entry{}, latest: map[string]*entry{},
		began: map[string]int{}, ended: map[string]int{}, returned: map[string]int{},
	}
}

// keeps follows the events until ctx is done.
func (j *journal) keeps(ctx context.Context, c *admin.Client) {
	if err := c.Follow(ctx, j.take); err != nil {
		j.fails("the events: %v", err)
	}
}

func (j *journal) take(e admin.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.news)
	j.news = make(chan struct{})
	switch e.Type {
	case "lost":
		j.fails("%d events were missed", e.Lost)
		return nil
	case "refused":
		return nil
	case "began":
		if j.calls[e.Call] != nil || e.Call <= j.floor {
			j.fails("call %d begins again", e.Call)
		}
		c := &entry{id: e.Call, from: e.From, by: e.By}
		j.calls[e.Call], j.latest[e.From] = c, c
		j.began[e.By]++
		return nil
	}
	c := j.calls[e.Call]
	if c == nil || c.over {
		j.fails("%s is told of call %d, which has not begun or has ended", e.Type, e.Call)
		return nil
	}
	if before, ok := mayFollow[e.Type]; !ok || !slices.Contains(before, c.state) {
		j.fails("%s is told of call %d, which was %q", e.Type, e.Call, c.state)
	}
	switch e.Type {
	case "redirecting":
		c.went++
		j.redirected++
		c.state = "dialing"
	case "redirected":
		c.came++
		c.state = "service"
	case "returned":
		c.returned++
		c.back, c.state = e.Reason, ""
		j.returned[e.Reason]++
	case "ended":
		c.over, c.reason = true, e.Reason
		j.ended[e.Reason]++
		j.in, j.out = j.in+e.In, j.out+e.Out
		if c.state != "" {
			j.returned[e.Reason]++ // with its call
		}
		if c.from != e.From || c.by != e.By {
			j.fails("call %d began as %s by %s and ends as %s by %s", c.id, c.from, c.by, e.From, e.By)
		}
	}
	return nil
}

// mayFollow says in which states of a call an event may be told.
var mayFollow = map[string][]string{
	"redirecting": {""},
	"redirected":  {"dialing"},
	"returned":    {"dialing", "service"},
	"waiting":     {"", "dialing", "service"},
	"ended":       {"", "dialing", "service"},
}

// until waits until something is so.
func (j *journal) until(what string, so func() bool) error {
	late := time.After(4 * patience)
	for {
		j.mu.Lock()
		done, news := so(), j.news
		j.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-late:
			return fmt.Errorf("the events do not tell %s", what)
		}
	}
}

// call waits for the call from an address and port.
func (j *journal) call(from string) (c *entry, err error) {
	err = j.until("of the call from "+from, func() bool {
		c = j.latest[from]
		return c != nil && !c.over
	})
	return c, err
}

// all returns how many calls have begun and ended, and how many of them are under way.
func (j *journal) all() (began, ended int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return total(j.began), total(j.ended)
}

// visits returns how many redirections there have been.
func (j *journal) visits() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.redirected
}

func total[K comparable](counts map[K]int) (n int) {
	for _, some := range counts {
		n += some
	}
	return n
}

// agrees holds the counters of the gateway against what was told, when all calls are over.
func (j *journal) agrees(metrics string) (faults []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	same := func(name string, want float64) {
		if is := metricSum(metrics, name); is != want {
			faults = append(faults, fmt.Sprintf("%s is %.0f, and the events tell %.0f", name, is, want))
		}
	}
	for _, by := range []struct {
		name, label string
		counts      map[string]int
	}{
		{"moip_calls_total", "transport", j.began}, {"moip_calls_ended_total", "reason", j.ended}, {"moip_visits_ended_total", "reason", j.returned},
	} {
		same(by.name, float64(total(by.counts)))
		for value, n := range by.counts {
			same(fmt.Sprintf("%s{%s=%q}", by.name, by.label, value), float64(n))
		}
	}
	same("moip_visits_ended_total", float64(j.redirected))
	same(`moip_bytes_total{direction="in"}`, float64(j.in))
	same(`moip_bytes_total{direction="out"}`, float64(j.out))
	same("moip_call_seconds_count", float64(total(j.ended)))
	same("moip_calls", 0)
	same("moip_calls_recorded", 0)
	same("moip_history_lost_total", 0)
	return faults
}

// recordsAfter returns all records of the history after one, the oldest first.
func recordsAfter(ctx context.Context, c *admin.Client, after int64) (all []history.Record, err error) {
	for path := "/history?limit=1000"; ; {
		var page admin.History
		if err := c.Do(ctx, "GET", path, nil, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if r.ID <= after {
				page.Next = 0
				break
			}
			all = append(all, r.Record)
		}
		if page.Next == 0 {
			slices.Reverse(all)
			return all, nil
		}
		path = "/history?limit=1000&before=" + strconv.FormatInt(page.Next, 10)
	}
}

// settle holds all calls since the last time, which are over, against the history, and
// forgets them: each is there once, as the events have told it.
func (j *journal) settle(records []history.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := map[uint64]bool{}
	for _, r := range records {
		j.record = max(j.record, r.ID)
		c := j.calls[r.Call]
		switch from := net.JoinHostPort(r.Address, strconv.Itoa(r.Port)); {
		case seen[r.Call]:
			j.fails("call %d is in the history twice", r.Call)
		case c == nil:
			j.fails("call %d is in the history, and the events have not told of it since the last rest", r.Call)
		case !c.over:
			j.fails("call %d is in the history, and has not ended", r.Call)
		case c.reason != r.Reason, c.from != from, c.by != r.Transport, c.came != len(r.Visits)+r.More:
			j.fails("call %d, of %s by %s, has ended by %q after %d visits; its record is %+v", r.Call, c.from, c.by, c.reason, c.came, r)
		}
		seen[r.Call] = true
	}
	for id, c := range j.calls {
		if !seen[id] {
			j.fails("call %d, of %s by %s, is not in the history (over: %t, by %q)", id, c.from, c.by, c.over, c.reason)
		}
		j.floor = max(j.floor, id)
	}
	clear(j.calls)
	clear(j.latest)
}

// reasons returns why calls have ended, as a line.
func (j *journal) reasons() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, reason := range slices.Sorted(maps.Keys(j.ended)) {
		out = append(out, fmt.Sprintf("%s %d", reason, j.ended[reason]))
	}
	return strings.Join(out, ", ")
}
