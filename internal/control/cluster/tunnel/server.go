package tunnel

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"moip/internal/bus"
)

// maxOpen is how many are answered at a time. What they take of memory is bounded by their
// requests and by two pieces of each.
const maxOpen = 64

// Options of who answers.
type Options struct {
	Bus            bus.Bus
	Name, Instance string // of the gateway: words of a bus
	Handler        http.Handler
	Log            *slog.Logger
}

// Serve has a handler answer what other gateways ask, until ctx is done. It then returns
// once the handler has. The error is that of a bus where nobody can be heard.
func Serve(ctx context.Context, o Options) error {
	s := &server{Options: o, ctx: ctx, open: map[string]*exchange{}}
	stop, err := o.Bus.Subscribe(subject(Host(o.Name, o.Instance)), "", s.hear)
	if err != nil {
		return err
	}
	<-ctx.Done()
	stop()
	s.close()
	s.handlers.Wait()
	return nil
}

type server struct {
	Options
	ctx      context.Context
	handlers sync.WaitGroup

	mu     sync.Mutex
	open   map[string]*exchange
	closed bool
}

func (s *server) hear(m bus.Message) {
	q, err := decodeQuestion(m.Data)
	if err != nil {
		s.Log.Debug("what another gateway asks is not understood", "error", err)
		return
	}
	e, fault := s.exchange(q)
	switch {
	case q.Do == leave && e != nil:
		e.leave()
	case q.Do == here && e != nil:
		e.silence.Reset(silentTime)
	case q.Do != ask && q.Do != next:
	case e == nil:
		s.say(m.Reply, answer{Piece: q.Piece, Fault: fault})
	default:
		e.want(q.Piece, m.Reply)
	}
}

// exchange returns the exchange that a question is of, or what is wrong with it. One that
// was begun is not begun anew: its question was asked again.
func (s *server) exchange(q question) (*exchange, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.open[q.ID]
	switch {
	case e != nil:
		return e, ""
	case q.Do != ask:
		return nil, gone
	case s.closed || len(s.open) >= maxOpen:
		return nil, busy
	}
	e = &exchange{s: s, id: q.ID, header: http.Header{}, head: q.Method == http.MethodHead, taken: make(chan struct{}, 1)}
	var ctx context.Context
	ctx, e.stop = context.WithCancel(s.ctx)
	r, err := q.request(ctx)
	if err != nil {
		e.stop()
		return nil, broken
	}
	e.silence = time.AfterFunc(silentTime, e.leave)
	e.nothing = time.AfterFunc(waitTime, e.sayWait)
	s.open[q.ID] = e
	s.handlers.Go(func() { e.run(s.Handler, r) })
	return e, ""
}

// request returns the request that a question asks.
func (q question) request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if r.URL.Host != "" || len(q.URL) == 0 || q.URL[0] != '/' {
		return nil, errFrame
	}
	r.Header, r.RequestURI, r.Host = canonical(q.Header), q.URL, "gateway"
	return r, nil
}

func (s *server) say(to string, a answer) {
	frame, err := a.encode()
	if err != nil || to == "" {
		return
	}
	s.Bus.Publish(bus.Message{Subject: to, Data: frame}) // or it is asked for again
}

// close ends all that goes on.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Values(s.open))
	s.mu.Unlock()
	for _, e := range all {
		e.leave()
	}
}

// An exchange is one request and its answer, and the http.ResponseWriter of that.
type exchange struct {
	s       *server
	id      string
	head    bool // it is a HEAD, and nothing is told but the header
	header  http.Header
	stop    context.CancelFunc
	silence *time.Timer // who asks is not heard of
	nothing *time.Timer // and has to be told that there is nothing yet

	taken chan struct{} // somebody may be writing, and there may be room now

	mu      sync.Mutex
	status  int         // 0 before WriteHeader
	sent    http.Header // what it was then
	sealed  bool        // and is to be as it is
	pending []byte      // written, and not taken
	flushed bool        // what is pending is not to wait for more
	ended   bool        // nothing more comes
	fault   string
	piece   int    // the next that will be told
	last    []byte // the frame of the one before, which may be asked for again
	reply   string // who waits for the next, "" for nobody
	left    bool   // nobody wants more
	late    time.Time
}

// run has the handler answer.
func (e *exchange) run(h http.Handler, r *http.Request) {
	defer e.stop()
	defer func() {
		err := recover()
		if err != nil && err != http.ErrAbortHandler {
			e.s.Log.Error("an answer to another gateway has failed", "of", r.Method+" "+r.URL.Path, "error", err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if err != nil || e.status == 0 && r.Context().Err() != nil {
			e.fault = broken
		} else {
			e.begin(http.StatusOK)
		}
		e.ended = true
		e.serve()
	}()
	h.ServeHTTP(e, r)
}

// leave is that nobody wants more.
func (e *exchange) leave() {
	e.s.mu.Lock()
	delete(e.s.open, e.id)
	e.s.mu.Unlock()
	e.silence.Stop()
	e.nothing.Stop()
	e.stop()
	e.mu.Lock()
	if len(e.pending) > 0 {
		e.fault = broken // to who waits still, as this gateway ends
	}
	e.left, e.pending, e.last = true, nil, nil
	e.mu.Unlock()
	e.room()
}

// room wakes who writes.
func (e *exchange) room() {
	select {
	case e.taken <- struct{}{}:
	default:
	}
}

// want has piece n told to reply, at once or when there is something of it.
func (e *exchange) want(n int, reply string) {
	e.silence.Reset(silentTime)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch n {
	case e.piece:
		e.reply = reply
		e.nothing.Reset(waitTime)
		e.serve()
	case e.piece - 1:
		if reply != "" {
			e.s.Bus.Publish(bus.Message{Subject: reply, Data: e.last})
		}
	default:
		e.s.say(reply, answer{Piece: n, Fault: gone})
	}
}

// sayWait tells who waits that there is nothing yet.
func (e *exchange) sayWait() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reply != "" {
		e.s.say(e.reply, answer{Piece: e.piece, Wait: true})
		e.reply = ""
	}
}

// serve tells who waits a piece, if there is one. The lock is held.
func (e *exchange) serve() {
	if e.reply == "" || !e.ended && !e.flushed && len(e.pending) < maxPiece {
		return
	}
	n := min(len(e.pending), maxPiece)
	a := answer{Piece: e.piece, data: e.pending[:n]}
	switch {
	case e.fault == "":
		a.End = e.ended && n == len(e.pending)
	case n == 0:
		a.Fault = e.fault
	}
	if e.piece == 0 {
		e.seal()
		a.Status, a.Header = e.status, e.sent
	}
	if e.head {
		a.data = nil
	}
	frame, err := a.encode()
	if err != nil { // its header is too long
		frame, _ = answer{Piece: e.piece, Fault: broken}.encode()
	}
	e.s.Bus.Publish(bus.Message{Subject: e.reply, Data: frame}) // or it is asked for again
	e.last, e.reply = frame, ""
	e.piece++
	e.pending = append(e.pending[:0], e.pending[n:]...)
	e.flushed = e.flushed && len(e.pending) > 0
	e.nothing.Stop()
	e.room()
}

// begin is WriteHeader, once. The lock is held.
func (e *exchange) begin(status int) {
	if e.status == 0 {
		e.status, e.sent = status, e.header.Clone()
	}
}

// seal says what kind of content is told, if the handler has not, as net/http does: by what
// is there when the header goes. The lock is held.
func (e *exchange) seal() {
	if e.sealed {
		return
	}
	e.sealed = true
	if _, told := e.sent["Content-Type"]; !told && len(e.pending) > 0 {
		e.sent.Set("Content-Type", http.DetectContentType(e.pending))
	}
}

// Header is that of an http.ResponseWriter.
func (e *exchange) Header() http.Header { return e.header }

// WriteHeader is that of an http.ResponseWriter.
func (e *exchange) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("%d is no status", status))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if status >= 200 { // of what is on the way, nobody is told
		e.begin(status)
	}
}

// Write is that of an http.ResponseWriter. It waits for the asking side to take what was
// written before, as long as SetWriteDeadline has it.
func (e *exchange) Write(p []byte) (n int, err error) {
	for {
		k, err := e.keep(p)
		n, p = n+k, p[k:]
		if err != nil || len(p) == 0 {
			return n, err
		}
		if err := e.wait(); err != nil {
			return n, err
		}
	}
}

// sniffed is how many bytes tell what kind of content they are.
const sniffed = 512

// keep keeps as much of p as there is room for.
func (e *exchange) keep(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin(http.StatusOK)
	switch {
	case e.left:
		e.fault = broken
		return 0, io.ErrClosedPipe
	case e.status == http.StatusNoContent:
		return 0, http.ErrBodyNotAllowed
	case e.head:
		e.pending = append(e.pending, p[:min(len(p), sniffed-len(e.pending))]...)
		return len(p), nil
	}
	n := min(len(p), maxPiece-len(e.pending))
	e.pending = append(e.pending, p[:n]...)
	e.serve()
	return n, nil
}

// wait waits until there may be room.
func (e *exchange) wait() error {
	e.mu.Lock()
	late := e.late
	e.mu.Unlock()
	if late.IsZero() {
		<-e.taken
		return nil
	}
	timer := time.NewTimer(time.Until(late))
	defer timer.Stop()
	select {
	case <-e.taken:
		return nil
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// FlushError has the asking side told at once of what is written.
func (e *exchange) FlushError() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin(http.StatusOK)
	if e.left {
		return io.ErrClosedPipe
	}
	e.flushed = true
	e.seal()
	e.serve()
	return nil
}

// SetWriteDeadline is for http.ResponseController.
func (e *exchange) SetWriteDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.late = t
	return nil
}

// SetReadDeadline is for http.ResponseController: the request is there already.
func (e *exchange) SetReadDeadline(time.Time) error { return nil }
