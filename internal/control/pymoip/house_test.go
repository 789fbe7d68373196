package pymoip

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/downstream"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/testkit/logtest"
	"moip/internal/testkit/soon"
)

// A house is a portal that runs alone: its calls and the Server.
type house struct {
	*testing.T
	server *Server
	board  *switchboard.Board
	log    *logtest.Log
	desks  chan *desk
	events chan session.Event // what Follow was told
	later  []session.Event    // of them, what was not waited for yet
	link   string             // URLs
	door   string
}

// newHouse opens a house that is closed at the end of the test.
func newHouse(t *testing.T, gateways ...netip.Prefix) *house {
	h := &house{T: t, log: new(logtest.Log), desks: make(chan *desk, 999), events: make(chan session.Event, 9999)}
	h.server = NewServer(ServerOptions{Gateways: gateways, Follow: func(e session.Event) { h.events <- e }, Log: h.log.Debug()})
	h.board = switchboard.New(slog.New(slog.DiscardHandler))
	h.board.Open(session.Config{
		DialPortal: func(_ context.Context, call session.ID, _ session.Route) (session.Endpoint, error) {
			d := &desk{end: newEnd(t), call: call}
			h.desks <- d
			return d, nil
		},
		Limits: session.Limits{Drain: time.Second},
	}, h.server.Event)
	t.Cleanup(h.stop)
	return h
}

func (h *house) stop() {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(h.board.Shutdown(ctx), h.server.Shutdown(ctx)); err != nil {
		h.Error(err)
	}
}

// open lets callers in by one socket, and links by another.
func (h *house) open() *house {
	h.Helper()
	links, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	door, err := downstream.Listen("ws://127.0.0.1:0", downstream.Options{})
	if err != nil {
		h.Fatal(err)
	}
	h.serve(links, door)
	return h
}

func (h *house) serve(links net.Listener, door *downstream.Listener) {
	h.link, h.door = "ws://"+links.Addr().String(), door.URI()
	var serving sync.WaitGroup
	for _, serve := range []func() error{
		func() error { return h.server.Serve(links) },
		func() error { return door.Serve(h.server.Answer(h.board.Answer)) },
	} {
		serving.Go(func() {
			if err := serve(); err != nil {
				h.Error(err)
			}
		})
	}
	h.Cleanup(func() {
		door.Close()
		h.stop()
		serving.Wait()
	})
}

// hears waits for the next event of a call.
func (h *house) hears(call session.ID, kind session.EventType) session.Event {
	h.Helper()
	e := h.next(call)
	if e.Type != kind || e.At.IsZero() {
		h.Fatalf("heard %+v, want %s", e, kind)
	}
	return e
}

func (h *house) next(call session.ID) session.Event {
	h.Helper()
	if i := slices.IndexFunc(h.later, func(e session.Event) bool { return e.Call == call }); i >= 0 {
		e := h.later[i]
		h.later = slices.Delete(h.later, i, i+1)
		return e
	}
	limit := time.After(patience)
	for {
		select {
		case e := <-h.events:
			if e.Call == call {
				return e
			}
			h.later = append(h.later, e)
		case <-limit:
			h.Fatalf("nothing of call %d, but %+v", call, h.later)
		}
	}
}

// returned waits for a visit's end, with that reason.
func (h *house) returned(call session.ID, why session.Reason) {
	h.Helper()
	if e := h.hears(call, session.Returned); e.Reason != why {
		h.Fatalf("returned: %s, want %s", e.Reason, why)
	}
}

// quiet is for what has had its occasion to be told.
func (h *house) quiet() {
	h.Helper()
	select {
	case e := <-h.events:
		h.later = append(h.later, e)
	default:
	}
	if len(h.later) > 0 {
		h.Fatalf("heard %+v", h.later)
	}
}

const target = "ws://127.0.0.1:19900/"

// orders has a call redirected.
func (h *house) orders(call session.ID) {
	h.Helper()
	if err := h.server.Redirect(call, session.Route{Name: "CODE", URL: target}); err != nil {
		h.Fatal(err)
	}
	if e := h.hears(call, session.Redirecting); e.Route.Name != "CODE" {
		h.Fatalf("redirecting to %+v", e.Route)
	}
}

// refuses tries to have a call redirected.
func (h *house) refuses(call session.ID, want error) {
	h.Helper()
	if err := h.server.Redirect(call, session.Route{URL: target}); !errors.Is(err, want) {
		h.Fatalf("call %d redirected: %v, want %v", call, err, want)
	}
}

// until waits for what no channel tells.
func (h *house) until(what string, ok func() bool) {
	h.Helper()
	soon.Within(h, patience, what, ok)
}

func (h *house) linked(n int) {
	h.Helper()
	h.until("linked", func() bool { return h.server.Links() == n })
}

// An end is an Endpoint: in is what it brings, out is what it is sent.
type end struct {
	*testing.T
	in, out chan string
	closed  chan struct{}
	once    sync.Once
}

func newEnd(t *testing.T) *end {
	return &end{T: t, in: make(chan string, 99), out: make(chan string, 999), closed: make(chan struct{})}
}

func (e *end) Receive() ([]byte, error) {
	select {
	case s, ok := <-e.in:
		if !ok {
			return nil, io.EOF
		}
		return []byte(s), nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

func (e *end) Send(p []byte) bool {
	e.out <- string(p)
	return false
}

func (e *end) Flush() {}

func (e *end) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// gets waits for this, in as many pieces as it comes.
func (e *end) gets(want string) {
	e.Helper()
	for got := ""; got != want; {
		select {
		case s := <-e.out:
			got += s
		case <-time.After(patience):
			e.Fatalf("got %q, want %q", got, want)
		}
		if !strings.HasPrefix(want, got) {
			e.Fatalf("got %q, want %q", got, want)
		}
	}
}

// say is what a peer says.
func (e *end) say(text string) { e.in <- text }

// hangup is how a peer leaves.
func (e *end) hangup() { close(e.in) }

// A desk is the portal of one call.
type desk struct {
	*end
	call session.ID
}

// A visitor is a call, seen from the caller and from the portal.
type visitor struct {
	desk   *desk
	caller interface {
		say(text string)
		gets(text string)
		hangup()
	}
}

func (v visitor) id() session.ID { return v.desk.call }

// types has keys come through, and nothing before them.
func (v visitor) types(keys string) {
	v.desk.Helper()
	v.caller.say(keys)
	v.desk.gets(keys)
}

// asked has the portal ask the caller who it is.
func (v visitor) asked() visitor {
	v.desk.Helper()
	v.desk.say("\x1b9{")
	v.caller.gets("\x1b9{")
	return v
}

func (h *house) desk() *desk {
	h.Helper()
	select {
	case d := <-h.desks:
		return d
	case <-time.After(patience):
		h.Fatal("nobody calls")
		return nil
	}
}

// answers has a call come from an address, by no socket.
func (h *house) answers(addr string) visitor {
	h.Helper()
	caller := newEnd(h.T)
	h.server.Answer(h.board.Answer)(caller, session.Caller{Transport: "ws", Addr: netip.MustParseAddrPort(addr)})
	return visitor{caller: caller, desk: h.desk()}
}

// called has a call come by the door, from an address of this machine.
func (h *house) called(ip string) visitor {
	h.Helper()
	caller := dial(h.T, h.door, from(ip))
	return visitor{caller: caller, desk: h.desk()}
}

// brought has a gateway bring a caller and wait for it to be linked.
func (h *house) brought(by *socket, v visitor, c claim) visitor {
	h.Helper()
	by.says(c.announcement())
	v.asked().caller.say(c.introduction())
	if e := h.hears(v.id(), session.Linked); e.Caller != c.caller {
		h.Fatalf("linked: %+v, want %+v", e.Caller, c.caller)
	}
	v.types("x")
	return v
}

// announcement and introduction are what our own gateway says.
func (c claim) announcement() string {
	return (&call{pid: c.pid, caller: c.caller}).announcement()
}

func (c claim) introduction() string {
	return introductionHead + (&call{pid: c.pid, caller: c.caller}).details()
}

// A socket is a WebSocket of a gateway's.
type socket struct {
	*testing.T
	conn *websocket.Conn
	got  chan string // closed in the end
	err  error       // then, why
}

// from returns a client at an address of this machine.
func from(ip string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

func dial(t *testing.T, url string, client *http.Client) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	s := &socket{T: t, conn: conn, got: make(chan string, 999)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(s.got)
		for {
			_, p, err := conn.Read(context.Background())
			if err != nil {
				s.err = err
				return
			}
			s.got <- string(p)
		}
	}()
	t.Cleanup(func() {
		conn.CloseNow()
		<-done
	})
	return s
}

func (s *socket) say(text string) {
	s.Helper()
	if err := s.conn.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		s.Fatal(err)
	}
}

// says has a server hear messages: it answers a ping after what came before.
func (s *socket) says(texts ...string) {
	s.Helper()
	for _, text := range texts {
		s.say(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.conn.Ping(ctx); err != nil {
		s.Fatal(err)
	}
}

// gets waits for this, in as many messages as it comes.
func (s *socket) gets(want string) {
	s.Helper()
	for got := ""; got != want; {
		select {
		case text, ok := <-s.got:
			if !ok {
				s.Fatalf("got %q and %v, want %q", got, s.err, want)
			}
			got += text
		case <-time.After(patience):
			s.Fatalf("got %q, want %q", got, want)
		}
		if !strings.HasPrefix(want, got) {
			s.Fatalf("got %q, want %q", got, want)
		}
	}
}

// ends waits for the far end to close.
func (s *socket) ends() websocket.StatusCode {
	s.Helper()
	select {
	case text, ok := <-s.got:
		if ok {
			s.Fatalf("got %q, want the end", text)
		}
	case <-time.After(patience):
		s.Fatal("still open")
	}
	return websocket.CloseStatus(s.err)
}

func (s *socket) hangup() { s.conn.CloseNow() }

// gateway links a gateway of which the test plays the link's end.
func (h *house) gateway(ip string) *socket {
	h.Helper()
	n := h.server.Links()
	s := dial(h.T, h.link, from(ip))
	h.linked(n + 1)
	return s
}
