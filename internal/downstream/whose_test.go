package downstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/proxied"
	"moip/internal/session"
	"moip/internal/telnet"
)

// atProxy is the address of the proxy that these tests trust.
const atProxy = "127.0.0.8"

// behind are options of a Listener behind that proxy, and what is refused there.
func behind(h proxied.Header) (Options, *notes) {
	trust := &proxied.Trust{Networks: []netip.Prefix{netip.MustParsePrefix(atProxy + "/32")}, Header: h}
	n := &notes{}
	return Options{Proxies: func() *proxied.Trust { return trust }, Refused: n.refused}, n
}

// notes are what was refused.
type notes struct {
	mu   sync.Mutex
	said []string
}

func (n *notes) refused(from netip.AddrPort, transport, reason string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, from.Addr().String()+" "+transport+" "+reason+": "+err.Error())
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.said)
}

// dialFrom is dial from another address of this machine.
func dialFrom(t *testing.T, l *Listener, from string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(from)}, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

var (
	caller  = netip.MustParseAddrPort("192.0.2.7:4000")
	caller6 = netip.MustParseAddrPort("[2001:db8::7]:4000")
	door    = netip.MustParseAddrPort("198.51.100.1:9001")
	door6   = netip.MustParseAddrPort("[2001:db8::1]:9001")
)

// proxyHeaders are what proxies may begin with, and who calls then.
var proxyHeaders = map[string]netip.AddrPort{
	string(proxied.AppendV1(nil, caller, door)):   caller,
	string(proxied.AppendV1(nil, caller6, door6)): caller6,
	string(proxied.AppendV2(nil, caller, door)):   caller,
	string(proxied.AppendV2(nil, caller6, door6)): caller6,
}

// Behind a proxy the caller is whom it names, for admission, traces and the call alike,
// and what comes right behind the header is the caller's.
func TestProxyPlain(t *testing.T) {
	for _, scheme := range []string{"tcp", "telnet"} {
		o, refused := behind("")
		keeper := &doorkeeper{}
		o.Admit = keeper.admit
		var traced atomic.Value
		o.Tap = func(from netip.AddrPort) session.Tap { traced.Store(from); return nil }
		answer, callers := echo(t)
		l := open(t, scheme+"://127.0.0.1:0?proxy=on", o, answer)
		for header, want := range proxyHeaders {
			for _, pieces := range []int{1, 7, 1000} {
				conn := dialFrom(t, l, atProxy)
				for piece := range slices.Chunk([]byte(header+"3615 ULLA"), pieces) {
					conn.Write(piece)
				}
				if from := await(t, callers); from != (session.Caller{Transport: scheme, Addr: want}) {
					t.Errorf("%q: the caller is %v", header, from)
				}
				if scheme == "telnet" {
					expect(t, conn, string(telnet.New(telnet.Server).Greeting()))
				}
				expect(t, conn, "3615 ULLA")
				if heard := keeper.heard(); heard[len(heard)-1] != want.String()+" "+scheme || traced.Load() != want {
					t.Errorf("%q: it was asked as of %s, and traced as of %v", header, heard, traced.Load())
				}
			}
		}
		keeper.says(&Refusal{Text: "Non."})
		conn := dialFrom(t, l, atProxy)
		conn.Write(proxied.AppendV1(nil, caller, door))
		if got, err := io.ReadAll(conn); string(got) != "Non.\r\n" || err != nil {
			t.Errorf("who may not come is told %q, %v", got, err)
		}
		if all := refused.all(); len(all) > 0 {
			t.Errorf("refused: %q", all)
		}
	}
}

// Who is no trusted proxy is who it is, whatever it sends, and wherever.
func TestProxyForged(t *testing.T) {
	header := string(proxied.AppendV1(nil, caller, door))
	for uri, from := range map[string]string{
		"tcp://127.0.0.1:0?proxy=on":  "127.0.0.9",
		"tcp://127.0.0.1:0?proxy=off": atProxy,
		"tcp://127.0.0.1:0":           atProxy,
	} {
		o, _ := behind("")
		answer, callers := echo(t)
		l := open(t, uri, o, answer)
		conn := dialFrom(t, l, from)
		isAt(t, await(t, callers), "tcp", conn)
		io.WriteString(conn, header)
		expect(t, conn, header) // as if it were typed
	}
	for _, uri := range []string{"ws://127.0.0.1:0?proxy=on", "ws://127.0.0.1:0"} {
		o, _ := behind(proxied.XForwardedFor)
		l := open(t, uri, o, nobody(t))
		conn := dialFrom(t, l, "127.0.0.9")
		io.WriteString(conn, header+"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if w, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || w.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v, %v", uri, w, err)
		}
	}
}

// A proxy that does not begin with a header is refused, and somebody is told why. Its
// health checks are no calls, and nobody's concern.
func TestProxyWithoutHeader(t *testing.T) {
	for said, want := range map[string]string{
		"3615 ULLA and more\r\n":                 "no PROXY header comes first",
		"PROXY TCP4 nowhere here 1 2\r\n":        "is no PROXY header",
		"PROXY TCP4 192.0.2.7":                   "reading the PROXY header: unexpected EOF",
		"":                                       "",
		"PROXY UNKNOWN\r\n":                      "",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00": "",
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00": "",
	} {
		o, refused := behind("")
		l := open(t, "tcp://127.0.0.1:0?proxy=on", o, nobody(t))
		conn := dialFrom(t, l, atProxy)
		io.WriteString(conn, said)
		conn.CloseWrite()
		got, err := io.ReadAll(conn)
		all := refused.all()
		if want == "" {
			if len(got) > 0 || len(all) > 0 {
				t.Errorf("%q: told %q, refused %q", said, got, all)
			}
			continue
		}
		if string(got) != "Adresse inconnue.\r\n" || err != nil || len(all) != 1 ||
			!strings.HasPrefix(all[0], atProxy+" tcp proxy: ") || !strings.Contains(all[0], want) {
			t.Errorf("%q: told %q, %v, refused %q", said, got, err, all)
		}
	}
}

// HAProxy's health checks by version 1 name the connection that they are.
func TestProxyChecks(t *testing.T) {
	o, refused := behind("")
	l := open(t, "tcp://127.0.0.1:0?proxy=on", o, nobody(t))
	conn := dialFrom(t, l, atProxy)
	conn.Write(proxied.AppendV1(nil, conn.LocalAddr().(*net.TCPAddr).AddrPort(), door))
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil || len(refused.all()) > 0 {
		t.Errorf("told %q, %v, refused %q", got, err, refused.all())
	}
}

// A proxy that says nothing keeps nobody waiting: others are answered, and so is the
// Listener when it is closed.
func TestProxySilent(t *testing.T) {
	for _, scheme := range []string{"tcp", "ws"} {
		o, refused := behind("")
		answer, callers := echo(t)
		l, err := Listen(scheme+"://127.0.0.1:0?proxy=on", o)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- l.Serve(answer) }()
		for range 20 {
			io.WriteString(dialFrom(t, l, atProxy), "PROXY TCP4")
		}
		if scheme == "tcp" {
			dialFrom(t, l, "127.0.0.9")
			await(t, callers)
		} else {
			c, _, err := websocket.Dial(t.Context(), l.URI(), nil)
			if err != nil {
				t.Fatal(err)
			}
			await(t, callers)
			c.CloseNow()
		}
		began := time.Now()
		l.Close()
		if err := await(t, served); err != nil || time.Since(began) > handshakeTime/4 {
			t.Errorf("%s: after %v, %v", scheme, time.Since(began), err)
		}
		if all := refused.all(); scheme == "tcp" && len(all) > 0 {
			t.Errorf("refused: %q", all)
		}
	}
}

// shake asks for a WebSocket, with some headers, and returns what is answered.
func shake(t *testing.T, conn net.Conn, headers ...string) (*http.Response, *bufio.Reader) {
	t.Helper()
	head := "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, h := range headers {
		head += h + "\r\n"
	}
	io.WriteString(conn, head+"\r\n")
	return respond(t, conn)
}

func respond(t *testing.T, conn net.Conn) (*http.Response, *bufio.Reader) {
	t.Helper()
	r := bufio.NewReader(conn)
	w, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

// The header comes before HTTP, and the call is the caller's, on the bare socket.
func TestProxyWebSocket(t *testing.T) {
	o, _ := behind(proxied.XForwardedFor)
	keeper := &doorkeeper{}
	o.Admit = keeper.admit
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0?proxy=on&speed=1200", o, answer)
	for header, want := range proxyHeaders {
		conn := dialFrom(t, l, atProxy)
		io.WriteString(conn, header)
		// It is no proxy of ours who is named: its own headers do not count.
		w, r := shake(t, conn, "X-Forwarded-For: 203.0.113.1")
		if w.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%q: %s", header, w.Status)
		}
		if from := await(t, callers); from.Addr != want {
			t.Errorf("%q: the caller is %v", header, from)
		}
		conn.Write([]byte{0x81, 0x81, 0, 0, 0, 0, 'A'})
		expect(t, r, "\x81\x01A")
		if heard := keeper.heard(); heard[len(heard)-1] != want.String()+" ws" {
			t.Errorf("it was asked of %s", heard)
		}
	}
}

// A health check of HTTP is answered; it is the proxy's own.
func TestProxyWebSocketItself(t *testing.T) {
	for _, header := range []string{"PROXY UNKNOWN\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"} {
		o, refused := behind("")
		keeper := &doorkeeper{}
		o.Admit, o.Web = keeper.admit, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
		l := open(t, "ws://127.0.0.1:0?proxy=on", o, nobody(t))
		conn := dialFrom(t, l, atProxy)
		io.WriteString(conn, header+"GET / HTTP/1.0\r\n\r\n")
		if w, _ := respond(t, conn); w.StatusCode != http.StatusOK {
			t.Errorf("%q: %s", header, w.Status)
		}
		if heard := keeper.heard(); !slices.Equal(heard, []string{conn.LocalAddr().String() + " ws"}) || len(refused.all()) > 0 {
			t.Errorf("%q: it was asked of %s; refused %q", header, heard, refused.all())
		}
	}
}

func TestProxyWebSocketWithoutHeader(t *testing.T) {
	o, refused := behind("")
	l := open(t, "ws://127.0.0.1:0?proxy=on", o, nobody(t))
	conn := dialFrom(t, l, atProxy)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	io.ReadAll(conn) // to its end: a status, perhaps, of net/http's
	if all := refused.all(); len(all) != 1 || !strings.HasPrefix(all[0], atProxy+" ws proxy: no PROXY header comes first") {
		t.Errorf("refused %q", all)
	}
}

// Requests that come one after the other by one connection of a proxy are of several
// callers. Whom it does not tell is not let in.
func TestForwardedRequests(t *testing.T) {
	o, refused := behind(proxied.XForwardedFor)
	keeper := &doorkeeper{}
	o.Admit = keeper.admit
	var told []string
	o.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { told = append(told, r.RemoteAddr) })
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0", o, answer)
	conn := dialFrom(t, l, atProxy)
	want := []string{"192.0.2.7:0", "[2001:db8::7]:0", conn.LocalAddr().String(), "192.0.2.9:33"}
	for _, line := range []string{
		"X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 2001:db8::7\r\n",
		"Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n", "X-Forwarded-For: 192.0.2.9:33\r\n",
	} {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n"+line+"\r\n")
		w, _ := respond(t, conn)
		w.Body.Close()
	}
	w, _ := shake(t, conn, "X-Forwarded-For: ::ffff:192.0.2.7")
	if w.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(w.Status)
	}
	if from := await(t, callers); from.Addr.String() != "192.0.2.7:0" {
		t.Errorf("the caller is %v", from)
	}
	if !slices.Equal(told, want) {
		t.Errorf("requests are of %q, want %q", told, want)
	}
	var asked []string
	for _, who := range append(want, "192.0.2.7:0") {
		asked = append(asked, who+" ws")
	}
	if heard := keeper.heard(); !slices.Equal(heard, asked) {
		t.Errorf("it was asked of %q, want %q", heard, asked)
	}

	w, r := shake(t, dialFrom(t, l, atProxy), "X-Forwarded-For: 192.0.2.7, junk")
	text, _ := io.ReadAll(r)
	if w.StatusCode != http.StatusBadRequest || !w.Close || !strings.Contains(string(text), "Adresse inconnue.") {
		t.Errorf("%s, %q", w.Status, text)
	}
	if all := refused.all(); !slices.Equal(all, []string{atProxy + ` ws forwarded: x-forwarded-for of ` + atProxy + `: "junk" is no address`}) {
		t.Errorf("refused %q", all)
	}

	// Who comes by itself is who it is.
	conn = dialFrom(t, l, "127.0.0.9")
	if w, _ := shake(t, conn, "X-Forwarded-For: 192.0.2.7"); w.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(w.Status)
	}
	isAt(t, await(t, callers), "ws", conn)
}

// One proxy behind another: what the first says by a header is believed if the second,
// which it has come through, says that it is the first.
func TestForwardedAndProxy(t *testing.T) {
	o, _ := behind(proxied.XRealIP)
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0?proxy=on", o, answer)
	conn := dialFrom(t, l, atProxy)
	conn.Write(proxied.AppendV2(nil, netip.MustParseAddrPort(atProxy+":99"), door))
	if w, _ := shake(t, conn, "X-Real-IP: 192.0.2.7"); w.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(w.Status)
	}
	if from := await(t, callers); from.Addr.String() != "192.0.2.7:0" {
		t.Errorf("the caller is %v", from)
	}
}

// Whom to believe may change while the Listener is open.
func TestTrustChanges(t *testing.T) {
	o, _ := behind("")
	trusted := o.Proxies
	var now atomic.Pointer[proxied.Trust]
	now.Store(&proxied.Trust{})
	o.Proxies = now.Load
	answer, callers := echo(t)
	l := open(t, "tcp://127.0.0.1:0?proxy=on", o, answer)
	conn := dialFrom(t, l, atProxy)
	isAt(t, await(t, callers), "tcp", conn)
	now.Store(trusted())
	dialFrom(t, l, atProxy).Write(proxied.AppendV1(nil, caller, door))
	if from := await(t, callers); from.Addr != caller {
		t.Errorf("the caller is %v", from)
	}
}
