package session

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// numbered matches the keys that TestEveryKeyHasOneOwner types. Behind each
// come letters, of which a leg may have half.
var numbered = regexp.MustCompile(`\x1b\[(\d+)~`)

const letters = "eE\x19Be"

// turned matches what becomes of letters in each case.
var turned = map[Case]*regexp.Regexp{
	CaseTyped: regexp.MustCompile(`^(e|E|\x19Be)*$`),
	CaseUpper: regexp.MustCompile(`^(E|\x19Be)*$`),
	CaseLower: regexp.MustCompile(`^(e|\x19Be)*$`),
}

// seen matches what its caller may see: whole sequences of the portal's and
// the services' pages, whole articles, beeps and what brings a terminal to rest.
var seen = regexp.MustCompile(`^(\x1f\x42\x41|[page]|\x19\x42e|\x12\x44|\x1f\x40\x41\d+F\x18\n|\n|\x07|` +
	`\x1f\x40\x41[^\n]*\x18\n|\x14\x0c|\x1f[\x41-\x58][\x41-\x68]|\x1b\x5d|[ -~]|\x19[\x41-\x4b][a-z])*$`)

// TestEveryKeyHasOneOwner types numbered keys, cut anywhere, on a call that is
// redirected, recalled, hit by failures and by Connexion/Fin at random, and
// checks that each key reached one leg, once, whole and in order, in the case of
// letters and behind the start that its route asks for. Only keys typed just
// before a Connexion/Fin may be lost: it flushes what waits.
func TestEveryKeyHasOneOwner(t *testing.T) {
	const calls, keys = 30, 500
	lost, services := 0, 0
	for seed := range uint64(calls) {
		synctest.Test(t, func(t *testing.T) {
			s := &storm{T: t, rand: rand.New(rand.NewPCG(seed, 7))}
			n, l := s.run(keys)
			services += n
			lost += l
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if services < calls*10 {
		t.Errorf("only %d visits in %d calls", services, calls)
	}
	if lost > calls*keys/20 {
		t.Errorf("%d keys lost", lost)
	}
	t.Logf("%d keys, %d visits, %d keys flushed by a Fin", calls*keys, services, lost)
}

// A storm is a call in bad weather.
type storm struct {
	*testing.T
	rand *rand.Rand // of the typist; all else uses the global source

	mu    sync.Mutex
	peers []reached // portals and services, in the order of their dialling
	visit int
}

// reached is a peer, and the route to it.
type reached struct {
	*peer
	Route
}

// anyRoute returns a route to the service called name.
func anyRoute(name string) Route {
	return Route{
		Name:  name,
		Case:  []Case{CaseTyped, CaseUpper, CaseLower}[rand.IntN(3)],
		Start: []string{"", "Go\x13A"}[rand.IntN(2)],
		Echo:  rand.IntN(2) == 0,
	}
}

func (s *storm) dial(service bool) Dial {
	return func(ctx context.Context, _ ID, r Route) (Endpoint, error) {
		if service {
			nap(150)
		}
		if r.Name == "down" {
			return nil, io.ErrUnexpectedEOF
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p := newPeer()
		s.mu.Lock()
		s.peers = append(s.peers, reached{p, r})
		if service {
			s.visit++
		}
		s.mu.Unlock()
		go s.chat(p, service)
		return p, nil
	}
}

// nap sleeps for up to n microseconds of the bubble's time.
func nap(n int64) { time.Sleep(time.Duration(rand.Int64N(n)) * time.Microsecond) }

// chat plays a server that draws its page for ever, cut anywhere, is slow at
// times, and leaves at times.
func (s *storm) chat(p *peer, service bool) {
	const page = "\x1f\x42\x41page\x12\x44\x19\x42e"
	for i := 0; ; {
		n := 1 + rand.IntN(len(page)-i)
		if !p.say(page[i : i+n]) {
			return
		}
		i = (i + n) % len(page)
		nap(400)
		switch {
		case service && rand.IntN(60) == 0:
			p.leave(io.EOF)
		case service && rand.IntN(30) == 0:
			p.stick()
			nap(300)
			p.unstick()
		case !service && i == 0 && rand.IntN(3) == 0:
			p.say("\x1f\x40\x41" + strconv.Itoa(rand.IntN(100)) + "F\x18\n")
		}
	}
}

func (s *storm) run(keys int) (services, lost int) {
	caller := newPeer()
	over := make(chan struct{})
	cfg := &Config{DialPortal: s.dial(false), DialService: s.dial(true), Limits: limits, Portal: anyRoute("portal")}
	cfg.Emit = func(e Event) {
		if e.Type == Ended {
			close(over)
		}
	}
	c := Start(cfg, 1, Caller{}, caller)
	stop := make(chan struct{})
	go s.command(c, stop)
	fins := s.typeKeys(c, caller, keys)
	close(stop)
	synctest.Wait()
	c.Recall()
	time.Sleep(time.Second)
	caller.leave(io.EOF)
	<-over
	time.Sleep(time.Second) // for the servers to notice
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := caller.got(); !seen.MatchString(got) {
		s.Errorf("caller got %q", got)
	}
	return s.visit, s.check(keys, fins)
}

// command plays the portal's controller.
func (s *storm) command(c *Call, stop chan struct{}) {
	for {
		nap(900)
		select {
		case <-stop:
			return
		default:
		}
		switch rand.IntN(8) {
		case 0:
			c.Recall()
		case 1, 2:
			c.Redirect(anyRoute("down"))
		case 3:
			c.Message("message")
		default:
			c.Redirect(anyRoute("up"))
		}
	}
}

// typeKeys types keys, and a Connexion/Fin now and then. It returns which keys had a Connexion/Fin typed just before them.
func (s *storm) typeKeys(c *Call, caller *peer, keys int) map[int]bool {
	fins := map[int]bool{}
	for i := range keys {
		p := fmt.Sprintf("\x1b[%d~", i) + letters
		// Not at the portal, where two would end the call.
		if s.rand.IntN(20) == 0 && c.Info().State != AtPortal {
			p = string(FinKey.bytes()) + p
			fins[i] = true
		}
		for len(p) > 0 {
			n := 1 + s.rand.IntN(len(p))
			caller.say(p[:n])
			p = p[n:]
			if s.rand.IntN(2) == 0 {
				nap(150)
			}
		}
	}
	return fins
}

func (s *storm) check(keys int, fins map[int]bool) (lost int) {
	owner := map[int]int{}
	for who, p := range s.peers {
		got := p.got() + string(p.kept) // handed over is delivered
		got, started := strings.CutPrefix(got, p.Start)
		if !started && got != "" { // as who was reached too late
			s.Errorf("leg %d got %.20q and not %q first", who, got, p.Start)
		}
		last := -1
		for _, m := range numbered.FindAllStringSubmatch(got, -1) {
			i, _ := strconv.Atoi(m[1])
			if first, twice := owner[i]; twice || i <= last {
				s.Errorf("key %d went to %d and %d, after %d", i, first, who, last)
			}
			owner[i], last = who, i
		}
		rest := numbered.ReplaceAllString(got, "")
		if rest = strings.ReplaceAll(rest, string(FinKey.bytes()), ""); !turned[p.Case].MatchString(rest) {
			s.Errorf("leg %d, case %q, also got %q", who, p.Case, rest)
		}
	}
	for i := range keys {
		if _, ok := owner[i]; ok {
			continue
		}
		lost++
		if _, next := owner[i+1]; next && !fins[i+1] {
			s.Errorf("key %d is lost", i)
		}
	}
	return lost
}
