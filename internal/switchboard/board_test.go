package switchboard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/testkit/logtest"
	"moip/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A door gives a server its callers.
type door chan net.Conn

func (d door) dial(context.Context, session.ID, session.Route) (session.Endpoint, error) {
	e, theirs, err := endpoint()
	if err == nil {
		d <- theirs
	}
	return e, err
}

// endpoint returns the gateway's end of a new connection, and the peer's.
func endpoint() (session.Endpoint, net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	theirs, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	ours, err := l.Accept()
	return transport.TCP(ours, 0), theirs, err
}

// A rig is a board in service.
type rig struct {
	*testing.T
	*Board
	portal, service door
	events          chan session.Event
	log             *logtest.Log
}

func newRig(t *testing.T, follow ...func(session.Event)) *rig {
	log := new(logtest.Log)
	r := &rig{
		T: t, Board: New(log.Logger()),
		portal: make(door, 99), service: make(door, 99), events: make(chan session.Event, 999), log: log,
	}
	cfg := session.Config{
		DialPortal: r.portal.dial, DialService: r.service.dial,
		Limits: session.Limits{Drain: 50 * time.Millisecond},
	}
	r.Open(cfg, append(follow, func(e session.Event) { r.events <- e })...)
	return r
}

// answers has a caller come, and returns the caller's end and the portal's.
func (r *rig) answers() (caller, portal net.Conn) {
	e, theirs, err := endpoint()
	if err != nil {
		r.Fatal(err)
	}
	r.Answer(e, session.Caller{Transport: "tcp", Addr: netip.MustParseAddrPort("192.0.2.1:99")})
	portal = <-r.portal
	r.Cleanup(func() { theirs.Close(); portal.Close() }) // what nobody holds may be closed by the collector
	return theirs, portal
}

// hears waits for an event.
func (r *rig) hears(id session.ID, kind session.EventType) session.Event {
	r.Helper()
	select {
	case e := <-r.events:
		if e.Call != id || e.Type != kind {
			r.Fatalf("call %d %s, want %d %s", e.Call, e.Type, id, kind)
		}
		return e
	case <-time.After(10 * time.Second):
		r.Fatalf("no %s", kind)
		panic("unreachable")
	}
}

// reads waits until what comes ends in want.
func (r *rig) reads(c net.Conn, want string) {
	r.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	var got []byte
	for p := make([]byte, 100); !strings.HasSuffix(string(got), want); {
		n, err := c.Read(p)
		got = append(got, p[:n]...)
		if err != nil {
			r.Fatalf("read %q, want %q: %v", got, want, err)
		}
	}
}

func (r *rig) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return r.Shutdown(ctx)
}

func TestOrders(t *testing.T) {
	r := newRig(t)
	caller, portal := r.answers()
	r.hears(1, session.Began)
	io.WriteString(caller, "to the portal")
	r.reads(portal, "to the portal")
	if err := r.Redirect(1, session.Route{Name: "ULLA"}); err != nil {
		t.Fatal(err)
	}
	r.hears(1, session.Redirecting)
	service := <-r.service
	defer service.Close() // and until then it is held
	r.hears(1, session.Redirected)
	io.WriteString(caller, "to the service")
	r.reads(service, "to the service")
	if calls := r.Calls(); len(calls) != 1 || calls[0].Service != "ULLA" || calls[0].State != session.AtService || calls[0].In != 27 {
		t.Errorf("calls %+v", calls)
	}
	if err := r.Redirect(1, session.Route{}); !errors.Is(err, session.ErrBusy) {
		t.Error(err)
	}
	if err := r.Record(1, true); !errors.Is(err, session.ErrNoRecordings) {
		t.Error(err)
	}
	if err := r.Recall(1); err != nil {
		t.Error(err)
	}
	if e := r.hears(1, session.Returned); e.Reason != session.ReasonRecalled {
		t.Error(e.Reason)
	}
	r.reads(caller, "Retour au portail\x18\n")
	caller.Close()
	r.hears(1, session.Ended)
	for _, err := range []error{r.Redirect(1, session.Route{}), r.Recall(1), r.Redirect(7, session.Route{}), r.Record(1, true), r.Record(7, false)} {
		if !errors.Is(err, ErrUnknown) && !errors.Is(err, session.ErrOver) {
			t.Errorf("%v for a call that is not there", err)
		}
	}
	if err := r.shutdown(); err != nil {
		t.Error(err)
	}
	log := r.log.String()
	for _, want := range []string{"call began", "call ended", "from=192.0.2.1:99", "to=[ULLA]", "in=27", "reason=gone"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "to the") {
		t.Errorf("the log tells what was typed:\n%s", log)
	}
}

// Whoever follows may give an order as soon as it hears of a call, from
// elsewhere.
func TestOrderAtOnce(t *testing.T) {
	var r *rig
	result := make(chan error, 100)
	r = newRig(t, func(e session.Event) {
		if e.Type == session.Began {
			go func() { result <- r.Redirect(e.Call, session.Route{}) }()
		}
	})
	for range 50 {
		caller, _ := r.answers()
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		caller.Close()
	}
	if err := r.shutdown(); err != nil {
		t.Error(err)
	}
}

func TestShutdown(t *testing.T) {
	r := newRig(t)
	caller, _ := r.answers()
	if err := r.shutdown(); err != nil {
		t.Error(err)
	}
	r.reads(caller, "Fin : arr\x19\x43et du syst\x19\x41eme\x18\n")
	if calls := r.Calls(); len(calls) != 0 {
		t.Errorf("calls %+v", calls)
	}
	late, theirs, err := endpoint()
	if err != nil {
		t.Fatal(err)
	}
	r.Answer(late, session.Caller{})
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a caller is answered after the end: %v", err)
	}
	if err := r.shutdown(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

// A caller who takes no farewell keeps the gateway for as long as it may.
func TestShutdownGivesUp(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits.Drain = 0 // no limit
	e, theirs, err := endpoint()
	if err != nil {
		t.Fatal(err)
	}
	free := make(chan struct{})
	r.Answer(deaf{e, free}, session.Caller{})
	portal := <-r.portal
	io.WriteString(portal, "page")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(free)
	theirs.Close()
	if err := r.shutdown(); err != nil {
		t.Error(err)
	}
}

// deaf is an Endpoint whose peer takes nothing until free is closed.
type deaf struct {
	session.Endpoint
	free chan struct{}
}

func (d deaf) Send(p []byte) bool { return true }
func (d deaf) Flush()             { <-d.free }

// Nobody waits for a call that takes its time to begin, but who has an order for it.
func TestBeginsApart(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	r := newRig(t, func(e session.Event) {
		if e.Type == session.Began && e.Call == 2 {
			close(reached)
			<-release
		}
	})
	caller, _ := r.answers()
	defer caller.Close()
	r.hears(1, session.Began)
	var others sync.WaitGroup
	others.Go(func() {
		late, _ := r.answers()
		t.Cleanup(func() { late.Close() })
	})
	<-reached
	others.Go(func() {
		if err := r.Message(2, "for call 2"); err != nil {
			t.Error(err)
		}
		r.events <- session.Event{Call: 2, Type: "message"}
	})
	done := make(chan error)
	go func() { done <- r.Message(1, "for call 1") }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("call 1 waits for call 2")
	}
	close(release)
	r.hears(2, session.Began)
	r.hears(2, "message")
	others.Wait()
	r.Shutdown(t.Context())
}
