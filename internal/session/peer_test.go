package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A peer is an Endpoint played by the test.
type peer struct {
	says chan []byte
	done chan struct{}

	mu    sync.Mutex
	err   error // what Receive returns once done
	sent  bytes.Buffer
	stuck chan struct{} // while not nil, the peer takes nothing
	kept  []byte
	takes time.Duration // to send
}

func newPeer() *peer { return &peer{says: make(chan []byte), done: make(chan struct{})} }

func (p *peer) Receive() ([]byte, error) {
	select {
	case b := <-p.says:
		return b, nil
	case <-p.done:
		return nil, p.err
	}
}

func (p *peer) Send(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	time.Sleep(p.takes)
	if p.stuck != nil && p.err == nil {
		p.kept = append(p.kept, b...)
		return true
	}
	p.sent.Write(b)
	return false
}

func (p *peer) Flush() {
	p.mu.Lock()
	stuck := p.stuck
	p.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-p.done:
		}
	}
}

// stick makes the peer take nothing until unstick.
func (p *peer) stick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = make(chan struct{})
}

func (p *peer) unstick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent.Write(p.kept)
	p.kept = nil
	close(p.stuck)
	p.stuck = nil
}

func (p *peer) Close() error { p.leave(errors.New("closed by the gateway")); return nil }

// leave ends the connection, for the gateway to see err.
func (p *peer) leave(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.done)
	}
}

func (p *peer) closed() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// got returns what the peer was sent since it was last asked.
func (p *peer) got() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sent.String()
	p.sent.Reset()
	return s
}

func (p *peer) say(s string) bool {
	select {
	case p.says <- []byte(s):
		return true
	case <-p.done:
		return false
	}
}

// A rig is a call in a synctest bubble, with its peers.
type rig struct {
	*testing.T
	*Call
	caller, portal, service *peer
	portalErr               error // what dialling the portal returns
	portals                 int   // how often it was dialled
	dialled                 Route // last

	mu     sync.Mutex
	events []string
	last   Event
}

// terminal is where callers call from.
var terminal = netip.MustParseAddrPort("192.0.2.7:4000")

// limits are those of a gateway as it comes.
var limits = Limits{
	Idle: 10 * time.Minute, Visit: time.Hour, Call: 2 * time.Hour,
	Dial: 10 * time.Second, Wait: 5 * time.Minute, Drain: 5 * time.Second,
}

// play runs f on a call that has just been answered.
func play(t *testing.T, f func(*rig)) {
	t.Helper()
	playWith(t, &Config{Limits: limits}, f)
}

func playWith(t *testing.T, cfg *Config, f func(*rig)) {
	t.Helper()
	playConfigured(t, cfg, 0, func(p *peer) Endpoint { return p }, f)
}

// playAs is play with a caller that is more than a peer.
func playAs(t *testing.T, caller func(*peer) Endpoint, f func(*rig)) {
	t.Helper()
	playConfigured(t, &Config{Limits: limits}, 0, caller, f)
}

// playAt is play with a caller whose line has a speed.
func playAt(t *testing.T, speed int, f func(*rig)) {
	t.Helper()
	playConfigured(t, &Config{Limits: limits}, speed, func(p *peer) Endpoint { return p }, f)
}

func playConfigured(t *testing.T, cfg *Config, speed int, caller func(*peer) Endpoint, f func(*rig)) {
	t.Helper()
	playCaller(t, cfg, Caller{Transport: "ws", Addr: terminal, Speed: speed}, caller, f)
}

func playCaller(t *testing.T, cfg *Config, who Caller, caller func(*peer) Endpoint, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, caller: newPeer()}
		cfg.DialPortal = r.dialPortal
		cfg.DialService = r.dialService
		cfg.Emit = func(e Event) {
			s := string(e.Type)
			if e.Reason != "" {
				s += " " + string(e.Reason)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events, r.last = append(r.events, s), e
		}
		r.Call = Start(cfg, 1, who, caller(r.caller))
		synctest.Wait()
		f(r)
		r.caller.leave(io.EOF)
		synctest.Wait()
		if r.last.Type != Ended {
			t.Errorf("the caller has left, and the last event is %q", r.last.Type)
		}
		time.Sleep(3 * time.Hour) // nothing may happen any more
	})
}

func (r *rig) dialPortal(_ context.Context, _ ID, rt Route) (Endpoint, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.portals++
	r.dialled = rt
	if r.portalErr != nil {
		return nil, r.portalErr
	}
	r.portal = newPeer()
	return r.portal, nil
}

func (r *rig) dialService(ctx context.Context, _ ID, rt Route) (Endpoint, error) {
	switch rt.Name {
	case "down":
		return nil, errors.New("connection refused")
	case "silent":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r.service, r.dialled = newPeer(), rt
	return r.service, nil
}

func (r *rig) types(keys string)     { r.caller.say(keys); synctest.Wait() }
func (r *rig) sleep(d time.Duration) { time.Sleep(d); synctest.Wait() }

// visits redirects the call and waits.
func (r *rig) visits(name string) { r.Helper(); r.follows(Route{Name: name}) }

// follows is visits for any route.
func (r *rig) follows(rt Route) {
	r.Helper()
	if err := r.Redirect(rt); err != nil {
		r.Fatal(err)
	}
	synctest.Wait()
}

// expect compares what a peer was sent.
func (r *rig) expect(who string, p *peer, want string) {
	r.Helper()
	if got := p.got(); got != want {
		r.Errorf("%s got %q, want %q", who, got, want)
	}
}

// sees checks that the caller was sent what contains want.
func (r *rig) sees(want string) {
	r.Helper()
	if got := r.caller.got(); !strings.Contains(got, want) {
		r.Errorf("caller got %q, without %q", got, want)
	}
}

func (r *rig) expectEvents(want ...string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.events, ", "); got != strings.Join(want, ", ") {
		r.Errorf("events %s, want %s", got, strings.Join(want, ", "))
	}
	r.events = nil
}
