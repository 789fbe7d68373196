package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"moip/internal/bus"
	"moip/internal/control/admin/access"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/tunnel"
	"moip/internal/history"
	"moip/internal/policy/token"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/trace"
)

// A phone is the terminal of a call, or who it is put through to. It says nothing, and
// hears all.
type phone struct {
	mu    sync.Mutex
	heard bytes.Buffer
	hung  chan struct{}
	once  sync.Once
}

func newPhone() *phone { return &phone{hung: make(chan struct{})} }

func (p *phone) Receive() ([]byte, error) { <-p.hung; return nil, io.EOF }
func (p *phone) Flush()                   {}
func (p *phone) Close() error             { p.once.Do(func() { close(p.hung) }); return nil }
func (p *phone) Send(data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard.Write(data)
	return false
}

func (p *phone) heardOf(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.heard.String(), text)
}

func dialPhone(context.Context, session.ID, session.Route) (session.Endpoint, error) {
	return newPhone(), nil
}

// A station is a gateway of a hub in a bubble of time.
type station struct {
	t      testing.TB
	name   string
	place  *bus.Place
	hub    *cluster.Hub
	board  *switchboard.Board
	door   http.Handler
	phones []*phone
	state  atomic.Value // a string
	level  slog.LevelVar
	calls  sync.WaitGroup
	stop   func()
}

// opens has a gateway join, with some calls. Change may change what it answers with.
func opens(t testing.TB, x *bus.Exchange, name string, calls int, change func(*Options)) *station {
	log := slog.New(slog.DiscardHandler)
	s := &station{t: t, name: name, place: x.Join(), board: switchboard.New(log)}
	s.state.Store("running")
	traces := trace.NewDesk(s.board)
	s.board.Open(session.Config{Portal: session.Route{Name: "portal"}, DialPortal: dialPhone, DialService: dialPhone, Limits: session.Limits{Drain: time.Millisecond}}, traces.Note)
	began := time.Now()
	s.hub = cluster.New(cluster.Options{Bus: s.place, Name: name, Log: log, Self: func() cluster.Gateway {
		n, _ := s.board.Count()
		return cluster.Gateway{Version: "1.2", State: s.state.Load().(string), Began: began, Calls: n}
	}})
	o := Options{
		Hub: s.hub, Board: s.board, Metrics: NewMetrics(s.board), Events: NewEvents(), Traces: traces, Log: log, Level: &s.level,
		Route: func(name string) (session.Route, error) { return session.Route{Name: name, URL: "tcp://" + name}, nil },
	}
	if change != nil {
		change(&o)
	}
	s.door = NewServer(o).Handler
	ctx, leave := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { s.hub.Run(ctx) })
	work.Go(func() {
		tunnel.Serve(ctx, tunnel.Options{Bus: s.place, Name: name, Instance: s.hub.Instance(), Handler: Inside(o), Log: log})
	})
	s.stop = func() {
		leave()
		work.Wait()
		s.place.Close()
		s.board.Shutdown(context.Background())
		s.calls.Wait()
	}
	for range calls {
		s.called()
	}
	return s
}

// called has somebody call, a second later than the one before.
func (s *station) called() {
	time.Sleep(time.Second)
	s.call()
	synctest.Wait()
}

func (s *station) call() {
	p := newPhone()
	s.phones = append(s.phones, p)
	s.calls.Go(func() {
		s.board.Answer(p, session.Caller{Transport: "telnet", Addr: netip.MustParseAddrPort("192.0.2.1:4000")})
	})
}

// asks asks the gateway, and returns the status and the answer.
func (s *station) asks(method, path, body string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+root+path, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.door.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// says expects an answer with some text in it.
func (s *station) says(status int, text, method, path, body string) {
	s.t.Helper()
	if code, told := s.asks(method, path, body); code != status || !strings.Contains(told, text) {
		s.t.Errorf("%s: %s %s: %d %s, not %d %s", s.name, method, path, code, told, status, text)
	}
}

// lists returns the calls that a gateway lists, who has answered, and who has not.
func (s *station) lists(query string) string {
	s.t.Helper()
	code, told := s.asks("GET", "/calls"+query, "")
	var all Calls
	if err := json.Unmarshal([]byte(told), &all); code != http.StatusOK || err != nil {
		return told
	}
	var said []string
	for _, c := range all.Calls {
		said = append(said, fmt.Sprintf("%s-%d", c.Gateway, c.ID))
	}
	said = append(said, "of")
	said = append(said, all.Gateways...)
	for _, m := range all.Missing {
		said = append(said, fmt.Sprintf("without %s, which had %d: %s", m.Gateway, m.Calls, m.Why))
	}
	return strings.Join(said, " ")
}

// Any gateway lists the calls of all, and does with any what it could do with its own.
func TestHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		paris := opens(t, &x, "paris", 1, nil)
		defer paris.stop()
		if got := paris.lists(""); got != "paris-1 of" {
			t.Error("who is alone lists", got)
		}
		lyon := opens(t, &x, "lyon", 2, nil)
		defer lyon.stop()
		nice := opens(t, &x, "nice-sud", 0, nil)
		defer nice.stop()
		paris.called()
		time.Sleep(3 * time.Second) // until all have said how they are
		nice.says(503, "no gateway of that name has been heard yet", "GET", "/calls/rome-1", "")
		time.Sleep(7 * time.Second)
		for _, s := range []*station{paris, lyon, nice} {
			if got := s.lists(""); got != "paris-1 lyon-1 lyon-2 paris-2 of lyon nice-sud paris" {
				t.Errorf("%s lists %s", s.name, got)
			}
		}
		for query, want := range map[string]string{
			"?gateway=lyon": "lyon-1 lyon-2 of lyon", "?gateway=paris": "paris-1 paris-2 of", "?service=MIRE": "of lyon nice-sud paris",
		} {
			if got := paris.lists(query); got != want {
				t.Errorf("%s lists %s, not %s", query, got, want)
			}
		}
		paris.says(404, `\"rome\": there is no gateway of that name (there are: lyon, nice-sud, paris)`, "GET", "/calls?gateway=rome", "")
		paris.says(400, "is nothing to choose calls by", "GET", "/calls?colour=red", "")

		nice.says(200, `"gateway": "lyon"`, "GET", "/calls/lyon-2", "")
		nice.says(404, "no such call", "GET", "/calls/2", "")
		nice.says(404, "no such call", "GET", "/calls/lyon-9", "")
		nice.says(404, "no such call", "GET", "/calls/nice-sud-1", "")
		nice.says(404, "there is no gateway of that name", "GET", "/calls/rome-1", "")
		nice.says(400, "is no call (write its number, or as in nice-sud-42", "GET", "/calls/lyon-x", "")
		nice.says(200, `"gateway": "lyon"`, "GET", "/calls/2?gateway=lyon", "")
		lyon.says(200, `"id": 1`, "GET", "/calls/lyon-1", "")
		lyon.says(200, `"id": 1`, "GET", "/calls/1", "")

		nice.says(204, "", "POST", "/calls/lyon-2/message", `{"text": "Bonjour Lyon"}`)
		if !lyon.phones[1].heardOf("Bonjour Lyon") || lyon.phones[0].heardOf("Bonjour Lyon") {
			t.Error("the message did not come to whom it was for")
		}
		nice.says(400, "has 33", "POST", "/calls/lyon-2/message", `{"text": "`+strings.Repeat("x", 40)+`"}`)
		nice.says(200, "Bonjour Lyon", "GET", "/calls/lyon-2/screen?as=text", "")
		nice.says(204, "", "POST", "/calls/paris-1/redirect", `{"to": "MIRE"}`)
		synctest.Wait()
		lyon.says(200, `"service": "MIRE"`, "GET", "/calls/paris-1", "")
		if got := nice.lists("?service=mire"); got != "paris-1 of lyon nice-sud paris" {
			t.Error("at MIRE is", got)
		}
		nice.says(204, "", "POST", "/calls/paris-1/recall", "")
		synctest.Wait()
		lyon.says(409, "no recordings are kept", "PUT", "/calls/paris-1/recording", `{"on": true}`)
		nice.says(200, `"told": 4`, "POST", "/calls/message", `{"text": "Fermeture"}`)
		nice.says(200, `"told": 2`, "POST", "/calls/message?gateway=lyon", `{"text": "Ici Lyon"}`)
		if !paris.phones[1].heardOf("Fermeture") || paris.phones[1].heardOf("Ici Lyon") || !lyon.phones[0].heardOf("Ici Lyon") {
			t.Error("messages did not come to those whom they were for")
		}
		nice.says(204, "", "DELETE", "/calls/lyon-1", "")
		time.Sleep(10 * time.Second)
		if got := nice.lists("?gateway=lyon"); got != "lyon-2 of lyon" {
			t.Error("after hanging up:", got)
		}

		nice.says(204, "", "PUT", "/log-level?gateway=lyon", `{"level": "debug"}`)
		if lyon.level.Level() != slog.LevelDebug || nice.level.Level() == slog.LevelDebug {
			t.Error("the level of the wrong gateway was changed")
		}
		nice.says(200, "debug", "GET", "/log-level?gateway=lyon", "")
		nice.says(200, "info", "GET", "/log-level?gateway=nice-sud", "")
		nice.says(404, "there is no gateway of that name", "GET", "/log-level?gateway=rome", "")
	})
}

// Who does not answer is missed after two seconds, with what was last known.
func TestMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		paris, lyon := opens(t, &x, "paris", 1, nil), opens(t, &x, "lyon", 2, nil)
		defer paris.stop()
		defer lyon.stop()
		time.Sleep(3 * time.Second)
		lyon.place.Cut(errors.New("cut"))
		if got := paris.lists(""); got != "paris-1 of paris without lyon, which had 2: nobody answers there" {
			t.Error(got)
		}
		if got := lyon.lists(""); got != "lyon-1 lyon-2 of lyon without paris, which had 1: "+bus.ErrDown.Error() {
			t.Error(got)
		}
		cut := time.Now()
		time.Sleep(20 * time.Second)
		begun := time.Now()
		if got := paris.lists(""); got != "paris-1 of paris without lyon, which had 2: it is silent" {
			t.Error(got)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("who is silent is waited for, %v", took)
		}
		paris.says(503, "lyon: it is silent (last heard of "+cut.UTC().Format("2006-01-02T15:04:"), "GET", "/calls/lyon-1", "")
		paris.says(503, "lyon: it is silent", "GET", "/log-level?gateway=lyon", "")
		paris.says(503, "it is silent", "GET", "/calls?gateway=lyon", "")
		paris.says(200, `"told": 1`, "POST", "/calls/message", `{"text": ""}`)
		lyon.place.Cut(nil)
		time.Sleep(3 * time.Second)
		if got := paris.lists(""); got != "paris-1 lyon-1 lyon-2 of lyon paris" {
			t.Error("once it is heard again:", got)
		}
	})
}

// stands has a gateway of a name be heard that answers by h.
func stands(x *bus.Exchange, name string, h http.Handler) (stop func()) {
	place, log := x.Join(), slog.New(slog.DiscardHandler)
	hub := cluster.New(cluster.Options{Bus: place, Name: name, Log: log, Self: func() cluster.Gateway {
		return cluster.Gateway{Version: "0.9", State: "running", Calls: 3}
	}})
	ctx, leave := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { hub.Run(ctx) })
	if h != nil {
		work.Go(func() {
			tunnel.Serve(ctx, tunnel.Options{Bus: place, Name: name, Instance: hub.Instance(), Handler: h, Log: log})
		})
	}
	return func() { leave(); work.Wait(); place.Close() }
}

// Gateways that are older, slow, broken or mad keep nobody from the others.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		paris := opens(t, &x, "paris", 1, nil)
		defer paris.stop()
		answers := func(text string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, text)
			}
		}
		for name, h := range map[string]http.Handler{
			"deaf": nil, "older": http.NewServeMux(),
			"slow":  http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			"dying": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			"mad":   answers(`{"calls": 7}`), "liar": answers(`{"calls": [{"gateway": "paris", "id": 9}]}`),
			"refusing": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(w, 403, errors.New("not for you")) }),
		} {
			defer stands(&x, name, h)()
		}
		time.Sleep(3 * time.Second)
		begun := time.Now()
		got := paris.lists("")
		want := `liar-9 paris-1 of liar paris without deaf, which had 3: nobody answers there ` +
			`without dying, which had 3: its answer has broken off without mad, which had 3: its answer is not understood: `
		if !strings.HasPrefix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		want = ` without older, which had 3: it runs MoIP 0.9, which does not know how to GET /calls: upgrade it` +
			` without refusing, which had 3: not for you without slow, which had 3: it has not answered in time`
		if !strings.HasSuffix(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if took := time.Since(begun); took != gatherTime {
			t.Errorf("it took %v", took)
		}
		paris.says(501, "older: it runs MoIP 0.9, which does not know how to PUT /log-level: upgrade it", "PUT", "/log-level?gateway=older", `{"level": "debug"}`)
		paris.says(501, "older: it runs MoIP 0.9", "GET", "/calls/older-1/screen", "")
		paris.says(503, "deaf: nobody answers there", "GET", "/calls/deaf-1", "")
		paris.says(503, "dying: its answer has broken off", "DELETE", "/calls/dying-1", "")
		paris.says(403, "not for you", "DELETE", "/calls/refusing-1", "")
		paris.says(403, "not for you", "GET", "/calls?gateway=refusing", "")
	})
}

// A gateway that says that there are more records, and tells none, ends nobody's list.
func TestMoreOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		paris := opens(t, &x, "paris", 0, nil)
		defer paris.stop()
		defer stands(&x, "mad", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, History{Next: 7})
		}))()
		time.Sleep(3 * time.Second)
		paris.says(200, `"records": []`, "GET", "/history", "")
	})
}

// A gateway that was replaced has calls still, which are found by its name.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		old := opens(t, &x, "paris", 2, nil)
		defer old.stop()
		old.state.Store("replaced")
		time.Sleep(3 * time.Second)
		paris := opens(t, &x, "paris", 0, nil)
		defer paris.stop()
		paris.board.Continue(2)
		paris.called()
		lyon := opens(t, &x, "lyon", 0, nil)
		defer lyon.stop()
		time.Sleep(3 * time.Second)
		if got := lyon.lists(""); got != "paris-1 paris-2 paris-3 of lyon paris" {
			t.Error(got)
		}
		if got := paris.lists("?gateway=paris"); got != "paris-1 paris-2 paris-3 of paris" {
			t.Error(got)
		}
		for call, path := range map[int]string{1: "/calls/paris-%d", 2: "/calls/paris-%d/screen", 3: "/calls/paris-%d"} {
			lyon.says(200, "", "GET", fmt.Sprintf(path, call), "")
			paris.says(200, "", "GET", fmt.Sprintf(path, call), "")
		}
		paris.says(200, `"id": 2`, "GET", "/calls/2", "") // its number leads there, too
		lyon.says(404, "no such call", "GET", "/calls/paris-4", "")
		paris.says(404, "no such call", "GET", "/calls/paris-4", "")
		lyon.says(204, "", "POST", "/calls/paris-1/message", `{"text": "Salut"}`)
		if !old.phones[0].heardOf("Salut") {
			t.Error("the message did not come")
		}
		lyon.says(200, "info", "GET", "/log-level?gateway=paris", "")
		old.place.Cut(errors.New("cut"))
		time.Sleep(20 * time.Second)
		if got := lyon.lists(""); !strings.HasPrefix(got, "paris-3 of lyon paris without paris, which had 2: it is silent") {
			t.Error("calls are missing that nobody is told of:", got)
		}
	})
}

// follower is a reader of what has no end, as a connection is.
type follower struct {
	*httptest.ResponseRecorder
	lines chan string
}

func (f follower) Write(p []byte) (int, error) { f.lines <- string(p); return len(p), nil }
func (f follower) FlushError() error           { return nil }
func (f follower) SetReadDeadline(time.Time) error {
	return nil
}
func (f follower) SetWriteDeadline(time.Time) error { return nil }

// follows follows what has no end, until stop is called.
func (s *station) follows(path string) (lines chan string, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	f := follower{httptest.NewRecorder(), make(chan string, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.door.ServeHTTP(f, httptest.NewRequestWithContext(ctx, "GET", "http://localhost"+root+path, nil))
	}()
	return f.lines, func() { cancel(); <-done }
}

// What a caller sees, and what passes on the lines, is told through another gateway as it
// happens, until the call is over or nobody is there any more.
func TestFollowElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		paris, lyon := opens(t, &x, "paris", 2, nil), opens(t, &x, "lyon", 0, nil)
		defer paris.stop()
		defer lyon.stop()
		time.Sleep(3 * time.Second)
		watched, unwatch := lyon.follows("/calls/paris-1/screen/live")
		defer unwatch()
		traced, untrace := lyon.follows("/trace?of=paris-1")
		defer untrace()
		expect := func(lines chan string, text string) {
			t.Helper()
			var seen []string
			for late := time.After(time.Minute); ; {
				select {
				case line := <-lines:
					seen = append(seen, line)
					if strings.Contains(line, text) {
						return
					}
				case <-late:
					t.Errorf("of %q nobody was told: %q", text, seen)
					return
				}
			}
		}
		expect(watched, `"rows"`)
		expect(traced, "traced from here on")
		begun := time.Now()
		paris.says(204, "", "POST", "/calls/1/message", `{"text": "Bonjour"}`)
		expect(watched, `"rows":{"0"`)
		if took := time.Since(begun); took > 2*frameTime {
			t.Errorf("it took %v", took)
		}
		expect(traced, "Bonjour")
		time.Sleep(time.Minute) // a quiet one
		lyon.says(204, "", "DELETE", "/calls/paris-1", "")
		expect(watched, `"over":true`)
		expect(traced, `"over":true`)
		unwatch()
		untrace()

		_, unwatch = lyon.follows("/calls/paris-2/screen/live")
		time.Sleep(time.Second)
		unwatch()
		lyon.says(404, "no such call", "GET", "/calls/paris-7/screen/live", "")
		lyon.says(404, "no such call", "GET", "/trace?of=paris-7", "")
		lyon.says(404, "there is no gateway of that name", "GET", "/trace?of=192.0.2.1&gateway=rome", "")
	})
}

// Who may only look may not steer elsewhere either, and nobody passes for more than they are.
func TestRoleElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokenOf := func(text string) token.Token {
			k, err := token.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		full, look := tokenOf("0123456789abcdef-full"), tokenOf("0123456789abcdef-look")
		guarded := func(o *Options) {
			o.Gate = access.New(access.Rules{Full: []token.Token{full}, Look: []token.Token{look}}, o.Log)
		}
		var x bus.Exchange
		paris, lyon := opens(t, &x, "paris", 1, guarded), opens(t, &x, "lyon", 1, guarded)
		defer paris.stop()
		defer lyon.stop()
		time.Sleep(3 * time.Second)
		ask := func(who *token.Token, method, path string) int {
			r := httptest.NewRequest(method, "http://localhost"+root+path, strings.NewReader(`{"text": ""}`))
			if who != nil {
				r.Header.Set("Authorization", who.Authorization())
			}
			access.Vouch(r.Header, access.Visitor{Role: access.Full}, "mars") // as anybody could write
			w := httptest.NewRecorder()
			lyon.door.ServeHTTP(w, r)
			return w.Code
		}
		for _, want := range []struct {
			method, path        string
			nobody, looks, full int
		}{
			{"GET", "/calls/paris-1", 401, 200, 200}, {"GET", "/calls", 401, 200, 200}, {"POST", "/calls/paris-1/message", 401, 403, 204},
			{"POST", "/calls/message", 401, 403, 200}, {"GET", "/trace?of=paris-9", 401, 403, 404}, {"DELETE", "/calls/paris-1", 401, 403, 204},
		} {
			for who, status := range map[*token.Token]int{nil: want.nobody, &look: want.looks, &full: want.full} {
				if got := ask(who, want.method, want.path); got != status {
					t.Errorf("%s %s is answered %d, not %d", want.method, want.path, got, status)
				}
			}
		}
		for _, role := range []access.Role{access.Anyone, access.Look, access.Full} { // and where it is asked
			r, _ := http.NewRequest("DELETE", "http://"+tunnel.Host("paris", paris.hub.Instance())+root+"/calls/77", nil)
			access.Vouch(r.Header, access.Visitor{Role: role}, "lyon")
			w, err := tunnel.Transport{Bus: lyon.place}.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			w.Body.Close()
			if want := map[access.Role]int{access.Anyone: 403, access.Look: 403, access.Full: 404}[role]; w.StatusCode != want {
				t.Errorf("as %v it is answered %d", role, w.StatusCode)
			}
		}
	})
}

// Pages of several gateways tell of each record once, the newest first, though many calls
// began at the same moment.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		gateways := rapid.SliceOfN(rapid.SliceOfNDistinct(rapid.Int64Range(1, 12), 0, 9, rapid.ID), 1, 4).Draw(t, "records")
		var told, want []string
		for g, ids := range gateways {
			slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
			for _, id := range ids {
				want = append(want, fmt.Sprintf("%d-%d", g, id))
			}
		}
		last := int64(1 << 40)
		for before, more := last, true; more; {
			var all []Record
			more = false
			for g, ids := range gateways { // as each answers
				n := 0
				for _, id := range ids {
					if id < before && n < limit {
						n++
						all = append(all, Record{history.Record{ID: id}, fmt.Sprint(g)})
					}
				}
				more = more || n == limit
			}
			page, cut := newest(all, limit)
			for _, r := range page {
				if told = append(told, fmt.Sprintf("%s-%d", r.Gateway, r.ID)); r.ID > last {
					t.Errorf("%d is told of behind %d", r.ID, last)
				}
				last = r.ID
			}
			if more = more || cut; more {
				before = last
			}
		}
		slices.Sort(told)
		slices.Sort(want)
		if !slices.Equal(told, want) {
			t.Errorf("told %v, not %v", told, want)
		}
	})
}

// The history of a hub is that of all its gateways, sorted, and its totals are sums.
func TestHistoryElsewhere(t *testing.T) {
	var x bus.Exchange
	began := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	keeps := func(kept *history.History, minutes ...int) {
		for i, m := range minutes {
			e := session.Event{Call: session.ID(i + 1), Began: began.Add(time.Duration(m) * time.Minute), Type: session.Began, Caller: session.Caller{Transport: "ws"}}
			kept.Note(e)
			e.At, e.Type, e.Reason = e.Began.Add(time.Minute), session.Ended, session.ReasonGone
			kept.Note(e)
		}
	}
	var doors []*station
	for name, minutes := range map[string][]int{"paris": {1, 3, 5}, "lyon": {2, 3, 4}, "rome": nil} {
		kept, err := history.Open(filepath.Join(t.TempDir(), "history.db"), history.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		keeps(kept, minutes...)
		s := opens(t, &x, name, 0, func(o *Options) {
			if o.History = kept; name == "rome" {
				o.History = nil
			}
		})
		defer s.stop()
		doors = append(doors, s)
	}
	var all []string
	var missing []Missing
	pages := func(s *station) error {
		all, missing = nil, nil
		for next := int64(1); next != 0; {
			query := "?limit=2"
			if next > 1 {
				query += fmt.Sprint("&before=", next)
			}
			code, told := s.asks("GET", "/history"+query, "")
			var page History
			if err := json.Unmarshal([]byte(told), &page); code != 200 || err != nil || len(page.Records) == 0 && len(all) == 0 {
				return errors.New(told)
			}
			for _, r := range page.Records {
				all = append(all, fmt.Sprintf("%s-%d", r.Gateway, r.Call))
			}
			next, missing = page.Next, page.Missing
		}
		return nil
	}
	const want = "paris-3 lyon-3 lyon-2 paris-2 lyon-1 paris-1"
	for _, s := range doors {
		for late := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if err := pages(s); err == nil && strings.Join(all, " ") == want && len(missing) == 1 {
				break
			} else if time.Now().After(late) {
				t.Fatalf("%s: %v %v, without %v", s.name, err, all, missing)
			}
		}
		if missing[0].Gateway != "rome" || missing[0].Why != errNoHistory.Error() {
			t.Errorf("%s: missing is %v", s.name, missing)
		}
		code, told := s.asks("GET", "/history/totals", "")
		var totals Totals
		if err := json.Unmarshal([]byte(told), &totals); code != 200 || err != nil || totals.Calls != 6 || totals.Seconds != 360 || len(totals.Missing) != 1 {
			t.Error(s.name, code, told)
		}
		s.says(400, "is out of range", "GET", "/history?limit=0", "")
		s.says(404, "keeps no history", "GET", "/history?gateway=rome", "")
		s.says(200, `"gateway": "lyon"`, "GET", "/history?gateway=lyon", "")
	}
}

// What a list of 10,000 calls takes, of a gateway that is alone, and of a hub of three.
func BenchmarkList(b *testing.B) {
	const calls = 10_000
	for name, gateways := range map[string]int{"alone": 1, "hub": 3} {
		b.Run(name, func(b *testing.B) {
			var x bus.Exchange
			var all []*station
			for i := range gateways {
				s := opens(b, &x, string(rune('a'+i)), 0, nil)
				defer s.stop()
				for range calls / gateways {
					s.call()
				}
				all = append(all, s)
			}
			for _, s := range all {
				for n, _ := s.board.Count(); n < calls/gateways || len(s.hub.Gateways()) < gateways; n, _ = s.board.Count() {
					time.Sleep(10 * time.Millisecond)
				}
			}
			b.ReportAllocs()
			bytes := 0
			for b.Loop() {
				code, told := all[0].asks("GET", "/calls", "")
				if bytes = len(told); code != http.StatusOK || strings.Contains(told, `"missing"`) {
					b.Fatal(code, told[max(0, bytes-1000):])
				}
			}
			b.ReportMetric(float64(bytes), "bytes/list")
		})
	}
}
