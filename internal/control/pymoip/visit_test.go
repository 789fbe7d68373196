package pymoip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
)

// What follows takes place in bubbles of their own time, on a network of pipes.

// A pipe has the address of a gateway.
type pipe struct{ net.Conn }

func (pipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Pipes are what a network brings.
type pipes struct{ *network }

func (p pipes) Accept() (net.Conn, error) {
	c, err := p.network.Accept()
	return pipe{c}, err
}

// piped is a house whose links come by a network.
func piped(t *testing.T) (*house, *http.Client) {
	h, n := newHouse(t), newNetwork()
	h.link = "ws://127.0.0.1"
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.server.Serve(pipes{n})
	}()
	t.Cleanup(func() {
		h.stop()
		<-done
	})
	return h, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case n.accepted <- theirs:
			return ours, nil
		case <-n.closed:
			return nil, errors.New("connection refused")
		}
	}}}
}

// bubble has f happen at a house with one gateway, which has brought one
// caller and has an order.
func bubble(t *testing.T, f func(h *house, link func() *socket, gw *socket, a visitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, client := piped(t)
		link := func() *socket {
			gw := dial(t, h.link, client)
			gw.says()
			return gw
		}
		gw := link()
		a := h.brought(gw, h.answers("127.0.0.1:1000"), alice)
		h.orders(a.id())
		gw.gets(`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`)
		f(h, link, gw, a)
		h.quiet()
	})
}

// long is off the rhythm of pings: those of both sides would meet in the pipe.
const long = time.Hour + time.Second

// takes checks how long f takes.
func takes(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took < want || took > want+10*time.Millisecond {
		t.Errorf("took %v, want %v", took, want)
	}
}

func TestOrderUnheard(t *testing.T) {
	bubble(t, func(h *house, _ func() *socket, gw *socket, a visitor) {
		takes(t, orderLimit, func() { h.returned(a.id(), session.ReasonTimeout) })
		gw.says(`UserRedirected,,,0,1`, `UserRedirectEnded,,,0,1`) // late
		h.orders(a.id())
		gw.gets(`PID=0,2,CONNECT,ws://127.0.0.1:19900/,None,[]`)
		gw.says(`UserRedirectEnded,,,0,1`) // later still
		h.quiet()
		h.refuses(a.id(), session.ErrBusy)
		gw.says(`UserRedirected,,,0,2`)
		h.hears(a.id(), session.Redirected)
	})
}

// A gateway that has an order may take its time.
func TestSlowDial(t *testing.T) {
	bubble(t, func(h *house, _ func() *socket, gw *socket, a visitor) {
		gw.says(`UserGotCommand,,,0,1,` + connect)
		time.Sleep(long)
		gw.says(`UserRedirected,,,0,1`)
		h.hears(a.id(), session.Redirected)
		time.Sleep(long)
	})
}

func TestLinkLostBeforeOrderHeard(t *testing.T) {
	bubble(t, func(h *house, link func() *socket, gw *socket, a visitor) {
		takes(t, orderLimit, func() {
			time.Sleep(orderLimit / 2)
			gw.hangup()
			h.hears(a.id(), session.Unlinked)
			gw = link()
			gw.says(alice.announcement()) // as its gateway would
			h.hears(a.id(), session.Linked)
			h.returned(a.id(), session.ReasonTimeout)
		})
		h.orders(a.id())
		gw.gets(`PID=0,2,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	})
}

func TestLinkLostWhileDialling(t *testing.T) {
	bubble(t, func(h *house, link func() *socket, gw *socket, a visitor) {
		gw.says(`UserRedirecting,,,0,1`)
		time.Sleep(long)
		gw.hangup()
		h.hears(a.id(), session.Unlinked)
		takes(t, orderLimit, func() { h.returned(a.id(), session.ReasonTimeout) })
	})
}

func TestLinkBackWhileDialling(t *testing.T) {
	bubble(t, func(h *house, link func() *socket, gw *socket, a visitor) {
		gw.says(`UserRedirecting,,,0,1`)
		time.Sleep(long)
		gw.hangup()
		h.hears(a.id(), session.Unlinked)
		gw = link()
		gw.says(alice.announcement())
		h.hears(a.id(), session.Linked)
		time.Sleep(long)
		gw.says(`UserRedirectEnded,,,0,1`)
		h.returned(a.id(), session.ReasonRefused)
	})
}

func TestLinkLostDuringVisit(t *testing.T) {
	bubble(t, func(h *house, link func() *socket, gw *socket, a visitor) {
		gw.says(`UserRedirected,,,0,1`)
		h.hears(a.id(), session.Redirected)
		gw.hangup()
		h.hears(a.id(), session.Unlinked)
		time.Sleep(long)
		h.quiet()
		gw = link()
		gw.says(`UserRequestedClose,,,0,1`, `UserRedirectEnded,,,0,1`)
		h.returned(a.id(), session.ReasonFin)
		// PyMoIP's gateways say no more than that.
		takes(t, settling, func() { h.hears(a.id(), session.Linked) })
		h.orders(a.id())
		gw.gets(`PID=0,2,CONNECT,ws://127.0.0.1:19900/,None,[]`)
		// And their next caller is announced.
		h.brought(gw, h.answers("127.0.0.1:1001"), chloe)
	})
}

// Nobody tells that the visit has ended, but the caller types.
func TestEndOfVisitLost(t *testing.T) {
	bubble(t, func(h *house, link func() *socket, gw *socket, a visitor) {
		time.Sleep(time.Second)
		a.types("before the gateway has the order")
		gw.says(`UserRedirected,,,0,1`)
		h.hears(a.id(), session.Redirected)
		time.Sleep(crossing)
		a.types("to the service")
		time.Sleep(time.Nanosecond)
		a.types("\x01Cu3\x04") // is no key
		h.quiet()
		a.types("a")
		h.returned(a.id(), session.ReasonClosed)
		a.types("b")
		gw.says(`UserRedirectEnded,,,0,1`) // late
		h.orders(a.id())

		gw.gets(`PID=0,2,CONNECT,ws://127.0.0.1:19900/,None,[]`)
		gw.says(`UserRedirecting,,,0,2`)
		time.Sleep(crossing + 1)
		a.types("c")
		h.returned(a.id(), session.ReasonRefused)
	})
}

// Nobody who is introduced as somebody whom no link has announced is taken for
// another.
func TestNotAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, client := piped(t)
		link := func() *socket {
			gw := dial(t, h.link, client)
			gw.says()
			return gw
		}
		introduced := func(addr string, c claim) visitor {
			v := h.answers(addr).asked()
			v.caller.say(c.introduction())
			v.types("x")
			return v
		}
		settle := func() {
			time.Sleep(settling)
			synctest.Wait()
		}

		// Either of two may have brought the caller, until one says so.
		gw, other := link(), link()
		settle()
		a := introduced("127.0.0.1:1000", alice)
		h.refuses(a.id(), ErrNoGateway)
		other.says(boris.announcement())
		settle()
		h.refuses(a.id(), ErrNoGateway)
		gw.says(alice.announcement())
		h.hears(a.id(), session.Linked)

		// Or both.
		other.says(alice.announcement())
		h.hears(a.id(), session.Unlinked)
		h.refuses(a.id(), ErrNoGateway)
		other.hangup()
		h.hears(a.id(), session.Linked)

		// A higher number would have been announced on the only link.
		c := introduced("127.0.0.1:1001", chloe)
		settle()
		h.refuses(c.id(), ErrNoGateway)

		// Who is gone takes no orders, whatever remains of the call.
		gw.says("UserGone,,,0")
		h.quiet()
		h.refuses(a.id(), ErrNoGateway)
		h.hears(a.id(), session.Unlinked)

		// On a new link, of which it is not known what was announced before,
		// they are whom they claim to be, but not two of them the same.
		gw.hangup()
		link()
		b := introduced("127.0.0.1:1002", boris)
		settle()
		h.hears(c.id(), session.Linked)
		h.refuses(a.id(), ErrNoGateway)
		h.refuses(b.id(), ErrNoGateway)
		a.caller.hangup()
		h.hears(b.id(), session.Linked)
		h.quiet()
	})
}

// When a link comes, callers are asked anew whom no gateway has introduced: not
// before the gateway knows that it has the link, and not while nobody is there to
// answer.
func TestAskedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, client := piped(t)
		asked := make(chan session.ID, 9)
		h.server.ask = func(call session.ID) { asked <- call }
		a, c := h.answers("127.0.0.1:1000").asked(), h.answers("127.0.0.1:1001").asked()
		h.answers("127.0.0.2:1000").asked()
		gw := dial(t, h.link, client)
		gw.says(chloe.announcement())
		c.caller.say(chloe.introduction())
		h.hears(c.id(), session.Linked)
		takes(t, settling, func() {
			if call := <-asked; call != a.id() {
				t.Errorf("call %d is asked", call)
			}
		})
		dial(t, h.link, client).hangup()
		time.Sleep(long)
		if len(asked) > 0 {
			t.Errorf("call %d is asked", <-asked)
		}
	})
}

// The portal has been told that the caller is back before it gets the key.
func TestReturnedBeforeKey(t *testing.T) {
	bubble(t, func(h *house, _ func() *socket, gw *socket, a visitor) {
		gw.says(`UserRedirected,,,0,1`)
		h.hears(a.id(), session.Redirected)
		time.Sleep(2 * crossing)
		told := false
		h.server.follow = func(e session.Event) {
			synctest.Wait()
			told = len(a.desk.out) == 0
			h.events <- e
		}
		a.types("x")
		h.returned(a.id(), session.ReasonClosed)
		if !told {
			t.Error("the key came first")
		}
	})
}

// A call that ends during a visit ends, and that is all.
func TestCallEndsDuringVisit(t *testing.T) {
	bubble(t, func(h *house, _ func() *socket, gw *socket, a visitor) {
		a.caller.hangup()
		time.Sleep(long)
		h.empty(0)
		gw.says(`UserRedirecting,,,0,1`, `UserGone,,,0`)
	})
}

// A gateway that does not read loses its link, and holds nobody up.
func TestGatewayDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, client := piped(t)
		conn, _, err := websocket.Dial(context.Background(), h.link, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		var visitors []visitor
		for pid := range uint64(ordersLimit + 2) {
			c := claimed(pid, "ws", fmt.Sprintf("192.0.2.1:%d", 1000+pid))
			if err := conn.Write(context.Background(), websocket.MessageText, []byte(c.announcement())); err != nil {
				t.Fatal(err)
			}
			v := h.answers(fmt.Sprintf("127.0.0.1:%d", 1000+pid)).asked()
			v.caller.say(c.introduction())
			h.hears(v.id(), session.Linked)
			visitors = append(visitors, v)
		}
		for i, v := range visitors {
			if i == ordersLimit+1 { // one is being written
				h.refuses(v.id(), ErrNoGateway)
				break
			}
			h.orders(v.id())
			synctest.Wait()
		}
		takes(t, farewellLimit, func() { h.linked(0) })
		synctest.Wait()
		if lines := h.log.Lines("level=WARN"); len(lines) != 1 || !strings.Contains(lines[0], errUnreadOrders.Error()) {
			t.Errorf("warned %q", lines)
		}
		returned := 0
		for range 2*len(visitors) - 1 {
			if e := <-h.events; e.Type == session.Returned && e.Reason == session.ReasonTimeout {
				returned++
			}
		}
		if returned != len(visitors)-1 {
			t.Errorf("%d returned", returned)
		}
	})
}

// A gateway whose line is dead is noticed.
func TestGatewaySilent(t *testing.T) {
	bubble(t, func(h *house, _ func() *socket, gw *socket, a visitor) {
		gw.says(`UserRedirected,,,0,1`)
		h.hears(a.id(), session.Redirected)
		time.Sleep(long) // it answers pings
		if h.server.Links() != 1 {
			t.Error("lost")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h, client := piped(t)
		conn, _, err := websocket.Dial(context.Background(), h.link, &websocket.DialOptions{
			HTTPClient:     client,
			OnPingReceived: func(context.Context, []byte) bool { return false },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		conn.CloseRead(t.Context())
		synctest.Wait()
		takes(t, linkPing+pongLimit, func() { h.linked(0) })
	})
}

// Events of a call come in order, whoever makes them happen.
func TestOrderOfEvents(t *testing.T) {
	h := newHouse(t).open()
	gw := h.gateway("127.0.0.1")
	var visitors []visitor
	for pid := range uint64(8) {
		visitors = append(visitors, h.brought(gw, h.called("127.0.0.1"), claimed(pid, "ws", fmt.Sprintf("192.0.2.1:%d", 1000+pid))))
	}
	const rounds = 20
	done := make(chan struct{})
	go func() { // the gateway obeys at once
		defer close(done)
		for range rounds * len(visitors) {
			var pid, number uint64
			if _, err := fmt.Sscanf(<-gw.got, "PID=%d,%d,", &pid, &number); err != nil {
				t.Error(err)
				return
			}
			verbs := []string{"UserGotCommand", "UserRedirecting", "UserRedirected", "UserRequestedClose", "UserRedirectEnded"}
			if rand.IntN(2) == 0 {
				verbs = slices.Delete(verbs, 2, 4)
			}
			for _, verb := range verbs {
				gw.say(fmt.Sprintf("%s,,,%d,%d", verb, pid, number))
			}
		}
	}()
	for _, v := range visitors {
		if err := h.server.Redirect(v.id(), session.Route{URL: target}); err != nil {
			t.Fatal(err)
		}
	}
	last := map[session.ID]session.EventType{}
	follows := map[session.EventType]string{
		session.Redirecting: " returned",
		session.Redirected:  "redirecting",
		session.Returned:    "redirecting redirected",
	}
	left := rounds * len(visitors)
	redirected := len(visitors)
	for left > 0 {
		e := <-h.events
		if !strings.Contains(follows[e.Type], string(last[e.Call])) {
			t.Fatalf("call %d: %s after %s", e.Call, e.Type, last[e.Call])
		}
		last[e.Call] = e.Type
		if e.Type != session.Returned {
			continue
		}
		if left--; redirected < rounds*len(visitors) {
			redirected++
			if err := h.server.Redirect(e.Call, session.Route{URL: target}); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-done
}
