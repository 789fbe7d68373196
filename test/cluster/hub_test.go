//go:build linux

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A member is one of the gateways, and what stands beside it.
type member struct {
	name    string
	admin   string // where operators ask it
	dir     string
	gateway *process
	nats    *process // nil if the server is inside the gateway
	cut     func()   // it, and the NATS beside it, from the others
	heal    func()
	apart   bool // it is cut
}

// A hub are they all.
type hub struct {
	*testing.T
	members []*member
	token   string
	service string   // a URL
	urls    []string // of the servers of NATS; none if they are inside
	client  *http.Client

	mu      sync.Mutex
	down    map[*member]bool // it is not to be asked: killed, or closing
	killed  []time.Time      // when members were
	settle  time.Duration    // for how long the registry must be true to be so
	unquiet atomic.Int64     // how many faults are going on, or not over for long
}

func newHub(t *testing.T, settle time.Duration) *hub {
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return &hub{T: t, settle: settle, down: map[*member]bool{}, client: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// A refusal is what a gateway answers instead.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return fmt.Sprintf("%d: %s", r.code, r.text) }

// asks a gateway. The error is a refusal if that is what it answers.
func (h *hub) asks(ctx context.Context, m *member, method, path string, what, answer any) error {
	var body io.Reader
	if what != nil {
		text, err := json.Marshal(what)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+m.admin+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w, err := h.client.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		return err
	}
	if w.StatusCode >= 300 {
		var no struct{ Error string }
		json.Unmarshal(text, &no)
		return refusal{w.StatusCode, no.Error}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// up are the members that are to be asked.
func (h *hub) up() []*member {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.members), func(m *member) bool { return h.down[m] })
}

func (h *hub) isDown(m *member, down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down[m] = down
}

// A row is a gateway, as one of them knows it.
type row struct {
	Name, Instance, State string
	Self, Silent          bool
	Calls                 int
	Fault                 string
}

// isTrue reports, by an error that says what is not, whether each gateway that is up knows
// of each other how it is.
func (h *hub) isTrue() error {
	up, tables, instances := h.up(), map[*member][]row{}, map[string]string{}
	for _, m := range up {
		var table struct{ Gateways []row }
		if err := h.asks(h.Context(), m, "GET", "/gateways", nil, &table); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, r := range table.Gateways {
			if r.Self {
				instances[m.name] = r.Instance
			}
		}
		tables[m] = table.Gateways
	}
	for _, m := range up {
		for _, other := range h.members {
			apart := m != other && (m.apart || other.apart)
			there := slices.Contains(up, other) && !apart
			seen := 0
			for _, r := range tables[m] {
				if r.Name != other.name || r.Silent || r.State == "gone" {
					continue
				}
				if !there || r.Instance != instances[other.name] || r.State != "running" {
					return fmt.Errorf("%s takes %s for %s (%s)", m.name, r.Name, r.State, r.Instance)
				}
				seen++
			}
			if there && seen != 1 {
				return fmt.Errorf("%s sees %s %d times", m.name, other.name, seen)
			}
		}
	}
	return nil
}

// takes waits until something is so, and stays so for a while, and tells how long it was
// not.
func (h *hub) takes(what string, stays time.Duration, isSo func() error) {
	h.Helper()
	h.takesSince(time.Now(), what, stays, isSo)
}

// takesSince is takes for what began some time ago.
func (h *hub) takesSince(began time.Time, what string, stays time.Duration, isSo func() error) {
	h.Helper()
	wrong := time.Now()
	for {
		err := isSo()
		now := time.Now()
		if err != nil {
			wrong = now
		}
		if took := wrong.Sub(began); took > patience {
			h.Errorf("%s: not after %v: %v", what, patience, err)
			return
		} else if err == nil && now.Sub(wrong) >= stays {
			h.Logf("%s: after %.1f s", what, took.Seconds())
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// fault has something happen, waits for what is to come of it, and until the registry is true
// after it. How long it is not then counts from when it has happened.
func (h *hub) fault(what string, happens func(), comes ...func()) {
	h.Helper()
	defer h.trouble()()
	happens()
	began := time.Now()
	for _, c := range comes {
		c()
	}
	h.takesSince(began, what+": the registry is true", h.settle, h.isTrue)
}

// trouble says that orders may be refused from now on, until 5 s after its result is called.
func (h *hub) trouble() (over func()) {
	h.unquiet.Add(1)
	return func() { time.AfterFunc(5*time.Second, func() { h.unquiet.Add(-1) }) }
}

// metric is one of those of a gateway, -1 if it is not there.
func (h *hub) metric(m *member, name string) float64 {
	r, err := http.NewRequestWithContext(h.Context(), "GET", "http://"+m.admin+"/metrics", nil)
	if err != nil {
		return -1
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	w, err := h.client.Do(r)
	if err != nil {
		return -1
	}
	defer w.Body.Close()
	text, _ := io.ReadAll(w.Body)
	_, rest, ok := strings.Cut(string(text), "\n"+name+" ")
	value, err := strconv.ParseFloat(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 64)
	if !ok || err != nil {
		return -1
	}
	return value
}

// kills ends a gateway at once. Who is asked is not it.
func (h *hub) kills(m *member) {
	h.isDown(m, true)
	h.killed = append(h.killed, time.Now())
	m.gateway.kill()
}

// restarts starts it again.
func (h *hub) restarts(m *member) {
	h.Helper()
	m.gateway.start(h.T)
	h.isDown(m, false)
}

// drains has a gateway told to close, waits until it has, and starts it again.
func (h *hub) drains(m *member, during time.Duration) {
	h.Helper()
	if err := h.asks(h.Context(), m, "POST", "/drain", map[string]string{"for": during.String()}, nil); err != nil {
		h.Errorf("%s does not drain: %v", m.name, err)
	}
	h.isDown(m, true)
	m.gateway.ends(h.T)
	h.restarts(m)
}

// networks are those that a gateway keeps out.
func (h *hub) networks(m *member) (all []string, err error) {
	var answer struct{ Bans []struct{ Network string } }
	err = h.asks(h.Context(), m, "GET", "/bans", nil, &answer)
	for _, b := range answer.Bans {
		all = append(all, b.Network)
	}
	slices.Sort(all)
	return all, err
}

// bans has a gateway keep a network out, or let it in again.
func (h *hub) bans(m *member, network string, out bool) {
	h.Helper()
	var err error
	if out {
		err = h.asks(h.Context(), m, "POST", "/bans", map[string]string{"network": network, "reason": "by " + m.name}, nil)
	} else {
		err = h.asks(h.Context(), m, "DELETE", "/bans/"+network, nil, nil)
	}
	if err != nil {
		h.Errorf("%s, about %s: %v", m.name, network, err)
	}
}

// sameBans reports, by an error, whether all keep out whom they should.
func (h *hub) sameBans(want ...string) error {
	slices.Sort(want)
	for _, m := range h.up() {
		if got, err := h.networks(m); err != nil || !slices.Equal(got, want) {
			return fmt.Errorf("%s keeps out %v: %v", m.name, got, err)
		}
	}
	return nil
}

// Operators order this and that for calls of any gateway, by any gateway.
type operators struct {
	h     *hub
	c     *crowd
	stop  context.CancelFunc
	work  sync.WaitGroup
	codes map[int]int // refusals, by code

	mu      sync.Mutex
	calls   map[string]entry // by address
	done    map[string]int   // by order
	refused int              // with a clear error
	mute    int              // who was asked died, or did not answer
	excused int              // the call ended before it could show
	across  int              // done by another gateway than that of the call
	lost    []string         // answered with success, without effect
	uncalm  []string         // refused although all was well
}

// An entry is a call, as operators list it.
type entry struct {
	ID      int
	Gateway string
	Address string
}

// order begins to order, n operators at a time.
func order(h *hub, c *crowd, n int, pause time.Duration) *operators {
	ctx, stop := context.WithCancel(context.Background())
	o := &operators{h: h, c: c, stop: stop, codes: map[int]int{}, calls: map[string]entry{}, done: map[string]int{}}
	o.work.Go(func() {
		for ctx.Err() == nil {
			o.lists(ctx)
			wait(ctx, time.Second)
		}
	})
	for range n {
		o.work.Go(func() {
			for number := 0; ctx.Err() == nil; number++ {
				o.orders(ctx)
				wait(ctx, pause/2+rand.N(pause))
			}
		})
	}
	h.Cleanup(o.ends)
	return o
}

func (o *operators) ends() {
	o.stop()
	o.work.Wait()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// any is one of the gateways that are up.
func (h *hub) any() *member {
	up := h.up()
	if len(up) == 0 {
		return h.members[0]
	}
	return up[rand.N(len(up))]
}

// lists has one gateway tell of all calls.
func (o *operators) lists(ctx context.Context) {
	m := o.h.any()
	var answer struct{ Calls []entry }
	if o.h.asks(ctx, m, "GET", "/calls", nil, &answer) != nil {
		return
	}
	calls := map[string]entry{}
	for _, e := range answer.Calls {
		calls[e.Address] = e
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = calls
}

var marks atomic.Int64

// orders orders one thing for one call, and looks whether it is done.
func (o *operators) orders(ctx context.Context) {
	l := o.c.some(rand.N(3) == 0)
	if l == nil || !l.orders.TryLock() {
		return
	}
	defer l.orders.Unlock()
	o.mu.Lock()
	e, known := o.calls[l.address]
	o.mu.Unlock()
	if !known || l.isOver() {
		return
	}
	var (
		what, method = "message", "POST"
		body         any
		isDone       func() bool
		mark         = fmt.Sprintf("mot %d.", marks.Add(1))
	)
	l.mu.Lock()
	at, before := l.at, l.keys
	switch n := rand.N(100); {
	case at == 'P' && n < 25:
		what, body, isDone = "redirect", map[string]string{"to": o.h.service}, func() bool { return l.at == 'S' }
		l.moved = time.Now()
	case at == 'S' && n < 60:
		what, isDone = "recall", func() bool { return l.at == 'P' && l.keys > before }
		l.moved = time.Now()
	case n >= 97:
		what, method, isDone = "hang up", "DELETE", l.isOver
		l.ordered = true
	default:
		body, isDone = map[string]string{"text": mark}, func() bool { return bytes.Contains(l.row, []byte(mark)) }
	}
	l.mu.Unlock()
	path := fmt.Sprintf("/calls/%s-%d", e.Gateway, e.ID)
	if method != "DELETE" {
		path += "/" + what
	}
	calm, by := o.h.unquiet.Load() == 0, o.h.any()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := o.h.asks(ctx, by, method, path, body, nil)
	if ctx.Err() != nil {
		return
	}
	if what == "redirect" || what == "recall" {
		l.mu.Lock()
		l.moved = time.Now() // it may have taken a while
		l.mu.Unlock()
	}
	said := fmt.Sprintf("%s for %s (%s) by %s, answered %v", what, path, l.address, by.name, err)
	var no refusal
	switch {
	case errors.As(err, &no):
		o.mu.Lock()
		defer o.mu.Unlock()
		o.refused++
		if o.codes[no.code]++; o.codes[no.code] == 1 {
			o.h.Logf("refused: %s", said)
		}
		if calm && o.h.unquiet.Load() == 0 && !l.isOver() && !l.isEnding() {
			o.uncalm = append(o.uncalm, said)
		}
		return
	case err != nil:
		o.mu.Lock()
		defer o.mu.Unlock()
		o.mute++
		if calm && o.h.unquiet.Load() == 0 {
			o.uncalm = append(o.uncalm, said)
		}
		return
	}
	ok := l.await(ctx, 20*time.Second, isDone) || what == "hang up" && l.isOver()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case ok:
		o.done[what]++
		if by.name != e.Gateway {
			o.across++
		}
	case l.isOver() || l.isEnding() || ctx.Err() != nil:
		o.excused++
	default:
		o.lost = append(o.lost, said)
	}
}

// isEnding reports whether the call is about to end anyway.
func (l *call) isEnding() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}
