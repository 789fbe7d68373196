package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// A Dialer's method is what sessions dial with.
var _ session.Dial = new(Dialer).Dial

func dial(t *testing.T, r session.Route) (session.Endpoint, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel() // which must not harm the connection
	e, err := new(Dialer).Dial(ctx, 1, r)
	if err == nil {
		t.Cleanup(func() { e.Close() })
	}
	return e, err
}

// reach is dial for services that are there.
func reach(t *testing.T, r session.Route) session.Endpoint {
	t.Helper()
	e, err := dial(t, r)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// receive returns the next n bytes.
func receive(t *testing.T, e session.Endpoint, n int) string {
	t.Helper()
	var got []byte
	for len(got) < n {
		p, err := e.Receive()
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, p...)
	}
	return string(got)
}

// A service accepts one connection and plays its part on it.
func service(t *testing.T, host string, play func(conn net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		play(conn)
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func TestPlainServices(t *testing.T) {
	for _, scheme := range []string{"tcp", "telnet"} {
		for _, host := range []string{"127.0.0.1", "::1"} {
			for _, form := range []string{"%s://%s", "%s:%s"} {
				address := service(t, host, func(conn net.Conn) {
					io.WriteString(conn, "page")
					buf := make([]byte, 2)
					io.ReadFull(conn, buf)
					conn.Write(buf)
				})
				e := reach(t, session.Route{URL: fmt.Sprintf(form, scheme, address)})
				if got := receive(t, e, 4); got != "page" {
					t.Errorf("received %q", got)
				}
				e.Send([]byte("\x13A"))
				if got := receive(t, e, 2); got != "\x13A" {
					t.Errorf("received %q", got)
				}
				if _, err := e.Receive(); err != io.EOF {
					t.Errorf("ended with %v", err)
				}
			}
		}
	}
}

func TestTelnetIsSpoken(t *testing.T) {
	said := make(chan string, 1)
	address := service(t, "127.0.0.1", func(conn net.Conn) {
		io.WriteString(conn, "\xff\xfb\x01x\xff\xffy") // WILL ECHO
		reply := make([]byte, 3)
		io.ReadFull(conn, reply)
		said <- string(reply)
	})
	e := reach(t, session.Route{URL: "telnet://" + address})
	if got := receive(t, e, 3); got != "x\xffy" {
		t.Errorf("received %q", got)
	}
	if got := <-said; got != "\xff\xfd\x01" { // DO ECHO
		t.Errorf("the service heard %q", got)
	}
}

// echo is a WebSocket service that sends back what it gets, and tells of the
// requests.
func echo(t *testing.T, o *websocket.AcceptOptions) (http.Handler, <-chan *http.Request) {
	requests := make(chan *http.Request, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		conn, err := websocket.Accept(w, r, o)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for {
			kind, p, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			conn.Write(context.Background(), kind, append([]byte(kind.String()+" "), p...))
		}
	}), requests
}

func TestWebSocketServices(t *testing.T) {
	tests := map[string]struct {
		route    session.Route
		speaks   []string // subprotocols of the service
		kind     string   // of what it gets
		protocol string
	}{
		"plain":            {kind: "MessageText"},
		"binary agreed":    {route: session.Route{Subprotocols: []string{"tty", "binary"}}, speaks: []string{"binary"}, kind: "MessageBinary", protocol: "tty, binary"},
		"tty agreed":       {route: session.Route{Subprotocols: []string{"binary", "tty"}}, speaks: []string{"tty"}, kind: "MessageText", protocol: "binary, tty"},
		"nothing agreed":   {route: session.Route{Subprotocols: []string{"binary"}}, kind: "MessageText", protocol: "binary"},
		"wants binary":     {route: session.Route{Frames: session.FramesBinary}, kind: "MessageBinary"},
		"insists on text":  {route: session.Route{Frames: session.FramesText, Subprotocols: []string{"binary"}}, speaks: []string{"binary"}, kind: "MessageText", protocol: "binary"},
		"names its origin": {route: session.Route{Origin: "http://moip.example"}, kind: "MessageText"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			handler, requests := echo(t, &websocket.AcceptOptions{Subprotocols: test.speaks, InsecureSkipVerify: true})
			server := httptest.NewServer(handler)
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")

			test.route.URL = "ws://" + host + "/some/path?echo&x=1%202"
			e := reach(t, test.route)
			e.Send([]byte("\x13A \xe9"))
			want := test.kind + " \x13A \xe9"
			if got := receive(t, e, len(want)); got != want {
				t.Errorf("received %q, want %q", got, want)
			}
			r := <-requests
			if r.RequestURI != "/some/path?echo&x=1%202" || r.Host != host {
				t.Errorf("asked for %s at %s", r.RequestURI, r.Host)
			}
			if got, ok := r.Header["Sec-Websocket-Protocol"]; strings.Join(got, "|") != test.protocol || ok != (test.protocol != "") {
				t.Errorf("offered %q", got)
			}
			if got, ok := r.Header["Origin"]; strings.Join(got, "|") != test.route.Origin || ok != (test.route.Origin != "") {
				t.Errorf("the origin is %q", got)
			}
			if got, ok := r.Header["Sec-Websocket-Extensions"]; ok {
				t.Errorf("offered the extensions %q", got)
			}
			e.Close()
		})
	}
}

// handmade is a service that answers a handshake in its own way; see shake.
func handmade(t *testing.T, answer string, heard chan<- string) (url string) {
	return "ws://" + service(t, "127.0.0.1", func(conn net.Conn) { shake(conn, answer, heard) })
}

// shake answers a handshake. In the answer ACCEPT stands for what must be in
// Sec-WebSocket-Accept.
func shake(conn net.Conn, answer string, heard chan<- string) {
	var lines []string
	accept := ""
	for scanner := bufio.NewScanner(conn); scanner.Scan() && scanner.Text() != ""; {
		lines = append(lines, scanner.Text())
		if key, ok := strings.CutPrefix(scanner.Text(), "Sec-WebSocket-Key: "); ok {
			sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			accept = base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	io.WriteString(conn, strings.ReplaceAll(answer, "ACCEPT", accept))
	if heard != nil {
		heard <- strings.Join(lines, "\n")
	}
	io.Copy(io.Discard, conn)
}

const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"

func TestHandshake(t *testing.T) {
	frame := string(ws.MustCompileFrame(ws.NewTextFrame([]byte("page"))))
	for name, answer := range map[string]string{
		"usual":               accepted + "\r\n",
		"no reason":           strings.Replace(accepted, " Switching Protocols", "", 1) + "\r\n",
		"lower case":          strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(accepted, "HTTP/1.1", "X")), "accept: accept", "accept: ACCEPT") + "\r\n",
		"line feeds alone":    strings.ReplaceAll(accepted, "\r", "") + "\n",
		"several tokens":      strings.ReplaceAll(accepted, "Connection: ", "Connection: keep-alive, ") + "\r\n",
		"another subprotocol": accepted + "Sec-WebSocket-Protocol: surprise\r\n\r\n",
		"empty subprotocol":   accepted + "Sec-WebSocket-Protocol: \r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer = strings.Replace(answer, "x 101", "HTTP/1.1 101", 1)
			e := reach(t, session.Route{URL: handmade(t, answer+frame, nil), Subprotocols: []string{"tty"}})
			if got := receive(t, e, 4); got != "page" { // glued to the answer
				t.Errorf("received %q", got)
			}
			e.Close()
		})
	}
}

// Headers are written as RFC 6455 writes them.
func TestRequest(t *testing.T) {
	heard := make(chan string, 1)
	url := handmade(t, accepted+"\r\n", heard)
	e := reach(t, session.Route{URL: strings.Replace(url, "ws://", "ws://guest:secret@", 1), Subprotocols: []string{"tty"}})
	defer e.Close()
	lines := strings.Split(<-heard, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "Sec-WebSocket-Key: ") {
			lines[i] = line[:len("Sec-WebSocket-Key: ")]
		}
	}
	slices.Sort(lines[1:])
	want := []string{
		"GET / HTTP/1.1",
		"Authorization: Basic Z3Vlc3Q6c2VjcmV0",
		"Connection: Upgrade",
		"Host: " + strings.TrimPrefix(url, "ws://"),
		"Sec-WebSocket-Key: ",
		"Sec-WebSocket-Protocol: tty",
		"Sec-WebSocket-Version: 13",
		"Upgrade: websocket",
		"User-Agent: MoIP",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("asked %q, want %q", lines, want)
	}
}

func TestHandshakeFails(t *testing.T) {
	for name, test := range map[string]struct{ answer, want string }{
		"not found":       {"HTTP/1.1 404 Nulle part\r\n\r\n", ": answered 404 Not Found"},
		"moved":           {"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n", ": answered 302 Found"},
		"own code":        {"HTTP/1.1 599 \x1b[2J\r\n\r\n", ": answered 599"},
		"page":            {"HTTP/1.0 200 OK\r\n\r\n<html>", ": answered 200 OK"},
		"wrong accept":    {strings.Replace(accepted, "ACCEPT", "c29tZXRoaW5nIGVsc2U=", 1) + "\r\n", ": answered with a wrong Sec-WebSocket-Accept"},
		"no upgrade":      {strings.Replace(accepted, "Upgrade: websocket\r\n", "", 1) + "\r\n", ": answered 101 without an upgrade"},
		"no connection":   {strings.Replace(accepted, "Connection: Upgrade\r\n", "", 1) + "\r\n", ": answered 101 without an upgrade"},
		"extension":       {accepted + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", ": answered with an extension that was not offered"},
		"no HTTP":         {"SSH-2.0-OpenSSH_9.2\r\n", `: reading the answer: malformed HTTP`},
		"endless header":  {accepted + "X: " + strings.Repeat("x", 100<<10), ": reading the answer: unexpected EOF"},
		"endless headers": {accepted + strings.Repeat("X: y\r\n", 10_000), ": reading the answer: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			url := handmade(t, test.answer, nil)
			e, err := dial(t, session.Route{URL: url})
			if err == nil {
				e.Close()
				t.Fatal("accepted")
			}
			if rest, ok := strings.CutPrefix(err.Error(), "dial "+url); !ok || !strings.HasPrefix(rest, test.want) {
				t.Errorf("failed with %q, want %q", err, test.want)
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, scheme := range []string{"ws", "wss", "telnet", "telnets", "tcp", "tcps"} {
		_, err := dial(t, session.Route{URL: scheme + "://guest:secret@" + closed.Addr().String()})
		want := "dial " + scheme + "://" + closed.Addr().String() + ": connect: connection refused"
		if !errors.Is(err, syscall.ECONNREFUSED) || err.Error() != want {
			t.Errorf("failed with %q, want %q", err, want)
		}
	}
	_, err = dial(t, session.Route{URL: "tcp://nowhere.invalid:23"})
	var unknown *net.DNSError
	if !errors.As(err, &unknown) || strings.Count(err.Error(), "dial") != 1 {
		t.Errorf("failed with %v", err)
	}
	_, err = dial(t, session.Route{URL: "http://moip.example"})
	if want := `dial http://moip.example: the scheme is "http", not ws, wss, telnet, telnets, tcp or tcps`; err == nil || err.Error() != want {
		t.Errorf("failed with %v, want %s", err, want)
	}
}

// Who gives up does not wait for the service.
func TestDialGivesUp(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		gone := make(chan error, 1)
		url := scheme + "://" + service(t, "127.0.0.1", func(conn net.Conn) {
			_, err := io.Copy(io.Discard, conn) // silent
			gone <- err
		})
		closed := false
		for limit := 30 * time.Millisecond; !closed && limit < patience; limit *= 4 { // in so little time it may not even have dialled
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			_, err := new(Dialer).Dial(ctx, 1, session.Route{URL: url})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "dial "+url+": ") {
				t.Errorf("%s: gave up with %v", scheme, err)
			}
			closed = soon.Or(patience/10, func() bool { return len(gone) > 0 })
		}
		if !closed {
			t.Fatalf("%s: the connection was left open", scheme)
		}
		if err := <-gone; err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: the connection was left open, %v", scheme, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := new(Dialer).Dial(ctx, 1, session.Route{URL: url}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled with %v", scheme, err)
		}
	}
}

// authority makes a private CA, and returns its file and a certificate that
// it gives for the address.
func authority(t *testing.T, address string) (file string, certificate tls.Certificate) {
	t.Helper()
	now := time.Now()
	sign := func(template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	caKey, key := newKey(), newKey()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "private"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER := sign(ca, ca, caKey, caKey)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.ParseIP(address)}}
	der := sign(leaf, ca, key, caKey)

	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestSecureServices(t *testing.T) {
	file, certificate := authority(t, "127.0.0.1")
	handler, requests := echo(t, nil)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	url := "wss://" + strings.TrimPrefix(server.URL, "https://") + "/ws"

	e := reach(t, session.Route{URL: url, CA: file})
	page := bytes.Repeat([]byte("page "), 1000)
	e.Send(page)
	<-requests
	if got := receive(t, e, len(page)); !strings.HasPrefix(got, "MessageText page page") {
		t.Errorf("received %.40q", got)
	}
	e.Close()

	empty := filepath.Join(t.TempDir(), "empty.pem")
	os.WriteFile(empty, []byte("nothing"), 0o600)
	other, _ := authority(t, "127.0.0.1")
	for _, test := range []struct {
		route session.Route
		want  string
	}{
		{session.Route{URL: url}, "certificate signed by unknown authority"},
		{session.Route{URL: url, CA: other}, "certificate signed by unknown authority"},
		{session.Route{URL: strings.Replace(url, "127.0.0.1", "localhost", 1), CA: file}, "wanted to match localhost"},
		{session.Route{URL: url, CA: empty}, "certificates to trust: there are none in " + empty},
		{session.Route{URL: url, CA: empty + "x"}, "certificates to trust: stat " + empty + "x: no such file"},
	} {
		_, err := dial(t, test.route)
		if err == nil || !strings.HasPrefix(err.Error(), "dial "+test.route.URL+": ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("failed with %v, want %q", err, test.want)
		}
	}
	if _, err := dial(t, session.Route{URL: url, CA: empty + "x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("failed with %v", err)
	}
}

// What is spoken within the encryption is spoken without it, too.
func TestSecurePlainServices(t *testing.T) {
	file, certificate := authority(t, "127.0.0.1")
	other, _ := authority(t, "127.0.0.1")
	heard := make(chan string, 1)
	play := func(conn net.Conn) {
		c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"any"}})
		if c.Handshake() != nil {
			heard <- "no handshake"
			return
		}
		io.WriteString(c, "\xff\xfd\x00page")
		p := make([]byte, 6)
		n, _ := io.ReadFull(c, p)
		heard <- string(p[:n])
	}
	for scheme, want := range map[string][2]string{
		"tcps":    {"\xff\xfd\x00page", "keys\r\n"},
		"telnets": {"page", "\xff\xfb\x00key"},
	} {
		e := reach(t, session.Route{URL: scheme + "://" + service(t, "127.0.0.1", play), CA: file})
		if got := receive(t, e, len(want[0])); got != want[0] {
			t.Errorf("%s: received %q, want %q", scheme, got, want[0])
		}
		e.Send([]byte("keys\r\n"))
		if got := <-heard; got != want[1] {
			t.Errorf("%s: sent %q, want %q", scheme, got, want[1])
		}
		if p, err := e.Receive(); err != io.EOF {
			t.Errorf("%s: received %q, %v", scheme, p, err)
		}

		url := scheme + "://" + service(t, "127.0.0.1", play)
		if _, err := dial(t, session.Route{URL: url, CA: other}); err == nil || !strings.HasPrefix(err.Error(), "dial "+url+": ") || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("%s: failed with %v", scheme, err)
		}
		if got := <-heard; got != "no handshake" {
			t.Errorf("%s: sent %q to whom is not trusted", scheme, got)
		}
	}
}

func TestPing(t *testing.T) {
	pinged := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OnPingReceived: func(context.Context, []byte) bool {
				close(pinged)
				return true
			},
		})
		if err != nil {
			t.Error(err)
			return
		}
		conn.Read(context.Background())
	}))
	defer server.Close()
	e := reach(t, session.Route{URL: strings.Replace(server.URL, "http", "ws", 1), Ping: 300 * time.Millisecond})
	select {
	case <-pinged:
	case <-time.After(patience):
		t.Error("no ping")
	}
	e.Close()
}

func TestCheck(t *testing.T) {
	good := map[string]string{ // and what is dialled
		"ws://3611.re/ws":                    "ws://3611.re/ws 3611.re:80",
		"wss://3615co.de/ws":                 "wss://3615co.de/ws 3615co.de:443",
		"ws://mntl.joher.com:2018/?echo":     "ws://mntl.joher.com:2018/?echo mntl.joher.com:2018",
		"ws:mntl.joher.com:2018:/?echo":      "ws://mntl.joher.com:2018/?echo mntl.joher.com:2018",
		"wss:3617.fr:443:/ws":                "wss://3617.fr:443/ws 3617.fr:443",
		"ws:localhost:8765/x:/y":             "ws://localhost:8765/x:/y localhost:8765",
		"ws:localhost":                       "ws://localhost localhost:80",
		"tcp:go.minipavi.fr:516":             "tcp://go.minipavi.fr:516 go.minipavi.fr:516",
		"tcp:[::1]:516":                      "tcp://[::1]:516 [::1]:516",
		"telnet:telehack.com":                "telnet://telehack.com telehack.com:23",
		"telnet://telehack.com:24/":          "telnet://telehack.com:24/ telehack.com:24",
		"telnets:telehack.com":               "telnets://telehack.com telehack.com:992",
		"tcps:[::1]:516":                     "tcps://[::1]:516 [::1]:516",
		"ws://user:password@[fe80::1%25x]/y": "ws://[fe80::1%25x]/y [fe80::1%x]:80",
	}
	for raw, want := range good {
		u, err := check(session.Route{URL: raw})
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if got := display(u) + " " + address(u); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}

	for raw, want := range map[string]string{
		"":                        "the scheme is",
		"3615":                    "the scheme is",
		"http://3611.re/ws":       "the scheme is",
		"builtin":                 "the scheme is",
		"ws://":                   "there is no host",
		"ws:":                     "there is no host",
		"ws:///path":              "there is no host",
		"tcp://:23":               "there is no host",
		"telnet:]0":               "is no host",
		"tcp://host":              "there is no port",
		"tcp:host":                "there is no port",
		"tcps:host":               "there is no port",
		"https://host":            "the scheme is",
		"ws://host:0":             "the port is not",
		"ws://host:65536":         "the port is not",
		"ws://host:http":          "invalid port",
		"tcp://host:23/path":      "there is more",
		"telnet://host?query":     "there is more",
		"telnets://host/path":     "there is more",
		"ws://host/#fragment":     "there is a fragment",
		"ws://host/?a b":          "blank",
		"ws://ho st/":             "invalid character",
		"ws://host/\r\nX: y":      "invalid control character",
		"ws://u:top%secret@host/": "",
	} {
		err := Check(session.Route{URL: raw})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "top") {
			t.Errorf("%q: %v, want %s", raw, err, want)
		}
	}

	for want, r := range map[string]session.Route{
		"":                         {Subprotocols: []string{"binary", "tty"}, Origin: "https://moip.example", Frames: session.FramesBinary},
		`"" is no name`:            {Subprotocols: []string{""}},
		`"a\r\nX: y" is no name`:   {Subprotocols: []string{"a\r\nX: y"}},
		`"a,b" is no name`:         {Subprotocols: []string{"a,b"}},
		`"a\r\nX: y" is no origin`: {Origin: "a\r\nX: y"},
		`frames are "audio"`:       {Frames: "audio"},
		`told by "ident"`:          {RealIP: "ident"},
	} {
		r.URL = "ws://host"
		if err := Check(r); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", r, err, want)
		}
	}

	for url, want := range map[string]string{
		"ws://host": "", "wss:host": "",
		"tcp:host:23":   "tcp://host:23: only a WebSocket has headers",
		"telnet://host": "telnet://host: only a WebSocket has headers",
	} {
		err := Check(session.Route{URL: url, RealIP: session.RealIPForwardedFor})
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("X-Forwarded-For for %s: %v, want %s", url, err, want)
		}
		if err := Check(session.Route{URL: url, RealIP: session.RealIPProxy}); err != nil {
			t.Error(err)
		}
	}
}

func TestProtocol(t *testing.T) {
	for url, want := range map[string]string{
		"ws://h": "ws", "WSS:h:443:/x": "ws", "telnet:h": "telnet", "telnets://h": "telnet", "tcp:h:1": "tcp", "tcps://h:1": "tcp",
		"": "", "builtin:mire": "", "https://h": "", "wsx://h": "",
	} {
		if got := Protocol(url); got != want {
			t.Errorf("at %s %q is spoken, not %q", url, got, want)
		}
	}
}

// What Check accepts can be dialled without a panic, and names no password.
func FuzzCheck(f *testing.F) {
	f.Add("ws:mntl.joher.com:2018:/?echo")
	f.Add("telnet://guest:secret@[::1]:23/")
	f.Add("tcp:host:23")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := check(session.Route{URL: raw})
		if err != nil {
			return
		}
		if _, port, err := net.SplitHostPort(address(u)); err != nil || port == "" {
			t.Errorf("%q is %q, %v", raw, address(u), err)
		}
		var sent bytes.Buffer
		if err := request(u, session.Route{}, "key").Write(&sent); err != nil {
			return // net/http is stricter about hosts
		}
		r, err := http.ReadRequest(bufio.NewReader(&sent))
		if err != nil || r.Header.Get("Sec-Websocket-Key") != "key" || len(r.Header) > 6 {
			t.Errorf("%q asks %v, %v", raw, r, err)
		}
	})
}
