package pymoip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
	"moip/internal/testkit/logtest"
)

// linked returns a board whose link is up, and the server's end of it.
func linked(t *testing.T) (*board, *peer) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL, Retry: time.Millisecond})
	b.run()
	return b, s.link(t)
}

const connect = `CONNECT,ws://127.0.0.1:19900/,None,[]`

func TestVisit(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	b.begin(bruno)
	p.expect(`NewTelnetUser,127.0.0.1,53404,1`)
	b.begin(clara)
	p.expect(`NewTelnetUser,2001:db8::7,4711,2`)

	p.order(`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	p.expect(`UserGotCommand,,,0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`, `UserRedirecting,,,0,1`)
	b.show(a, "\x1f00\x1bT T2\x1bP ULLA\x18\n") // the portal speaks on
	b.redirected(a)
	p.expect(`UserRedirected,,,0,1`)
	b.returned(a, session.ReasonFin)
	p.expect(`UserRequestedClose,,,0,1`, `UserRedirectEnded,,,0,1`)

	p.say(`PID=0,1,CONNECT,ws://127.0.0.1:19900/proto,10,["binary","tty"]`)
	p.expect(`UserGotCommand,,,0,1,CONNECT,ws://127.0.0.1:19900/proto,10,["binary","tty"]`, `UserRedirecting,,,0,1`)
	b.returned(a, session.ReasonRefused)
	p.expect(`UserRedirectEnded,,,0,1`)

	p.order("PID=0,1,CONNECT,telnet://caf\xe9:23,None,[\"\"]")
	p.expect(`UserGotCommand,,,0,1,CONNECT,telnet://café:23,None,[""]`, `UserRedirecting,,,0,1`)
	b.redirected(a)
	p.expect(`UserRedirected,,,0,1`)
	b.end(a, time.Now()) // while redirected
	p.expect(`UserGone,,,0`)

	want := []session.Route{
		{Name: "ws://127.0.0.1:19900/", URL: "ws://127.0.0.1:19900/"},
		{Name: "ws://127.0.0.1:19900/proto", URL: "ws://127.0.0.1:19900/proto",
			Ping: 10 * time.Second, Subprotocols: []string{"binary", "tty"}},
		{Name: "telnet://café:23", URL: "telnet://café:23"},
	}
	if diff := cmp.Diff(want, b.routes); diff != "" {
		t.Error(diff)
	}
}

func TestHandshake(t *testing.T) {
	_, p := linked(t)
	h := p.from.Header
	if got := strings.ReplaceAll(h.Get("Sec-WebSocket-Protocol"), " ", ""); got != "binary,tty" {
		t.Errorf("offers %q", got)
	}
	if got := h.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("offers extensions %q", got)
	}
}

func TestOperatorsVisit(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	p.order(`PID=0,1,` + connect)
	p.expect(`UserGotCommand,,,0,1,`+connect, `UserRedirecting,,,0,1`)
	b.returned(a, session.ReasonClosed)
	p.expect(`UserRedirectEnded,,,0,1`)

	// The server has not asked for this one, and hears nothing of it.
	if err := b.Redirect(a, session.Route{URL: "ws://elsewhere/"}); err != nil {
		t.Fatal(err)
	}
	b.redirected(a)
	b.returned(a, session.ReasonFin)
	b.begin(bruno)
	p.expect(`NewTelnetUser,127.0.0.1,53404,1`)

	// Nor of one after an order that was refused.
	p.order(`PID=0,1,CONNECT,ws://bad/,None,[]`)
	p.expect(`UserGotCommand,,,0,1,CONNECT,ws://bad/,None,[]`, `UserRedirecting,,,0,1`, `UserRedirectEnded,,,0,1`)
	if err := b.Redirect(a, session.Route{URL: "ws://elsewhere/"}); err != nil {
		t.Fatal(err)
	}
	b.begin(bruno)
	p.expect(`NewTelnetUser,127.0.0.1,53404,2`)
	b.end(a, time.Now())
	p.expect(`UserGone,,,0`)
}

func TestRefused(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)

	// At the portal: the server shall show its page again.
	for _, rest := range []string{
		`CONNECT,ws://bad/,None,[]`, // the board's judgement
		`CONNECT,http://h/,None,[]`,
		`CONNECT,ws://h/,often,[]`,
		`CONNECT,ws://h/,None,tty`,
	} {
		p.order(`PID=0,1,` + rest)
		p.expect(`UserGotCommand,,,0,1,`+rest, `UserRedirecting,,,0,1`, `UserRedirectEnded,,,0,1`)
	}

	// Obeyed, and over before we know: one visit.
	const brief = `CONNECT,ws://brief/,None,[]`
	p.order(`PID=0,1,` + brief)
	p.expect(`UserGotCommand,,,0,1,`+brief, `UserRedirecting,,,0,1`, `UserRedirectEnded,,,0,1`)

	// Redirected: the visit goes on, under the number it began with.
	p.order(`PID=0,1,` + connect)
	p.expect(`UserGotCommand,,,0,1,`+connect, `UserRedirecting,,,0,1`)
	p.order(`PID=0,2,` + connect)
	p.expect(`UserGotCommand,,,0,2,` + connect)
	b.redirected(a)
	p.expect(`UserRedirected,,,0,1`)
	p.order(`PID=0,3,CONNECT,ws://bad/,None,[]`)
	p.expect(`UserGotCommand,,,0,3,CONNECT,ws://bad/,None,[]`)
	b.refuses(2)
	b.returned(a, session.ReasonFin)
	p.expect(`UserRequestedClose,,,0,1`, `UserRedirectEnded,,,0,1`)

	// Gone, or never there: nobody got the command.
	b.end(a, time.Now())
	p.expect(`UserGone,,,0`)
	p.order(`PID=0,1,` + connect)
	p.order(`PID=99,1,` + connect)
	// Without a portal connection there is no session that can have ordered it.
	c := b.begin(clara)
	p.expect(`NewTelnetUser,2001:db8::7,4711,1`)
	b.ends[c].Close()
	p.order(`PID=1,1,` + connect)
	b.begin(bruno)
	p.expect(`NewTelnetUser,127.0.0.1,53404,2`)
	p.order(`PID=2,1,` + connect)
	p.expect(`UserGotCommand,,,2,1,`+connect, `UserRedirecting,,,2,1`)

	b.portal(c)
	p.order(`PID=1,2,` + connect)
	p.expect(`UserGotCommand,,,1,2,`+connect, `UserRedirecting,,,1,2`)

	// Gone while the board judged.
	b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,3`)
	const leaving = `CONNECT,ws://leaving/,None,[]`
	p.order(`PID=3,1,` + leaving)
	p.expect(`UserGotCommand,,,3,1,`+leaving, `UserGone,,,3`)
	b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,4`)

	if len(b.routes) != 4 {
		t.Errorf("redirected to %v", b.routes)
	}
}

func TestGarbage(t *testing.T) {
	s := newServer(t, nil)
	log := new(logtest.Log)
	b := newBoard(t, Options{URL: s.URL, Log: log.Debug()})
	b.run()
	p := s.link(t)
	b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)

	began := time.Now()
	p.say(`blabla`)
	p.say(strings.Repeat("\x1b", commandLimit))
	for range 300 {
		p.say("")
		p.say("\xff")
		p.say("PID=0,1")
		p.order("PID=0,1,SPEED,1200,None,[]")
		p.order(strings.Repeat("x", commandLimit+1))
		p.order(strings.Repeat("\xff", frameLimit))
	}
	p.order(`PID=0,1,` + connect)
	p.expect(`UserGotCommand,,,0,1,`+connect, `UserRedirecting,,,0,1`)

	warnings := log.Lines("level=WARN")
	if n, seconds := len(warnings), time.Since(began).Seconds(); n < 1 || float64(n) > 1+seconds {
		t.Fatalf("%d warnings in %.1f seconds, and not one a second", n, seconds)
	}
	if n := strings.Count(warnings[0], "x1b"); n != quoteLimit {
		t.Errorf("%d bytes quoted in %s", n, warnings[0])
	}
	if n := len(log.Lines("level=DEBUG")); n < 1801-len(warnings) {
		t.Errorf("only %d complaints", n)
	}
}

func TestTooLongForTheLibrary(t *testing.T) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL, Retry: time.Millisecond})
	b.run()
	p := s.link(t)
	p.order(strings.Repeat("x", frameLimit+1))
	if err := p.lost(); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("closed with %v", err)
	}
	s.link(t)
}

func TestLinkLost(t *testing.T) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL, Retry: time.Millisecond})
	stop := b.run()
	p := s.link(t)
	a, c := b.begin(anna), b.begin(bruno)
	late, early := b.begin(anna), b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`, `NewTelnetUser,127.0.0.1,53404,1`,
		`NewWsUser,127.0.0.1,38178,2`, `NewWsUser,127.0.0.1,38178,3`)
	p.order(`PID=0,11,` + connect)
	p.order(`PID=1,12,` + connect)
	p.expect(`UserGotCommand,,,0,11,`+connect, `UserRedirecting,,,0,11`,
		`UserGotCommand,,,1,12,`+connect, `UserRedirecting,,,1,12`)

	s.down(p)
	b.redirected(c)
	b.redirected(a)
	b.returned(a, session.ReasonFin)
	brief := b.begin(clara)
	b.end(brief, time.Now())                        // never mentioned
	b.end(late, time.Now().Add(-departureLimit/2))  // still worth a word
	b.end(early, time.Now().Add(-departureLimit*2)) // not any more
	b.begin(clara)
	b.returned(c, session.ReasonLost)

	p = s.up(t)
	p.expect(`NewWsUser,127.0.0.1,38178,0`, `NewTelnetUser,127.0.0.1,53404,1`, `NewTelnetUser,2001:db8::7,4711,5`,
		`UserRedirected,,,1,12`, `UserRedirected,,,0,11`, `UserRequestedClose,,,0,11`, `UserRedirectEnded,,,0,11`,
		`UserGone,,,2`, `UserRedirectEnded,,,1,12`)
	b.end(a, time.Now())
	p.expect(`UserGone,,,0`)

	// What one link has delivered, or has not thought worth it, the next
	// does not repeat.
	s.down(p)
	s.up(t).expect(`NewTelnetUser,127.0.0.1,53404,1`, `NewTelnetUser,2001:db8::7,4711,5`)
	stop()
	if b.link.roster.queue != nil {
		t.Error("a quiet link holds a buffer")
	}
}

// A restarted server numbers its sessions anew. It must hear nothing under the
// numbers of its former life.
func TestServerRestarted(t *testing.T) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL, Retry: time.Millisecond})
	b.run()
	p := s.link(t)
	a, c := b.begin(anna), b.begin(bruno)
	p.expect(`NewWsUser,127.0.0.1,38178,0`, `NewTelnetUser,127.0.0.1,53404,1`)
	p.order(`PID=0,1,` + connect)
	p.order(`PID=1,2,` + connect)
	p.expect(`UserGotCommand,,,0,1,`+connect, `UserRedirecting,,,0,1`,
		`UserGotCommand,,,1,2,`+connect, `UserRedirecting,,,1,2`)

	s.down(p)
	b.redirected(a) // queued, then dropped
	b.redirected(c)
	b.ends[a].Close()
	close(b.legs[c].in)
	if _, err := b.ends[c].Receive(); err != io.EOF {
		t.Fatal(err)
	}
	b.returned(a, session.ReasonFin) // not even queued
	old := b.ends[a]
	b.portal(a)
	old.Close() // late, and about another connection

	p = s.up(t)
	p.expect(`NewWsUser,127.0.0.1,38178,0`, `NewTelnetUser,127.0.0.1,53404,1`)
	p.order(`PID=0,7,` + connect)
	p.expect(`UserGotCommand,,,0,7,`+connect, `UserRedirecting,,,0,7`)
	b.redirected(a)
	p.expect(`UserRedirected,,,0,7`)
	b.returned(c, session.ReasonFin)
	b.end(c, time.Now())
	p.expect(`UserGone,,,1`)
}

func TestFarewell(t *testing.T) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL})
	stop := b.run()
	p := s.link(t)
	first := b.begin(bruno)
	p.expect(`NewTelnetUser,127.0.0.1,53404,0`)
	b.end(first, time.Now())
	want := []string{`UserGone,,,0`}
	for i := 1; i < 400; i++ {
		id := b.begin(anna)
		b.end(id, time.Now())
		want = append(want, fmt.Sprintf(`NewWsUser,127.0.0.1,38178,%d`, i), fmt.Sprintf(`UserGone,,,%d`, i))
	}
	stop()
	p.expect(want...)
	if err := p.lost(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", err)
	}
	if up, _ := b.link.State(); up {
		t.Error("still up")
	}
}

// What follows takes place in a bubble of its own time, on a network of pipes.

type network struct {
	accepted chan net.Conn
	closed   chan struct{}
	dialled  []time.Time // Owned by the link's dial.
}

func newNetwork() *network {
	return &network{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// carry has the link dial on n.
func (n *network) carry(l *Link) {
	l.to.socket = func(ctx context.Context, _, _ string) (net.Conn, error) {
		n.dialled = append(n.dialled, time.Now())
		ours, theirs := net.Pipe()
		select {
		case n.accepted <- theirs:
			return ours, nil
		case <-n.closed:
			return nil, errors.New("connection refused")
		}
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accepted:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8764} }

func (n *network) Close() error {
	select {
	case <-n.closed:
	default:
		close(n.closed)
	}
	return nil
}

// pauses are the times between dials.
func (n *network) pauses() []time.Duration {
	var all []time.Duration
	for i := 1; i < len(n.dialled); i++ {
		all = append(all, n.dialled[i].Sub(n.dialled[i-1]))
	}
	return all
}

func TestServerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, n := new(logtest.Log), newNetwork()
		n.Close()
		b := newBoard(t, Options{URL: "ws://anna:secret@127.0.0.1:8764", Log: log.Debug()})
		n.carry(b.link)
		stop := b.run()
		time.Sleep(21 * time.Second)
		stop()

		want := slices.Repeat([]time.Duration{defaultRetry}, 4)
		if diff := cmp.Diff(want, n.pauses()); diff != "" {
			t.Error(diff)
		}
		warned, debugged := log.Lines("level=WARN"), log.Lines("level=DEBUG")
		if len(warned) != 1 || len(debugged) != 4 {
			t.Errorf("warned of %q, and %d times at debug", warned, len(debugged))
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("the log tells the password: %q", warned)
		}
	})
}

func TestServerSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		b := newBoard(t, Options{URL: "ws://127.0.0.1:8764"})
		n.carry(b.link)
		b.run()
		for range 5 { // accepts and reads, but never answers
			c, err := n.Accept()
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, c)
		}
		newServer(t, n).link(t)
		want := slices.Repeat([]time.Duration{handshakeLimit}, 5)
		if diff := cmp.Diff(want, n.pauses()); diff != "" {
			t.Error(diff)
		}
	})
}

// Gateways that have lost their links in one instant do not come back in one, and drift
// apart; none dials sooner than it may.
func TestGatewaysSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gateways = 100
		var all []*network
		for i := range gateways {
			n := newNetwork()
			n.Close()
			b := newBoard(t, Options{URL: "ws://127.0.0.1:8764"})
			seeded := rand.New(rand.NewPCG(8764, uint64(i)))
			b.link.jitter = func(most time.Duration) time.Duration { return time.Duration(seeded.Int64N(int64(most))) }
			n.carry(b.link)
			all = append(all, n)
			defer b.run()()
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		crowd := map[time.Duration]int{} // dials by the tenth of a second of the first redial
		for _, n := range all {
			for i, pause := range n.pauses() {
				if pause < defaultRetry || pause >= defaultRetry*5/4 {
					t.Fatalf("dialled again after %v", pause)
				}
				if i == 0 {
					crowd[pause.Truncate(time.Second/10)]++
				}
			}
		}
		for at, n := range crowd {
			if n > gateways/5 {
				t.Errorf("%d gateways come within a tenth of a second, after %v", n, at)
			}
		}
		if len(crowd) < 10 {
			t.Errorf("they come in %v", crowd)
		}
	})
}

func TestServerDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		s := newServer(t, n)
		b := newBoard(t, Options{URL: "ws://127.0.0.1:8764"})
		n.carry(b.link)
		b.run()
		lives := []time.Duration{0, 0, time.Second, time.Minute, 0}
		for _, life := range lives {
			p := s.link(t)
			time.Sleep(life)
			p.drop()
		}
		s.link(t)
		want := []time.Duration{defaultRetry, defaultRetry, defaultRetry, time.Minute, defaultRetry}
		if diff := cmp.Diff(want, n.pauses()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		s := newServer(t, n)
		b := newBoard(t, Options{URL: "ws://127.0.0.1:8764"})
		n.carry(b.link)
		b.run()
		s.link(t)
		began := time.Now()
		time.Sleep(time.Hour)
		if up, since := b.link.State(); !up || since.After(began) {
			t.Fatalf("up %v since %v, began %v", up, since, began)
		}
		s.mute.Store(true)
		silent := time.Now()
		s.link(t)
		if lasted := time.Since(silent); lasted > pingInterval+pongLimit {
			t.Errorf("noticed after %v", lasted)
		}
	})
}

// A server that stops reading holds up neither the calls nor the end.
func TestServerDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		s := newServer(t, n)
		s.deaf = true
		b := newBoard(t, Options{URL: "ws://127.0.0.1:8764"})
		n.carry(b.link)
		stop := b.run()
		s.link(t)
		for range 1000 {
			b.begin(anna)
		}
		s.link(t) // the ping found out
		began := time.Now()
		stop()
		if lasted := time.Since(began); lasted > farewellLimit {
			t.Errorf("stopping took %v", lasted)
		}
	})
}

// Messages in the log are short, and tell no password.
func TestQuote(t *testing.T) {
	for message, want := range map[string]string{
		"PID=1,2,CONNECT,ws://me:secret@h/,None,[]":       `"PID=1,2,CONNECT,ws://h/,None,[]"`,
		"PID=1,2,CONNECT,ws://me:se@cret@h/at@,None,[]":   `"PID=1,2,CONNECT,ws://h/at@,None,[]"`,
		"PID=1,2,CONNECT,ws://h/?pin=secret,None,[]":      `"PID=1,2,CONNECT,ws://h/?pin=..."`,
		"PID=1,2,CONNECT,ws://h,None,[\"a@b\"]":           `"PID=1,2,CONNECT,ws://h,None,[\"a@b\"]"`,
		"\x00" + strings.Repeat("x", quoteLimit) + "\xff": `"\x00` + strings.Repeat("x", quoteLimit-1) + `"`,
	} {
		if got := quote([]byte(message)); got != want {
			t.Errorf("%q is %s, want %s", message, got, want)
		}
	}
}
