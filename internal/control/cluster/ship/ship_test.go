package ship_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"moip/internal/bus/natstest"
	"moip/internal/control/cluster/ship"
	"moip/internal/history"
	"moip/internal/ledger"
	"moip/internal/session"
	"moip/internal/testkit/logtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("MOIP_SHIP_TO"); url != "" {
		shipForEver(url, os.Getenv("MOIP_HISTORY"))
	}
	goleak.VerifyTestMain(m)
}

// dial connects as a gateway does: for ever, and keeping nothing while it cannot.
func dial(t testing.TB, url string) *nats.Conn {
	conn, err := nats.Connect(url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(50*time.Millisecond), nats.CustomInboxPrefix("hub.inbox"))
	if err != nil {
		panic(err)
	}
	if t != nil {
		t.Cleanup(conn.Close)
	}
	return conn
}

func opens(t *testing.T, path string) *history.History {
	t.Helper()
	h, err := history.Open(path, history.Options{Node: "paris", Ship: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// ships ships until the test or what is returned ends it.
func ships(t *testing.T, conn *nats.Conn, h *history.History) (s *ship.Shipper, log *logtest.Log, stop func()) {
	log = new(logtest.Log)
	s = ship.New(ship.Options{Conn: conn, Prefix: "hub", Stream: "CALLS", History: h, Log: log.Logger()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(done)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return s, log, stop
}

var start = time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)

// calls has calls come and go, with a visit each.
func calls(h *history.History, first, n session.ID) {
	for id := first; id < first+n; id++ {
		begins(h, id, start.Add(time.Duration(id)*time.Second))(session.Ended, session.ReasonGone)
	}
}

// begins has a call begin, and visit a service. What it returns has something happen to it.
func begins(h *history.History, id session.ID, at time.Time) func(session.EventType, session.Reason) {
	e := session.Event{Call: id, Caller: session.Caller{Transport: "ws", Addr: netip.MustParseAddrPort("192.0.2.7:4000")}, Began: at, At: at, Type: session.Began}
	h.Note(e)
	e.Type, e.Route.Name = session.Redirected, "ULLA"
	h.Note(e)
	return func(kind session.EventType, why session.Reason) {
		h.Enter(ledger.Record{Call: id, Seconds: 60, Palier: "36 15", Cost: 12345, Currency: "F"})
		e.Type, e.Reason, e.At = kind, why, at.Add(time.Minute)
		h.Note(e)
	}
}

// waits waits until a State is as it is to be.
func waits(t *testing.T, s *ship.Shipper, log *logtest.Log, is func(ship.State) bool) ship.State {
	t.Helper()
	for late := time.Now().Add(40 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		state := s.State(context.Background())
		if is(state) {
			return state
		}
		if time.Now().After(late) {
			t.Fatalf("%+v\n%s", state, log)
		}
	}
}

func empty(s ship.State) bool { return s.Waiting == 0 && s.Fault == nil && s.Shipped > 0 }

// A kept record is one as it is in the stream.
type kept struct {
	subject, id string
	record      struct {
		Gateway string
		history.Record
	}
}

// stream reads all that is in the stream.
func stream(t *testing.T, conn *nats.Conn) (all []kept) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	in, err := js.Stream(t.Context(), "CALLS")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := in.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for n := in.CachedInfo().State.Msgs; uint64(len(all)) < n; {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatalf("%d of %d: %v", len(all), n, err)
		}
		k := kept{subject: m.Subject(), id: m.Headers().Get("Nats-Msg-Id")}
		if err := json.Unmarshal(m.Data(), &k.record); err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

// The stream is made, and each record is there once, with what its visits have cost.
func TestShip(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, natstest.JetStream)
	conn := dial(t, server.URL)
	h := opens(t, filepath.Join(t.TempDir(), "history.db"))
	calls(h, 1, 300) // more than are under way at a time
	s, log, stop := ships(t, conn, h)
	waits(t, s, log, func(s ship.State) bool { return empty(s) && s.Shipped == 300 })
	under := begins(h, 301, start)
	calls(h, 302, 10)
	waits(t, s, log, func(s ship.State) bool { return empty(s) && s.Shipped == 310 })
	under(session.Ended, session.ReasonShutdown)
	stop() // which ships the last
	all := stream(t, conn)
	if len(all) != 311 {
		t.Fatal(len(all))
	}
	ids := map[string]bool{}
	for _, k := range all {
		r := k.record
		want := fmt.Sprintf("paris.%d.%d", r.Run.UnixMicro(), r.Call)
		if k.subject != "hub.record.paris" || k.id != want || ids[k.id] || r.Gateway != "paris" || r.Cost["F"] != 12345 || len(r.Visits) != 1 || r.Reason == "" {
			t.Errorf("%+v", k)
		}
		ids[k.id] = true
	}
	js, _ := jetstream.New(conn)
	made, err := js.Stream(t.Context(), "CALLS")
	if err != nil {
		t.Fatal(err)
	}
	if c := made.CachedInfo().Config; c.Storage != jetstream.FileStorage || c.Duplicates != 10*time.Minute || !slices.Equal(c.Subjects, []string{"hub.record.>"}) {
		t.Errorf("%+v", c)
	}
}

// What a record has of visits beyond what fits is counted.
func TestLargeRecord(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, natstest.JetStream+"max_payload = 20000\n")
	conn := dial(t, server.URL)
	h := opens(t, filepath.Join(t.TempDir(), "history.db"))
	tell := begins(h, 1, start)
	for range 200 {
		tell(session.Returned, session.ReasonFin)
		tell(session.Redirected, "")
	}
	tell(session.Ended, session.ReasonGone)
	s, log, _ := ships(t, conn, h)
	waits(t, s, log, empty)
	if r := stream(t, conn)[0].record; len(r.Visits)+r.More != 201 || len(r.Visits) < 20 || r.Cost["F"] != 201*12345 {
		t.Errorf("%d visits and %d more, %v", len(r.Visits), r.More, r.Cost)
	}
}

// Whatever is wrong, the records wait, and the error says what to do. Once it is right
// they arrive.
func TestWrong(t *testing.T) {
	t.Parallel()
	other := func(t *testing.T, server *natstest.Server) {
		js, _ := jetstream.New(dial(t, server.URL))
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CALLS", Subjects: []string{"other"}}); err != nil {
			t.Error(err)
		}
	}
	edited := func(t *testing.T, server *natstest.Server) {
		js, _ := jetstream.New(dial(t, server.URL))
		if _, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "CALLS", Subjects: []string{"other", "hub.record.*"}}); err != nil {
			t.Error(err)
		}
	}
	nothing := func(*testing.T, *natstest.Server) {}
	login := func(permitted string) string {
		return natstest.JetStream + `authorization { default_permissions = { publish = [` + permitted + `], subscribe = ["hub.>"] }
			users = [{ user = gateway, password = secret }, { user = root, password = secret, permissions = { publish = ">", subscribe = ">" } }] }`
	}
	for name, test := range map[string]struct {
		config        string
		before, after func(*testing.T, *natstest.Server)
		want          string
	}{
		"none":       {"", nothing, nil, "-js"},
		"other":      {natstest.JetStream, other, edited, "nats stream edit CALLS --subjects 'other,hub.record.>'"},
		"unwritable": {login(`"$JS.API.STREAM.INFO.CALLS", "hub.record.>"`), nothing, nil, "$JS.API.STREAM.CREATE.CALLS"},
		"down":       {natstest.JetStream, func(_ *testing.T, s *natstest.Server) { s.Kill() }, func(_ *testing.T, s *natstest.Server) { s.Start() }, "down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := natstest.New(t, test.config)
			test.before(t, server)
			url := server.URL
			if strings.Contains(test.config, "users") {
				url = strings.Replace(url, "nats://", "nats://gateway:secret@", 1)
			}
			conn := dial(t, url)
			h := opens(t, filepath.Join(t.TempDir(), "history.db"))
			calls(h, 1, 3)
			s, log, _ := ships(t, conn, h)
			state := waits(t, s, log, func(s ship.State) bool { return s.Fault != nil && s.Waiting == 3 })
			if text := state.Fault.Error(); !strings.Contains(text, test.want) {
				t.Error(text)
			}
			if test.after == nil {
				return
			}
			test.after(t, server)
			waits(t, s, log, func(s ship.State) bool { return empty(s) && s.Shipped == 3 })
			if text := log.String(); strings.Count(text, "cannot be shipped") != 1 || !strings.Contains(text, "shipped again") {
				t.Error(text)
			}
		})
	}
}

// A stream that is full, or goes, costs nothing that was not in it.
func TestStreamGoes(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, natstest.JetStream)
	conn := dial(t, server.URL)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	config := jetstream.StreamConfig{Name: "CALLS", Subjects: []string{"hub.record.>"}, MaxMsgs: 4, Discard: jetstream.DiscardNew}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	h := opens(t, filepath.Join(t.TempDir(), "history.db"))
	calls(h, 1, 6)
	s, log, _ := ships(t, conn, h)
	state := waits(t, s, log, func(s ship.State) bool { return s.Fault != nil && s.Shipped == 4 && s.Waiting == 2 })
	if text := state.Fault.Error(); !strings.Contains(text, "maximum messages exceeded") {
		t.Error(text)
	}
	config.MaxMsgs = -1
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	waits(t, s, log, func(s ship.State) bool { return empty(s) && s.Shipped == 6 })
	if err := js.DeleteStream(t.Context(), "CALLS"); err != nil {
		t.Fatal(err)
	}
	calls(h, 7, 3)
	waits(t, s, log, func(s ship.State) bool { return empty(s) && s.Shipped == 9 })
	if all := stream(t, conn); len(all) != 3 || all[0].record.Call != 7 {
		t.Errorf("%+v", all)
	}
}

// What has arrived is not shipped again while that cannot be noted.
func TestUnnoted(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, natstest.JetStream)
	conn := dial(t, server.URL)
	path := filepath.Join(t.TempDir(), "history.db")
	h := opens(t, path)
	calls(h, 1, 3)
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if all, err := h.Unshipped(t.Context(), 10); err == nil && len(all) == 3 {
			break
		} else if time.Now().After(late) {
			t.Fatal(len(all), err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	s, log, _ := ships(t, conn, h)
	state := waits(t, s, log, func(s ship.State) bool { return s.Fault != nil })
	time.Sleep(3 * time.Second) // in which it tries again
	if again := s.State(t.Context()); again.Shipped != 3 || again.Waiting != 3 || !strings.Contains(state.Fault.Error(), "noted") {
		t.Errorf("%+v, then %+v", state, again)
	}
	if _, err := db.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	waits(t, s, log, func(s ship.State) bool { return empty(s) && s.Shipped == 3 })
}

// shipForEver is the gateway that is killed.
func shipForEver(url, path string) {
	h, err := history.Open(path, history.Options{Node: "paris", Ship: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("it runs")
	go ship.New(ship.Options{Conn: dial(nil, url), Prefix: "hub", Stream: "CALLS", History: h}).Run(context.Background())
	begins(h, 1, time.Now())
	for id := session.ID(2); ; id++ {
		begins(h, id, time.Now())(session.Ended, session.ReasonGone)
		time.Sleep(rand.N(4 * time.Millisecond))
	}
}

// Whoever is killed, and whenever: in the end each record of the history is in the stream,
// once; those of calls that were under way too.
func TestKilled(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, natstest.JetStream)
	path := filepath.Join(t.TempDir(), "history.db")
	for round := range 6 {
		gateway := exec.Command(os.Args[0])
		gateway.Env = append(os.Environ(), "MOIP_SHIP_TO="+server.URL, "MOIP_HISTORY="+path)
		out, err := gateway.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := gateway.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "it runs\n" {
			t.Fatal(line, err)
		}
		time.Sleep(300*time.Millisecond + rand.N(1500*time.Millisecond))
		if round%2 == 1 {
			server.Kill()
			time.Sleep(rand.N(500 * time.Millisecond))
			server.Start()
			time.Sleep(rand.N(2 * time.Second))
		}
		gateway.Process.Kill()
		gateway.Wait()
	}
	conn := dial(t, server.URL)
	h := opens(t, path)
	s, log, _ := ships(t, conn, h)
	waits(t, s, log, empty)
	there := map[string]int{}
	for _, k := range stream(t, conn) {
		there[k.id]++
	}
	total, killed := 0, 0
	for before := int64(0); ; {
		all, err := h.Records(t.Context(), history.Query{Before: before, Limit: history.MaxRecords})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			total++
			before = r.ID
			if r.Reason == string(history.ReasonKilled) {
				killed++
			}
			if id := fmt.Sprintf("paris.%d.%d", r.Run.UnixMicro(), r.Call); there[id] != 1 {
				t.Errorf("%s is there %d times", id, there[id])
			}
		}
		if len(all) < history.MaxRecords {
			break
		}
	}
	if len(there) != total || killed == 0 {
		t.Errorf("%d records are in the stream of %d, %d of them of calls that were under way", len(there), total, killed)
	}
	t.Logf("%d records, of which %d were of calls under way", total, killed)
}
