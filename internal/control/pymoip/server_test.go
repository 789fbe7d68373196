package pymoip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
)

var (
	alice = claimed(0, "ws", "192.0.2.1:38178")
	boris = claimed(0, "telnet", "192.0.2.2:53404") // of another gateway
	chloe = claimed(1, "telnet", "[2001:db8::7]:4711")
)

func TestServerVisit(t *testing.T) {
	h := newHouse(t).open()
	gw := h.gateway("127.0.0.1")
	a := h.brought(gw, h.called("127.0.0.1"), alice)
	c := h.brought(gw, h.called("127.0.0.1"), chloe)

	// To the service and back by Connexion/Fin.
	h.orders(a.id())
	gw.gets(`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	a.types("typed ahead")
	gw.says(`UserGotCommand,,,0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`, `UserRedirecting,,,0,1`)
	h.refuses(a.id(), session.ErrBusy)
	gw.says(`UserRedirected,,,0,1`)
	e := h.hears(a.id(), session.Redirected)
	if e.Route.Name != "CODE" || e.Caller != alice.caller {
		t.Errorf("heard %+v", e)
	}
	h.refuses(a.id(), session.ErrBusy)
	a.types("crossed the order")
	gw.says(`UserRedirected,,,0,1`, `UserRequestedClose,,,0,1`, `UserRequestedClose,,,0,1`, `UserRedirectEnded,,,0,1`)
	h.returned(a.id(), session.ReasonFin)

	// The other's service is not there.
	h.orders(c.id())
	gw.gets(`PID=1,2,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	gw.says(`UserRedirecting,,,1,2`, `UserRedirectEnded,,,1,2`)
	h.returned(c.id(), session.ReasonRefused)

	// The next service closes.
	if err := h.server.Redirect(a.id(), session.Route{URL: target, Subprotocols: []string{"binary", "tty"}}); err != nil {
		t.Fatal(err)
	}
	h.hears(a.id(), session.Redirecting)
	gw.gets(`PID=0,3,CONNECT,ws://127.0.0.1:19900/,None,["binary","tty"]`)
	gw.says(`UserRedirecting,,,0,3`, `UserRedirected,,,0,3`, `UserRedirectEnded,,,0,3`)
	h.hears(a.id(), session.Redirected)
	h.returned(a.id(), session.ReasonClosed)

	// What cannot be said begins no visit.
	if err := h.server.Redirect(a.id(), session.Route{URL: "builtin:MIRE"}); !errors.Is(err, ErrUnsayable) {
		t.Error(err)
	}

	// A caller leaves from a service.
	h.orders(c.id())
	gw.gets(`PID=1,4,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	gw.says(`UserRedirected,,,1,4`, `UserGone,,,1`)
	h.hears(c.id(), session.Redirected)
	c.caller.hangup()
	h.until("gone", func() bool { return len(h.board.Calls()) == 1 })
	gw.says(`UserRedirectEnded,,,1,4`)
	h.refuses(c.id(), ErrNoGateway)
	a.types("still here")
	h.quiet()
	h.empty(1)
}

// empty checks that nothing is kept of calls that have ended.
func (h *house) empty(calls int) {
	h.Helper()
	s := h.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.guests) != calls || len(s.places) > calls || len(s.visits) > calls || s.arriving != nil {
		h.Errorf("left over: %d guests, %d places, %d visits, %v", len(s.guests), len(s.places), len(s.visits), s.arriving)
	}
}

func TestNoGateway(t *testing.T) {
	h := newHouse(t).open()
	alone := h.called("127.0.0.1")
	alone.types("3615")
	alone.asked().types("\x01Cu3\x04") // the terminal itself
	h.refuses(alone.id(), ErrNoGateway)
	h.refuses(99, ErrNoGateway)

	// A gateway that brings others.
	gw := h.gateway("127.0.0.1")
	h.brought(gw, h.called("127.0.0.1"), alice)
	h.refuses(alone.id(), ErrNoGateway)
	alone.types("\x13A")
	h.quiet()
}

// The introduction may come in any pieces, and keys with it.
func TestIntroductionInPieces(t *testing.T) {
	h := newHouse(t).open()
	gw := h.gateway("127.0.0.1")
	gw.says(alice.announcement())
	a := h.called("127.0.0.1").asked()
	for b := range strings.SplitSeq("12"+alice.introduction()+"\x01Cu3\x0434", "") {
		a.caller.say(b)
	}
	h.hears(a.id(), session.Linked)
	a.desk.gets("12\x01Cu3\x0434")
}

// Two gateways on one machine and one on another know their callers by the same
// numbers.
func TestSeveralGateways(t *testing.T) {
	h := newHouse(t).open()
	var gateways []*socket
	var visitors []visitor
	for i, ip := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.2"} {
		gateways = append(gateways, h.gateway(ip))
		for pid := range uint64(3) {
			c := claimed(pid, "ws", fmt.Sprintf("192.0.2.%d:%d", i, 1000+pid))
			visitors = append(visitors, h.brought(gateways[i], h.called(ip), c))
		}
	}
	for i, v := range visitors {
		h.orders(v.id())
		gateways[i/3].gets(fmt.Sprintf(`PID=%d,%d,CONNECT,ws://127.0.0.1:19900/,None,[]`, i%3, i+1))
	}
	for i, v := range visitors {
		state := func(verb string) string { return fmt.Sprintf("%s,,,%d,%d", verb, i%3, i+1) }
		if i/3 == 2 { // of the other machine's nobody else is believed
			gateways[0].says(state("UserRedirected"), state("UserRedirectEnded"))
		}
		gateways[i/3].says(
			fmt.Sprintf("UserRedirected,,,%d,%d", i%3+1, i+1), // another caller's number
			fmt.Sprintf("UserRedirected,,,%d,%d", i%3, 99),
			state("UserRedirected"))
		h.hears(v.id(), session.Redirected)
	}
	h.quiet()

	// One that leaves takes no other's callers along.
	gateways[1].hangup()
	for _, v := range visitors[3:6] {
		h.hears(v.id(), session.Unlinked)
	}
	h.quiet()
	h.linked(2)
	gateways[0].says("UserRedirectEnded,,,0,1")
	h.returned(1, session.ReasonClosed)
	h.orders(1)
	gateways[0].gets(`PID=0,10,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	gateways[0].says("UserRedirectEnded,,,1,5") // by the other's address, and that may be a new link of its
	h.returned(5, session.ReasonClosed)
	h.refuses(5, ErrNoGateway)
}

func TestForged(t *testing.T) {
	h := newHouse(t, netip.MustParsePrefix("127.0.0.1/32")).open()
	warned := func(why error) {
		t.Helper()
		lines := h.log.Lines("level=WARN")
		if n := len(lines); n == 0 || !strings.Contains(lines[n-1], fmt.Sprintf("%q", why.Error())) {
			t.Fatalf("no warning of %v in %q", why, lines)
		}
		lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, why.Error()) })
		if len(lines) > 1 {
			t.Errorf("warned %d times of %v", len(lines), why)
		}
	}

	early := h.called("127.0.0.1").asked()
	early.caller.say(chloe.introduction())
	early.types("no link")
	warned(errNoLink)
	h.refuses(early.id(), ErrNoGateway)

	gw := h.gateway("127.0.0.1")
	gw.says(alice.announcement())

	stranger := h.called("127.0.0.2").asked()
	stranger.caller.say(alice.introduction() + alice.introduction() + "abc")
	stranger.desk.gets("abc")
	warned(errStranger)

	unasked := h.called("127.0.0.1")
	unasked.caller.say(alice.introduction())
	unasked.types("unasked")
	warned(errUnasked)

	garbled := h.called("127.0.0.1").asked()
	garbled.caller.say(introductionHead + "PID=0,IP=192.0.2.1\n")
	garbled.types("garbled")
	warned(errNoDetails)

	for _, v := range []visitor{stranger, unasked, garbled} {
		h.refuses(v.id(), ErrNoGateway)
	}
	h.quiet()

	a := h.called("127.0.0.1").asked()
	a.caller.say(alice.introduction())
	h.hears(a.id(), session.Linked)
	gw.says(chloe.announcement()) // and that was not wholly wrong
	h.hears(early.id(), session.Linked)

	// Once introduced, nobody becomes somebody else.
	a.caller.say(chloe.introduction())
	a.types("second")
	warned(errSecond)
	h.orders(a.id())
	gw.gets(`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`)

	// Nor is anybody twice.
	double := h.called("127.0.0.1").asked()
	double.caller.say(alice.introduction())
	double.types("double")
	h.refuses(double.id(), ErrNoGateway)
	if lines := h.log.Lines("level=WARN"); !strings.Contains(lines[len(lines)-1], "two calls claim") {
		t.Errorf("warned %q", lines)
	}
	h.quiet()

	// The first may be what is left of a connection that was lost.
	a.caller.hangup()
	h.hears(double.id(), session.Linked)
	h.orders(double.id())
	gw.gets(`PID=0,2,CONNECT,ws://127.0.0.1:19900/,None,[]`)
}

func TestLinkRefused(t *testing.T) {
	h := newHouse(t, netip.MustParsePrefix("127.0.0.1/32")).open()
	get := func(ip string, want int, text string) {
		t.Helper()
		_, r, err := websocket.Dial(context.Background(), h.link, &websocket.DialOptions{HTTPClient: from(ip)})
		if err == nil || r == nil || r.StatusCode != want {
			t.Fatalf("%v, %v, want %d", r, err, want)
		}
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), text) {
			t.Errorf("told %q", body)
		}
	}
	began := time.Now()
	for range 20 {
		get("127.0.0.2", http.StatusForbidden, "127.0.0.2")
	}
	if n, seconds := len(h.log.Lines("level=WARN")), time.Since(began).Seconds(); n < 1 || float64(n) > 1+seconds {
		t.Errorf("%d warnings in %.1f seconds, and not one a second", n, seconds)
	}
	for range linksLimit {
		h.gateway("127.0.0.1")
	}
	get("127.0.0.1", http.StatusServiceUnavailable, "links")

}

func TestHandshakeOfServer(t *testing.T) {
	h := newHouse(t).open()
	conn, r, err := websocket.Dial(context.Background(), h.link+"/any/path?at=all", &websocket.DialOptions{
		HTTPClient: from("127.0.0.1"), Subprotocols: []string{"binary", "tty"},
		CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := r.Header["Sec-Websocket-Protocol"]; got != nil {
		t.Errorf("selects %q", got)
	}
	r, err = from("127.0.0.1").Get("http" + strings.TrimPrefix(h.link, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a browser gets %v", r.Status)
	}
}

func TestGarbageFromGateway(t *testing.T) {
	h := newHouse(t).open()
	gw := h.gateway("127.0.0.1")
	a := h.brought(gw, h.called("127.0.0.1"), alice)
	for _, text := range []string{
		"", ",", ",,,,,,,,", "\xff\xfe", "blabla", "UserRedirected,,,0,0", "UserRedirected,,,0,-1", "NewWsUser,a,b,c",
		"UserGone,,,1", "UserGone,,,-", "PID=0,1," + connect, strings.Repeat(",", commandLimit), strings.Repeat("\x00", commandLimit),
	} {
		for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			if err := gw.conn.Write(context.Background(), kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.orders(a.id())
	gw.gets(`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`)
	if err := gw.conn.Write(context.Background(), websocket.MessageBinary, []byte("UserRedirected,,,0,1")); err != nil {
		t.Fatal(err)
	}
	h.hears(a.id(), session.Redirected)
	for _, line := range h.log.Lines("level=DEBUG") {
		if len(line) > 8*quoteLimit {
			t.Errorf("logged %d bytes", len(line))
		}
	}
	if lines := h.log.Lines("level=WARN"); lines != nil {
		t.Errorf("warned %q", lines)
	}

	gw.say(strings.Repeat("x", commandLimit+1))
	if code := gw.ends(); code != websocket.StatusMessageTooBig {
		t.Errorf("closed with %d", code)
	}
	h.hears(a.id(), session.Unlinked)
}

func TestShutdown(t *testing.T) {
	h := newHouse(t).open()
	gateways := []*socket{h.gateway("127.0.0.1"), h.gateway("127.0.0.2")}
	a := h.brought(gateways[0], h.called("127.0.0.1"), alice)
	if err := h.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	for _, gw := range gateways {
		if code := gw.ends(); code != websocket.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
	}
	h.hears(a.id(), session.Unlinked)
	h.refuses(a.id(), ErrNoGateway)
	if _, _, err := websocket.Dial(context.Background(), h.link, nil); err == nil {
		t.Error("still open")
	}
	if n := h.server.Links(); n != 0 {
		t.Errorf("%d links", n)
	}
}
