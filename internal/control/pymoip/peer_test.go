package pymoip

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const patience = time.Minute // to wait for what must come, also in a bubble's time

var (
	anna  = session.Caller{Transport: "ws", Addr: netip.MustParseAddrPort("127.0.0.1:38178")}
	bruno = session.Caller{Transport: "telnet", Addr: netip.MustParseAddrPort("127.0.0.1:53404")}
	clara = session.Caller{Transport: "tcp", Addr: netip.MustParseAddrPort("[2001:db8::7]:4711")}
)

// A server plays the command port of a PyMoIP server. Each gateway that links
// to it becomes a peer.
type server struct {
	*httptest.Server
	peers   chan *peer
	refused chan struct{} // a handshake was, lately
	refuse  atomic.Bool   // all handshakes
	mute    atomic.Bool   // answers no ping
	deaf    bool          // reads nothing
}

type peer struct {
	t    *testing.T
	conn *websocket.Conn
	from *http.Request
	got  chan string // closed when the link is
	err  error       // why, set before
}

// newServer listens on l, or on a socket of its own if l is nil.
func newServer(t *testing.T, l net.Listener) *server {
	s := &server{peers: make(chan *peer), refused: make(chan struct{}, 1)}
	done := make(chan struct{})
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if s.refuse.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			select {
			case s.refused <- struct{}{}:
			default:
			}
			return
		}
		conn, err := websocket.Accept(w, req, &websocket.AcceptOptions{
			OnPingReceived: func(context.Context, []byte) bool { return !s.mute.Load() },
		})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		p := &peer{t: t, conn: conn, from: req, got: make(chan string, 1000)}
		select {
		case s.peers <- p:
		case <-done:
			return
		}
		if s.deaf {
			<-done
			return
		}
		p.read()
	}))
	if l != nil {
		s.Listener.Close()
		s.Listener = l
	}
	s.Start()
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(done) })
	return s
}

func (p *peer) read() {
	defer close(p.got)
	for {
		kind, b, err := p.conn.Read(context.Background())
		if err == nil && kind != websocket.MessageText {
			err = errors.New("not a text frame")
		}
		if err != nil {
			p.err = err
			return
		}
		p.got <- string(b)
	}
}

// link waits for a gateway to link.
func (s *server) link(t *testing.T) *peer {
	t.Helper()
	select {
	case p := <-s.peers:
		p.t = t
		return p
	case <-time.After(patience):
		t.Fatal("nobody links")
		return nil
	}
}

// down ends the link and refuses the next ones until up is called. It returns
// when the gateway has noticed.
func (s *server) down(p *peer) {
	p.t.Helper()
	s.refuse.Store(true)
	p.drop()
	select {
	case <-s.refused:
	case <-time.After(patience):
		p.t.Fatal("no attempt to link again")
	}
}

// up lets the gateway link again.
func (s *server) up(t *testing.T) *peer {
	t.Helper()
	s.refuse.Store(false)
	p := s.link(t)
	select {
	case <-s.refused:
	default:
	}
	return p
}

// expect waits for these messages and no others.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		select {
		case got, ok := <-p.got:
			if !ok {
				p.t.Fatalf("link closed, want %q: %v", w, p.err)
			}
			if got != w {
				p.t.Fatalf("got  %q\nwant %q", got, w)
			}
		case <-time.After(patience):
			p.t.Fatalf("nothing, want %q", w)
		}
	}
}

// lost waits for the link to be closed, without a message before.
func (p *peer) lost() error {
	p.t.Helper()
	select {
	case got, ok := <-p.got:
		if ok {
			p.t.Fatalf("got %q, want the end", got)
		}
	case <-time.After(patience):
		p.t.Fatal("link still open")
	}
	return p.err
}

// order sends an order as PyMoIP does, say as it might.
func (p *peer) order(text string) { p.send(websocket.MessageBinary, text) }
func (p *peer) say(text string)   { p.send(websocket.MessageText, text) }

func (p *peer) send(kind websocket.MessageType, text string) {
	p.t.Helper()
	if err := p.conn.Write(context.Background(), kind, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) drop() { p.conn.CloseNow() }

// A board has calls that behave as the switchboard's do towards the link: their
// events are emitted under a lock, and a redirection begins before Redirect
// returns.
type board struct {
	t    *testing.T
	link *Link

	mu     sync.Mutex // plays the lock of every call
	last   session.ID
	visits map[session.ID]*session.Route // nil at the portal
	routes []session.Route
	legs   map[session.ID]*wire
	ends   map[session.ID]session.Endpoint
	busy   int // orders refused to redirected calls
}

// refuses waits until so many orders were refused to redirected calls: what comes of an
// order is later than what is told of it.
func (b *board) refuses(n int) {
	b.t.Helper()
	busy := 0
	if !soon.Or(patience, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		busy = b.busy
		return busy == n
	}) {
		b.t.Fatalf("%d orders are refused, not %d", busy, n)
	}
}

func newBoard(t *testing.T, o Options) *board {
	b := &board{
		t:      t,
		visits: make(map[session.ID]*session.Route),
		legs:   make(map[session.ID]*wire),
		ends:   make(map[session.ID]session.Endpoint),
	}
	o.Board = b
	b.link = New(o)
	b.link.jitter = func(time.Duration) time.Duration { return 0 } // tests know when it dials
	return b
}

// run keeps the link until the test ends or the function it returns is called.
func (b *board) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.link.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	b.t.Cleanup(stop)
	return stop
}

// begin is a call that arrives and reaches the portal.
func (b *board) begin(c session.Caller) session.ID {
	b.mu.Lock()
	b.last++
	id := b.last
	b.visits[id] = nil
	b.link.Event(session.Event{Call: id, At: time.Now(), Type: session.Began, Caller: c})
	b.mu.Unlock()
	b.portal(id)
	return id
}

// portal dials the portal for a call, once more if it has been dialled before,
// and hears it.
func (b *board) portal(id session.ID) (session.Endpoint, *wire) {
	w := newWire()
	e := b.dial(id, w)
	b.ends[id], b.legs[id] = e, w
	b.show(id, "Connected to the portal")
	return e, w
}

func (b *board) dial(id session.ID, far session.Endpoint) session.Endpoint {
	b.t.Helper()
	e, err := b.link.Introduce(func(context.Context, session.ID, session.Route) (session.Endpoint, error) {
		return far, nil
	})(context.Background(), id, session.Route{})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// show has the portal of a call send chunk, and checks that it goes on as it
// was.
func (b *board) show(id session.ID, chunk string) {
	b.t.Helper()
	b.legs[id].in <- []byte(chunk)
	got, err := b.ends[id].Receive()
	if string(got) != chunk || err != nil {
		b.t.Fatalf("received %q, %v, want %q", got, err, chunk)
	}
}

var (
	errNoCall = errors.New("no such call")
	errBusy   = errors.New("call is redirected already")
	errBad    = errors.New("bad URI")
)

func (b *board) Redirect(id session.ID, r session.Route) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	visit, ok := b.visits[id]
	switch {
	case !ok:
		return errNoCall
	case visit != nil:
		b.busy++
		return errBusy
	case r.URL == "ws://bad/":
		return errBad
	}
	if r.URL == "ws://leaving/" {
		delete(b.visits, id)
		b.link.Event(session.Event{Call: id, At: time.Now(), Type: session.Ended, Reason: session.ReasonGone})
		return errNoCall
	}
	b.routes = append(b.routes, r)
	b.visits[id] = &r
	b.link.Event(session.Event{Call: id, At: time.Now(), Type: session.Redirecting, Route: r})
	if r.URL == "ws://brief/" {
		b.visits[id] = nil
		b.link.Event(session.Event{Call: id, At: time.Now(), Type: session.Returned, Route: r, Reason: session.ReasonRefused})
	}
	return nil
}

func (b *board) redirected(id session.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.link.Event(session.Event{Call: id, At: time.Now(), Type: session.Redirected, Route: *b.visits[id]})
}

func (b *board) returned(id session.ID, why session.Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := *b.visits[id]
	b.visits[id] = nil
	b.link.Event(session.Event{Call: id, At: time.Now(), Type: session.Returned, Route: r, Reason: why})
}

func (b *board) end(id session.ID, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.visits, id)
	b.link.Event(session.Event{Call: id, At: at, Type: session.Ended, Reason: session.ReasonGone})
	b.ends[id].Close()
}

// A wire is a connection to the portal: in is what the portal sends, sent what
// it is sent.
type wire struct {
	in     chan []byte
	closed chan struct{}

	mu   sync.Mutex
	sent []string
	keep bool          // what Send and SendBinary report
	slow time.Duration // how long SendBinary and Flush take

	inFlush atomic.Int32
	flushed int
}

func newWire() *wire {
	return &wire{in: make(chan []byte, 100), closed: make(chan struct{})}
}

func (w *wire) Receive() ([]byte, error) {
	select {
	case chunk, ok := <-w.in:
		if !ok {
			return nil, io.EOF
		}
		return chunk, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Send(p []byte) bool { return w.take("text ", p) }

func (w *wire) SendBinary(p []byte) bool {
	defer time.Sleep(w.slow)
	return w.take("binary ", p)
}

func (w *wire) take(kind string, p []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, kind+string(p))
	return w.keep
}

func (w *wire) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

func (w *wire) Flush() {
	if w.inFlush.Add(1) > 1 {
		panic("two goroutines in Flush")
	}
	defer w.inFlush.Add(-1)
	time.Sleep(w.slow)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushed++
	w.keep = false
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.closed:
	default:
		close(w.closed)
	}
	return nil
}
