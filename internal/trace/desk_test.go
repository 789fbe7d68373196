package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/downstream"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/upstream"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// A house is a gateway: doors, a board, and a portal that the test plays.
type house struct {
	*testing.T
	*Desk
	board      *switchboard.Board
	telnet, ws string
	portal     net.Listener
	unread     []Entry // of a trace, see until
}

func newHouse(t *testing.T) *house {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	board := switchboard.New(log)
	h := &house{T: t, Desk: NewDesk(board), board: board}
	var err error
	if h.portal, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.portal.Close() })
	dial := new(upstream.Dialer).Dial
	board.Open(session.Config{
		Portal: session.Route{Name: "portal", URL: "tcp://" + h.portal.Addr().String()}, DialPortal: dial, DialService: dial,
		Limits: session.Limits{Drain: 50 * time.Millisecond}, Tapper: h.Tapper,
	}, h.Note)
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := board.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	for scheme, at := range map[string]*string{"telnet": &h.telnet, "ws": &h.ws} {
		l, err := downstream.Listen(scheme+"://127.0.0.1:0", downstream.Options{Tap: h.Arriving})
		if err != nil {
			t.Fatal(err)
		}
		*at = l.Addr().String()
		served := make(chan error, 1)
		go func() { served <- l.Serve(board.Answer) }()
		t.Cleanup(func() {
			l.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
	return h
}

func (h *house) follow(of string) *Tracer {
	h.Helper()
	target, err := ParseTarget(of)
	if err != nil {
		h.Fatal(err)
	}
	tracer, err := h.Follow(Options{Target: target, Legs: AllLegs})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(tracer.Close)
	return tracer
}

func (h *house) accept(l net.Listener) net.Conn {
	h.Helper()
	conn, err := l.Accept()
	if err != nil {
		h.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	h.Cleanup(func() { conn.Close() })
	return conn
}

func (h *house) calls() net.Conn {
	h.Helper()
	conn, err := net.Dial("tcp", h.telnet)
	if err != nil {
		h.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	h.Cleanup(func() { conn.Close() })
	return conn
}

func (h *house) reads(conn io.Reader, want string) {
	h.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); string(got) != want {
		h.Fatalf("it reads %q (%v), want %q", got[:n], err, want)
	}
}

var variable = regexp.MustCompile(`:\d{4,5}\b`)

// until reads a trace up to a line with text, and returns it without times and ports.
func (h *house) until(tracer *Tracer, text string) string {
	h.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	var told strings.Builder
	for {
		for len(h.unread) > 0 {
			e := h.unread[0]
			h.unread = h.unread[1:]
			if e.After < 0 || e.After > 2*patience.Seconds() {
				h.Errorf("%q is after %v s", e.What, e.After)
			}
			e.After = 0
			fmt.Fprintln(&told, variable.ReplaceAllString(strings.TrimPrefix(e.String(), "   +0.000  "), ":PORT"))
			if strings.Contains(e.What, text) {
				return told.String()
			}
		}
		var err error
		if h.unread, err = tracer.Next(ctx); err != nil {
			h.Fatalf("%v, after\n%s", err, &told)
		}
	}
}

func (h *house) same(got, want string) {
	h.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		h.Errorf("it is told\n%s\nwant\n%s", got, want)
	}
}

const greeting = "\xff\xfb\x01\xff\xfb\x03\xff\xfd\x03\xff\xfb\x00\xff\xfd\x00"

// A caller who is to call now is traced from the first byte to the last, with all legs.
func TestFromTheFirstByte(t *testing.T) {
	h := newHouse(t)
	tracer := h.follow("127.0.0.1")
	caller := h.calls()
	h.reads(caller, greeting)
	portal := h.accept(h.portal)
	io.WriteString(portal, "\x0c\x1fAA\x1bABonjour")
	h.reads(caller, "\x0c\x1fAA\x1bABonjour")
	io.WriteString(caller, "\xff\xfd\x01\x13A")
	h.reads(portal, "\x13A")
	h.reads(caller, "\xff\xfd\x18\xff\xfd\x1f\xff\xfd'\xff\xfd\x17")
	caller.Close()
	h.same(h.until(tracer, "ended: gone"), `
A trace shows all that is typed, passwords too.
call        somebody has come, from 127.0.0.1:PORT
← caller    IAC WILL ECHO  IAC WILL SGA  IAC DO SGA  IAC WILL BINARY  IAC DO BINARY
call        1 began, from 127.0.0.1:PORT by telnet
portal      connected to 127.0.0.1:PORT, for tcp://127.0.0.1:PORT
portal →    FF (clear)  US 4/1 4/1 (row 1 column 1)  ESC 4/1 (ink red)  "Bonjour"
← caller    FF (clear)  US 4/1 4/1 (row 1 column 1)  ESC 4/1 (ink red)  "Bonjour"
caller →    IAC DO ECHO  Envoi
← caller    IAC DO TTYPE  IAC DO NAWS  IAC DO NEW-ENVIRON  IAC DO SEND-LOCATION
← portal    Envoi
caller      closed in good order
portal      closed by the gateway
call        ended: gone
`)
}

// A call under way is traced from the middle on, by its number and to its end, and by
// WebSocket to the service too.
func TestByNumber(t *testing.T) {
	h := newHouse(t)
	caller := h.calls()
	h.reads(caller, greeting)
	h.accept(h.portal)
	tracer := h.follow("1")
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	url := "ws://me:secret@" + service.Addr().String() + "/ws"
	if err := h.board.Redirect(1, session.Route{Name: "MIRE", URL: url}); err != nil {
		t.Fatal(err)
	}
	conn := h.accept(service)
	io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nServer: \u202eevil\r\nContent-Length: 0\r\n\r\n")
	h.same(h.until(tracer, "returned"), `
A trace shows all that is typed, passwords too.
call        1 from 127.0.0.1:PORT by telnet, at portal; traced from here on
call        redirecting to MIRE
service MIRE  connected to 127.0.0.1:PORT, for ws://127.0.0.1:PORT/ws
← service MIRE  GET /ws HTTP/1.1
← service MIRE  Host: 127.0.0.1:PORT  User-Agent: MoIP  Connection: Upgrade  Sec-WebSocket-Version: 13
← service MIRE  Upgrade: websocket
service MIRE →  HTTP/1.1 403 Forbidden
service MIRE →  Server: ·evil
call        returned from MIRE: refused, dial ws://127.0.0.1:PORT/ws: answered 403 Forbidden
`)
	caller.Close()
	for err == nil {
		_, err = tracer.Next(t.Context())
	}
	if err != io.EOF {
		t.Errorf("after the end of the call: %v", err)
	}
}

// Of who comes by WebSocket the handshake is told, of those too of whom no call comes.
func TestHandshake(t *testing.T) {
	h := newHouse(t)
	tracer := h.follow("127.0.0.0/8")
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if _, _, err := websocket.Dial(ctx, "ws://"+h.ws+"/?speed=77", nil); err == nil {
		t.Fatal("a speed of 77 is granted")
	}
	h.same(h.until(tracer, "no call comes of it"), `
A trace shows all that is typed, passwords too.
somebody has come, from 127.0.0.1:PORT
caller →    GET /?speed=77 HTTP/1.1
caller →    Host: 127.0.0.1:PORT  Connection: Upgrade  Sec-Websocket-Version: 13  Upgrade: websocket
caller →    User-Agent: Go-http-client/1.1
caller      no call comes of it: "77" is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)
`)
	conn, _, err := websocket.Dial(ctx, "ws://"+h.ws+"/", &websocket.DialOptions{Subprotocols: []string{"binary"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Write(ctx, websocket.MessageBinary, []byte("3615\x13A"))
	conn.Close(4001, "no more")
	told := h.until(tracer, "ended: dropped")
	for _, want := range []string{
		"← caller    Upgrade: websocket  Sec-WebSocket-Protocol: binary\n",
		"caller →    WebSocket binary  FIN  masked  6 bytes\ncaller →    \"3615\"  Envoi\n",
		"caller →    WebSocket close  FIN  masked  9 bytes  4001  \"no more\"\n", "call        ended: dropped, closed 4001 \"no more\"\n",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it is not told %q:\n%s", want, told)
		}
	}
}

// Four may trace, a fifth not until one has left. When the last has, nothing is tapped.
func TestFull(t *testing.T) {
	h := newHouse(t)
	caller := h.calls()
	h.reads(caller, greeting)
	portal := h.accept(h.portal)
	var tracers []*Tracer
	for range maxTracers {
		tracers = append(tracers, h.follow("127.0.0.1"))
	}
	if _, err := h.Follow(Options{}); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	io.WriteString(portal, "Page")
	h.reads(caller, "Page")
	for _, tracer := range tracers {
		h.unread = nil
		h.until(tracer, "Page")
		tracer.Close()
		if _, err := tracer.Next(t.Context()); err == nil {
			t.Error("a trace that is closed goes on")
		}
	}
	h.mu.Lock()
	left := len(h.lines) + len(h.arriving) + len(h.tracers)
	h.mu.Unlock()
	if left > 0 || h.busy.Load() {
		t.Errorf("%d are left", left)
	}
	h.follow("1")
}

// Whoever does not read costs no more than their queue, however much passes, and no call
// waits. They are told how much they have missed.
func TestNotRead(t *testing.T) {
	h := newHouse(t)
	caller := h.calls()
	h.reads(caller, greeting)
	portal := h.accept(h.portal)
	tracer := h.follow("127.0.0.1")
	page := strings.Repeat("\x1fAA"+strings.Repeat("abcdefgh", 5), 100)
	const n = 80
	go func() {
		for range n {
			io.WriteString(portal, page)
		}
	}()
	for range n {
		h.reads(caller, page)
	}
	for range 2 * maxQueue / 160 { // and no more by calls that come and go
		tracer.ended(&line{})
	}
	tracer.mu.Lock()
	size, records, lost := tracer.size, len(tracer.queue), tracer.lost
	tracer.mu.Unlock()
	if size > maxQueue || records > maxQueue/160 || lost == 0 {
		t.Errorf("%d bytes wait, %d records; %d are lost", size, records, lost)
	}
	if told := h.until(tracer, "are missing here"); !strings.Contains(told, "abcdefgh") {
		t.Errorf("it is told\n%.1000s", told)
	}
	io.WriteString(portal, "\x0cAgain")
	h.until(tracer, "Again")
}

// A caller who comes and is not answered is not kept for ever, nor are more than a few.
func TestArriving(t *testing.T) {
	h := newHouse(t)
	if h.Arriving(session.Caller{}.Addr) != nil {
		t.Error("somebody is traced though nobody asks")
	}
	tracer := h.follow("192.0.2.0/24")
	from := func(i int) (tap session.Tap) {
		return h.Arriving(addrPort(fmt.Sprintf("192.0.2.%d:1000", i%250+1), i/250))
	}
	if h.Arriving(addrPort("198.51.100.1:1000", 0)) != nil {
		t.Error("a stranger is traced")
	}
	tap := from(0)
	for i := range maxArriving - 1 {
		from(i + 1)
	}
	if from(maxArriving+1) != nil {
		t.Error("too many are traced")
	}
	for range 10 {
		tap(session.PassHead, false, make([]byte, maxHeld/5))
	}
	tap(session.PassEnd, true, []byte("no call comes of it"))
	if from(maxArriving+1) == nil {
		t.Error("there is no room for one more")
	}
	h.until(tracer, "pieces are missing here")
	tracer.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.arriving); n > 0 {
		t.Errorf("%d are kept", n)
	}
}

func addrPort(s string, more int) netip.AddrPort {
	a := netip.MustParseAddrPort(s)
	return netip.AddrPortFrom(a.Addr(), a.Port()+uint16(more))
}
