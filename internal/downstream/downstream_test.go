package downstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"moip/internal/serial"
	"moip/internal/session"
	"moip/internal/telnet"
	"moip/internal/testkit/logtest"
	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// open listens until the test ends.
func open(t *testing.T, uri string, o Options, answer Answer) *Listener {
	t.Helper()
	l, err := Listen(uri, o)
	if err != nil {
		t.Fatal(err)
	}
	start(t, l, answer)
	return l
}

func start(t *testing.T, l *Listener, answer Answer) {
	served := make(chan error, 1)
	go func() { served <- l.Serve(answer) }()
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// echo answers calls by sending back what the caller sends. It notes the
// callers.
func echo(t *testing.T) (Answer, <-chan session.Caller) {
	callers := make(chan session.Caller, 100)
	var calls sync.WaitGroup
	t.Cleanup(calls.Wait)
	return func(e session.Endpoint, from session.Caller) {
		callers <- from
		calls.Go(func() {
			defer e.Close()
			for {
				p, err := e.Receive()
				if err != nil {
					return
				}
				if e.Send(p) {
					e.Flush()
				}
			}
		})
	}, callers
}

func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing happens")
		panic("not reached")
	}
}

// dial returns a connection of a caller.
func dial(t *testing.T, l *Listener) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

func expect(t *testing.T, peer io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(peer, got)
	if string(got) != want {
		t.Fatalf("the caller got %q (%v), want %q", got[:n], err, want)
	}
}

// isAt checks what is known of the caller at the other end of conn.
func isAt(t *testing.T, from session.Caller, transport string, conn net.Conn) {
	t.Helper()
	want := session.Caller{Transport: transport, Addr: netip.MustParseAddrPort(conn.LocalAddr().String())}
	if from != want {
		t.Errorf("the caller is %v, want %v", from, want)
	}
}

func TestPlainCallers(t *testing.T) {
	greetings := map[string]string{"tcp": "", "telnet": string(telnet.New(telnet.Server).Greeting())}
	for scheme, greeting := range greetings {
		for _, host := range []string{"127.0.0.1", "[::1]", ""} {
			t.Run(scheme+host, func(t *testing.T) {
				answer, callers := echo(t)
				l := open(t, scheme+"://"+host+":0", Options{}, answer)
				caller := dial(t, l)
				expect(t, caller, greeting)
				isAt(t, await(t, callers), scheme, caller)
				io.WriteString(caller, "3615 ULLA")
				expect(t, caller, "3615 ULLA")
				caller.CloseWrite()
				if rest, err := io.ReadAll(caller); len(rest) > 0 || err != nil {
					t.Errorf("at the end %q, %v", rest, err)
				}
			})
		}
	}
}

// The door on all addresses is open to IPv4, and its callers have addresses of
// IPv4.
func TestAllAddresses(t *testing.T) {
	answer, callers := echo(t)
	l := open(t, "tcp://:0", Options{}, answer)
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := net.Dial("tcp", fmt.Sprintf("[%s]:%d", host, l.Addr().(*net.TCPAddr).Port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		isAt(t, await(t, callers), "tcp", conn)
	}
	if want := fmt.Sprintf("tcp://localhost:%d", l.Addr().(*net.TCPAddr).Port); l.URI() != want {
		t.Errorf("URI %q, want %q", l.URI(), want)
	}
}

func TestURI(t *testing.T) {
	l := open(t, "ws://127.0.0.1:0", Options{}, nil)
	if want := "ws://" + l.Addr().String(); l.URI() != want {
		t.Errorf("URI %q, want %q", l.URI(), want)
	}
}

func TestListenRefuses(t *testing.T) {
	taken := open(t, "tcp://127.0.0.1:0", Options{}, nil)
	for uri, want := range map[string]string{
		"http://:80":               `unknown scheme "http" (use ws, telnet or tcp, with TLS wss, telnets or tcps, or serial)`,
		"serials:///dev/ttyS0":     `unknown scheme "serials"`,
		"wsss://:9000":             `unknown scheme "wsss"`,
		":9000":                    `":9000" is not a URI (write ws://:9001, or ws://[::1]:9001)`,
		"9000":                     "is not a URI",
		"ws:9000":                  "is not a URI",
		"tcp://[::1:9000":          "is not a URI",
		"telnet://:telnet":         "is not a URI",
		"ws://":                    `"ws://" has no port from 0 to 65535 (write ws://:9001)`,
		"tcp://localhost":          "has no port",
		"telnet://:65536":          "has no port from 0 to 65535",
		"ws://:9000/minitel":       `"ws://:9000/minitel" is not a host and a port alone (write ws://:9000, perhaps with ?speed=1200)`,
		"ws://:9000?frames=binary": "is not a host and a port alone",
		"ws://user@:9000":          "is not a host and a port alone",
		"ws://:9000#x":             "is not a host and a port alone",
		"ws://h\u00f4te:9000":      `"hôte" is not a host`,
		"tcp://:9000?speed=110":    `"110" is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)`,
		"tcp://:9000?speed=fast":   `"fast" is not a speed`,
		"tcp://:9000?record=some":  `"some" is unknown (use none, asked or all)`,
		"tcp://:9000?record":       `"" is unknown (use none, asked or all)`,
		"tcp://:9000?proxy=yes":    `proxy is "yes" (use on or off)`,
		"tcp://:9000?proxy":        `proxy is "" (use on or off)`,
		"tcp://192.0.2.1:0":        "cannot assign requested address",
		taken.URI():                "address already in use",

		"serial:":                          `"" names no serial port (write serial:///dev/ttyUSB0, or serial://COM3)`,
		"serial://COM3?speed=2400":         `"2400" is not a speed`,
		"serial:///dev/ttyS0?parity=odd":   `"odd" is no parity (use auto, line, software or none)`,
		"serial:///dev/ttyS0?flow=rtscts":  `"rtscts" is no flow control (use xonxoff or none)`,
		"serial:///dev/ttyS0?baud=1200":    `a serial port has no "baud" (use speed, record, parity and flow)`,
		"serial:///dev/ttyS0?speed=1200;a": "is no query",
	} {
		_, err := Listen(uri, Options{})
		if err == nil {
			t.Errorf("%s is accepted", uri)
		} else if !strings.HasPrefix(err.Error(), "listen") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", uri, err, want)
		}
	}
	if _, err := Listen(taken.URI(), Options{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
}

func TestSerialAddress(t *testing.T) {
	for uri, want := range map[string]Address{
		"serial:///dev/ttyUSB0":                               {Port: "/dev/ttyUSB0", Parity: serial.ParityAuto},
		"serial:/dev/ttyUSB0":                                 {Port: "/dev/ttyUSB0", Parity: serial.ParityAuto},
		"serial://COM3?speed=4800":                            {Port: "COM3", Speed: 4800, Parity: serial.ParityAuto},
		"serial:COM3?record=all&parity=software&flow=xonxoff": {Port: "COM3", Record: RecordAll, Parity: serial.ParitySoftware, Flow: true},
		"serial:///dev/a%20b?speed=0&flow=none":               {Port: "/dev/a b", Parity: serial.ParityAuto},
		"serial:///dev/serial/by-id/usb-FTDI_A50285BI":        {Port: "/dev/serial/by-id/usb-FTDI_A50285BI", Parity: serial.ParityAuto},
	} {
		want.Scheme = "serial"
		if got, err := ParseAddress(uri); got != want || err != nil {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
}

// Which calls are recorded says the address or, if it does not, the options. Callers
// who may ask for it do so in the URL of a WebSocket.
func TestRecord(t *testing.T) {
	for _, test := range []struct {
		uri        string
		options    Record
		plain, ask bool
	}{
		{"ws://127.0.0.1:0", "", false, false},
		{"ws://127.0.0.1:0", RecordNone, false, false},
		{"ws://127.0.0.1:0", RecordAsked, false, true},
		{"ws://127.0.0.1:0", RecordAll, true, true},
		{"ws://127.0.0.1:0?record=none", RecordAll, false, false},
		{"ws://127.0.0.1:0?record=asked", RecordAll, false, true},
		{"ws://127.0.0.1:0?speed=1200&record=all", RecordNone, true, true},
		{"tcp://127.0.0.1:0?record=asked", RecordAll, false, false},
		{"telnet://127.0.0.1:0?record=all", "", true, true},
	} {
		answer, callers := echo(t)
		l := open(t, test.uri, Options{Record: test.options}, answer)
		for query, want := range map[string]bool{"": test.plain, "?record=no": test.plain, "?news&record": test.ask, "?record=1": test.ask} {
			if l.at.Scheme == "ws" {
				c, _, err := websocket.Dial(t.Context(), l.URI()+"/"+query, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
			} else if query == "" {
				dial(t, l)
			} else {
				continue
			}
			if from := await(t, callers); from.Record != want {
				t.Errorf("%s, %q: a caller by %q is recorded: %v", test.uri, test.options, query, from.Record)
			}
		}
	}
}

// The speed of a caller's line is the lower of those that the listener and the
// caller ask for.
func TestSpeeds(t *testing.T) {
	answer, callers := echo(t)
	for uri, calls := range map[string]map[string]int{
		"ws://127.0.0.1:0":               {"": 0, "?speed=1200": 1200, "?speed=0": 0, "?frames=binary&speed=9600": 9600},
		"ws://127.0.0.1:0/?speed=4800":   {"": 4800, "?speed=1200": 1200, "?speed=0": 4800, "?speed=9600": 4800},
		"telnet://127.0.0.1:0?speed=300": {"": 300},
		"tcp://127.0.0.1:0?speed=1200":   {"": 1200},
		"telnet://127.0.0.1:0/?speed=0":  {"": 0},
	} {
		l := open(t, uri, Options{}, answer)
		for query, want := range calls {
			if strings.HasPrefix(uri, "ws") {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				peer, _, err := websocket.Dial(ctx, l.URI()+"/"+query, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer peer.CloseNow()
			} else {
				dial(t, l)
			}
			if got := await(t, callers); got.Speed != want {
				t.Errorf("%s, called by %q: %d bit/s, want %d", uri, query, got.Speed, want)
			}
		}
	}
	l := open(t, "ws://127.0.0.1:0", Options{}, answer)
	_, response, err := websocket.Dial(t.Context(), l.URI()+"/?speed=75", nil)
	if err == nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("75 bit/s: %v", err)
	}
}

func TestWebSocketCallers(t *testing.T) {
	tests := map[string]struct {
		path   string
		offers []string
		agreed string
		kind   websocket.MessageType
	}{
		"plain":           {path: "/", kind: websocket.MessageText},
		"any path":        {path: "/some/where?echo", kind: websocket.MessageText},
		"binary":          {path: "/?frames=binary", kind: websocket.MessageBinary},
		"offers tty":      {path: "/", offers: []string{"x", "tty"}, agreed: "tty", kind: websocket.MessageText},
		"offers both":     {path: "/", offers: []string{"tty", "binary"}, agreed: "binary", kind: websocket.MessageBinary},
		"offers others":   {path: "/", offers: []string{"https", "http-only", "chat"}, agreed: "https", kind: websocket.MessageText},
		"insists on text": {path: "/?frames=text", offers: []string{"binary"}, agreed: "binary", kind: websocket.MessageText},
	}
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0", Options{}, answer)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			caller, _, err := websocket.Dial(ctx, l.URI()+test.path, &websocket.DialOptions{
				Subprotocols:    test.offers,
				CompressionMode: websocket.CompressionContextTakeover, // refused
			})
			if err != nil {
				t.Fatal(err)
			}
			defer caller.CloseNow()
			if from := await(t, callers); from.Transport != "ws" || !from.Addr.IsValid() {
				t.Errorf("the caller is %v", from)
			}
			if caller.Subprotocol() != test.agreed {
				t.Errorf("agreed on %q, want %q", caller.Subprotocol(), test.agreed)
			}
			caller.Write(ctx, websocket.MessageText, []byte("\x13A é"))
			want := "\x13A \xe9"
			if test.kind == websocket.MessageText {
				want = "\x13A é"
			}
			if kind, p, err := caller.Read(ctx); kind != test.kind || string(p) != want {
				t.Errorf("got %v %q, %v; want %v %q", kind, p, err, test.kind, want)
			}
			if err := caller.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// handshake returns a request with the given further lines.
func handshake(more ...string) string {
	lines := append([]string{
		"GET / HTTP/1.1", "Host: moip", "Upgrade: WebSocket", "Connection: keep-alive, Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// knock sends a handshake and reads the answer.
func knock(t *testing.T, conn net.Conn, more ...string) (*http.Response, *bufio.Reader) {
	t.Helper()
	io.WriteString(conn, handshake(more...))
	return answerTo(t, conn)
}

func answerTo(t *testing.T, conn net.Conn) (*http.Response, *bufio.Reader) {
	t.Helper()
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return response, r
}

// Whatever is offered, the upgrade does not fail for it.
func TestSubprotocols(t *testing.T) {
	answer, _ := echo(t)
	l := open(t, "ws://127.0.0.1:0", Options{}, answer)
	const header = "Sec-WebSocket-Protocol: "
	for _, test := range []struct {
		lines  []string
		agreed string
	}{
		{nil, ""},
		{[]string{header}, ""}, // as PyMoIP sends it
		{[]string{header + ", ,"}, ""},
		{[]string{header + "[]"}, ""},
		{[]string{header + "a b"}, ""},
		{[]string{header + "\"x"}, ""},
		{[]string{header + "\xe9"}, ""},
		{[]string{header + "[], chat"}, "chat"},
		{[]string{header + "chat", header + "binary"}, "binary"},
		{[]string{header + "chat,tty"}, "tty"},
		{[]string{header + "tty,binary"}, "binary"},
	} {
		conn := dial(t, l)
		response, _ := knock(t, conn, test.lines...)
		values := strings.Join(response.Header["Sec-Websocket-Protocol"], "|")
		if response.StatusCode != http.StatusSwitchingProtocols || values != test.agreed {
			t.Errorf("%q: answered %s with %q", test.lines, response.Status, values)
		}
	}
}

// Frames glued to the handshake are not lost, wherever they are cut.
func TestEarlyFrames(t *testing.T) {
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0", Options{}, answer)
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("early"))))
	for cut := range len(frame) + 1 {
		conn := dial(t, l)
		io.WriteString(conn, handshake()+string(frame[:cut]))
		_, r := answerTo(t, conn)
		await(t, callers)
		conn.Write(frame[cut:])
		var got []byte
		for len(got) < 5 {
			h, err := ws.ReadHeader(r)
			payload := make([]byte, h.Length)
			if err == nil {
				_, err = io.ReadFull(r, payload)
			}
			if err != nil {
				t.Fatalf("cut at %d: got %q, %v", cut, got, err)
			}
			got = append(got, payload...)
		}
		if string(got) != "early" {
			t.Errorf("cut at %d: got %q", cut, got)
		}
	}
}

func TestBadHandshakes(t *testing.T) {
	answer, _ := echo(t)
	l := open(t, "ws://127.0.0.1:0", Options{}, answer)
	const upgrade = "Host: moip\r\nUpgrade: websocket\r\n"
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\n" + upgrade + "\r\n": 400,
		"GET / HTTP/1.1\r\n" + upgrade + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n":                    400,
		"GET / HTTP/1.1\r\n" + upgrade + "Connection: Upgrade\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n": 426,
		"POST / HTTP/1.1\r\n" + upgrade + "Content-Length: 0\r\n\r\n":                                                                              405,
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n":                                                                         431,
		"rubbish\r\n\r\n": 400,
	} {
		conn := dial(t, l)
		io.WriteString(conn, request)
		response, r := answerTo(t, conn)
		if response.StatusCode != want {
			t.Errorf("%.60q: %s, want %d", request, response.Status, want)
		}
		io.Copy(io.Discard, response.Body)
		conn.CloseWrite()
		if _, err := io.Copy(io.Discard, r); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%.60q: the connection remains, %v", request, err)
		}
	}
}

func TestBrowsers(t *testing.T) {
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "this is "+r.URL.Path) })
	for want, o := range map[string]Options{"this is /any/path": {Web: web}, "Only WebSockets are answered here.\n": {}} {
		l := open(t, "ws://127.0.0.1:0", o, nil)
		conn := dial(t, l)
		io.WriteString(conn, "GET /any/path HTTP/1.1\r\nHost: moip\r\nConnection: close\r\n\r\n")
		response, _ := answerTo(t, conn)
		if body, err := io.ReadAll(response.Body); string(body) != want {
			t.Errorf("%q, %v, want %q", body, err, want)
		}
		if o.Web == nil && response.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("%s", response.Status)
		}
	}
}

// Who asks for news gets them between the messages of the stream.
func TestNews(t *testing.T) {
	told := make(chan struct{})
	l := open(t, "ws://127.0.0.1:0", Options{}, func(e session.Endpoint, _ session.Caller) {
		go func() {
			<-told
			defer e.Close()
			e.Send([]byte("caf\xE9"))
			if teller, ok := e.(interface{ Tell(session.Event) bool }); ok {
				teller.Tell(session.Event{Type: session.Returned, Route: session.Route{Name: "SALON"}, Reason: session.ReasonFin})
			}
			e.Send([]byte("after"))
		}()
	})
	const news = `✉{"event":"returned","service":"SALON","reason":"fin"}`
	for query, want := range map[string]string{
		"?news":               "text café, text " + news + ", text after",
		"?frames=binary&news": "binary caf\xE9, text " + news + ", binary after",
		"":                    "text café, text after",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		peer, _, err := websocket.Dial(ctx, "ws://"+l.Addr().String()+"/"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		told <- struct{}{}
		var got []string
		for {
			kind, p, err := peer.Read(ctx)
			if err != nil {
				break
			}
			got = append(got, strings.ToLower(kind.String()[len("Message"):])+" "+string(p))
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

// Who connects and says nothing, or not enough, is dropped.
func TestSilentHandshakes(t *testing.T) {
	l, err := Listen("ws://127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if l.server.ReadHeaderTimeout != 10*time.Second {
		t.Errorf("a handshake may take %v", l.server.ReadHeaderTimeout)
	}
	l.server.ReadHeaderTimeout = 50 * time.Millisecond // the test is in a hurry
	answer, _ := echo(t)
	start(t, l, answer)
	for _, said := range []string{"", "GET / HTTP/1.1\r\nHost: "} {
		conn := dial(t, l)
		io.WriteString(conn, said)
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("after %q: %v", said, err)
		}
	}

	// An upgraded connection is not subject to it.
	var conn *net.TCPConn
	var r *bufio.Reader
	soon.Is(t, "a handshake comes in time", func() bool {
		conn = dial(t, l)
		r = bufio.NewReader(conn)
		io.WriteString(conn, handshake())
		_, err := http.ReadResponse(r, nil)
		return err == nil // unless this machine is in no hurry
	})
	time.Sleep(100 * time.Millisecond)
	conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("A")))))
	expect(t, r, "\x81\x01A")
}

// A caller whose answering panics is dropped, and the next one answered.
func TestPanic(t *testing.T) {
	for _, scheme := range []string{"ws", "telnet", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			var log logtest.Log
			var once sync.Once
			answer, callers := echo(t)
			l := open(t, scheme+"://127.0.0.1:0", Options{Log: log.Logger()}, func(e session.Endpoint, from session.Caller) {
				once.Do(func() { panic("no such page") })
				answer(e, from)
			})
			conn := dial(t, l)
			if scheme == "ws" {
				knock(t, conn)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("the caller was not dropped: %v", err)
			}
			log.Await(t, "no such page")
			conn = dial(t, l)
			if scheme == "ws" {
				knock(t, conn)
			}
			await(t, callers)
		})
	}
}

// Calls go on when the door closes.
func TestCloseLeavesCalls(t *testing.T) {
	for _, scheme := range []string{"ws", "tcp"} {
		answer, callers := echo(t)
		l := open(t, scheme+"://127.0.0.1:0", Options{}, answer)
		conn := dial(t, l)
		var r io.Reader = conn
		key, want := "A", "A"
		if scheme == "ws" {
			_, r = knock(t, conn)
			key, want = string(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("A"))))), "\x81\x01A"
		}
		await(t, callers)
		l.Close()
		io.WriteString(conn, key)
		expect(t, r, want)
		conn.Close()
	}
}

func TestCloseBeforeServe(t *testing.T) {
	for _, scheme := range []string{"ws", "telnet", "tcp"} {
		l, err := Listen(scheme+"://127.0.0.1:0", Options{})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if err := l.Serve(nil); err != nil {
			t.Error(err)
		}
		if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
			conn.Close()
			t.Error("still open")
		}
	}
}

func TestPingsByDefault(t *testing.T) {
	answer, _ := echo(t)
	l := open(t, "ws://127.0.0.1:0", Options{Ping: 20 * time.Millisecond}, answer)
	_, r := knock(t, dial(t, l))
	expect(t, r, "\x89\x00")

	l = open(t, "ws://127.0.0.1:0", Options{}, answer)
	if l.options.Ping != 20*time.Second {
		t.Errorf("pings every %v", l.options.Ping)
	}
}

// Who has come before another listener takes over is answered, in the middle of a
// handshake too. The calls that there are go on.
func TestRetire(t *testing.T) {
	for _, scheme := range []string{"ws", "tcp"} {
		answer, callers := echo(t)
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := &counter{}
		o := c.options()
		o.Open = func(address string) (net.Listener, error) {
			if address != "127.0.0.1:0" {
				t.Errorf("opened for %q", address)
			}
			return socket, nil
		}
		l := open(t, scheme+"://127.0.0.1:0", o, answer)
		if l.Socket() != socket {
			t.Error("another socket")
		}
		conn := dial(t, l)
		first, rest := "", "A"
		calls, guests := 1, 0
		if scheme == "ws" {
			calls, guests = 0, 1
			first, rest = handshake()[:20], handshake()[20:]+string(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("A")))))
		}
		io.WriteString(conn, first)
		c.settles(t, calls, guests) // it is accepted
		retired := make(chan struct{})
		go func() {
			defer close(retired)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			l.Retire(ctx)
		}()
		time.Sleep(20 * time.Millisecond) // for Retire to begin; later is no different
		io.WriteString(conn, rest)
		await(t, callers)
		await(t, retired)
		if scheme == "ws" {
			_, r := answerTo(t, conn)
			expect(t, r, "\x81\x01A")
		} else {
			expect(t, conn, "A")
		}
		if late, err := net.Dial("tcp", socket.Addr().String()); err == nil {
			late.Close()
			t.Error("others are still let in")
		}
		conn.Close()
	}
}

// Nor is anybody refused whose handshake is done and who is no call yet.
func TestRetireAfterHandshake(t *testing.T) {
	answer, callers := echo(t)
	shaken, goOn := make(chan struct{}), make(chan struct{})
	l := open(t, "ws://127.0.0.1:0", Options{Tap: func(netip.AddrPort) session.Tap {
		return func(what session.Passage, sent bool, _ []byte) {
			if what == session.PassHead && sent {
				close(shaken)
				<-goOn
			}
		}
	}}, answer)
	conn := dial(t, l)
	io.WriteString(conn, handshake())
	await(t, shaken)
	retired := make(chan struct{})
	go func() {
		defer close(retired)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		l.Retire(ctx)
	}()
	select {
	case <-retired:
		t.Error("nobody has waited for a caller")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	await(t, callers)
	await(t, retired)
}

// Of a crowd only so many are answered at a time; the others wait, and come in.
func TestCrowd(t *testing.T) {
	var there, most, all atomic.Int32
	release := make(chan struct{})
	letIn := sync.OnceFunc(func() { close(release) })
	l := open(t, "tcp://127.0.0.1:0", Options{}, func(e session.Endpoint, _ session.Caller) {
		n := there.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		there.Add(-1)
		e.Close()
		all.Add(1)
	})
	t.Cleanup(letIn)
	const crowd = 3 * maxAnswered
	for range crowd {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	soon.Is(t, "as many are answered as may be", func() bool { return there.Load() == maxAnswered })
	letIn()
	soon.Is(t, "all are answered", func() bool { return all.Load() == crowd })
	if most.Load() > maxAnswered {
		t.Errorf("%d were answered at a time", most.Load())
	}
}
