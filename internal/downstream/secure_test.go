package downstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
	"moip/internal/telnet"
	"moip/internal/testkit/logtest"
)

// withTLS returns options of listeners that have a certificate for 127.0.0.1, and what
// callers need to trust it.
func withTLS(t *testing.T, o Options) (Options, *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	o.TLS = func(protocols ...string) *tls.Config {
		return &tls.Config{Certificates: s.TLS.Certificates, NextProtos: append(protocols, acmeProtocol)}
	}
	return o, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

func TestSecureCallers(t *testing.T) {
	o, trust := withTLS(t, Options{})
	for scheme, greeting := range map[string]string{"tcps": "", "telnets": string(telnet.New(telnet.Server).Greeting())} {
		answer, callers := echo(t)
		l := open(t, scheme+"://127.0.0.1:0", o, answer)
		if !strings.HasPrefix(l.URI(), scheme+"://127.0.0.1:") {
			t.Errorf("it is at %s", l.URI())
		}
		conn := dial(t, l)
		caller := tls.Client(conn, trust)
		if err := caller.Handshake(); err != nil {
			t.Fatal(err)
		}
		expect(t, caller, greeting)
		isAt(t, await(t, callers), scheme, conn)
		io.WriteString(caller, "3615 ULLA")
		expect(t, caller, "3615 ULLA")
	}
}

// WebSockets and browsers come over TLS with HTTP/1.1, whatever else they offer; who
// forgets the TLS is told.
func TestSecureWeb(t *testing.T) {
	o, trust := withTLS(t, Options{Web: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto+" "+r.TLS.NegotiatedProtocol)
	})})
	answer, callers := echo(t)
	l := open(t, "wss://127.0.0.1:0", o, answer)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	w, err := client.Get("https" + strings.TrimPrefix(l.URI(), "wss"))
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(w.Body)
	w.Body.Close()
	if string(said) != "HTTP/1.1 http/1.1" {
		t.Errorf("a browser is answered by %s", said)
	}
	c, _, err := websocket.Dial(t.Context(), l.URI(), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if from := await(t, callers); from.Transport != "wss" {
		t.Errorf("the caller is %+v", from)
	}
	page := strings.Repeat("BONJOUR ", 1000)
	go c.Write(t.Context(), websocket.MessageText, []byte(page))
	for got := ""; got != page; {
		_, p, err := c.Read(t.Context())
		if got += string(p); err != nil || !strings.HasPrefix(page, got) {
			t.Fatalf("the echo is %d bytes, %v", len(got), err)
		}
	}
	plain := dial(t, l)
	io.WriteString(plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if said, _ := io.ReadAll(plain); !strings.Contains(string(said), "HTTPS server") {
		t.Errorf("without TLS one is told %q", said)
	}
}

// Who is silent, or an authority that looks whose name it is, is no call and holds up
// nobody; the end does not wait for them.
func TestSecureNoCall(t *testing.T) {
	for _, scheme := range []string{"wss", "telnets"} {
		o, trust := withTLS(t, Options{})
		answered := make(chan session.Endpoint, 1)
		l, err := Listen(scheme+"://127.0.0.1:0", o)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- l.Serve(func(e session.Endpoint, _ session.Caller) { answered <- e }) }()
		for range 50 {
			io.WriteString(dial(t, l), "\x16\x03\x01")
		}
		authority := trust.Clone()
		authority.NextProtos = []string{acmeProtocol}
		conn := tls.Client(dial(t, l), authority)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if scheme == "telnets" {
			if said, err := io.ReadAll(conn); len(said) > 0 || err != nil {
				t.Errorf("an authority is told %q, %v", said, err)
			}
			caller := tls.Client(dial(t, l), trust)
			if err := caller.Handshake(); err != nil {
				t.Fatal(err)
			}
			await(t, answered).Close()
		}
		began := time.Now()
		l.Close()
		if err := await(t, served); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > handshakeTime/2 {
			t.Errorf("the end of %s takes %v", scheme, took)
		}
		select {
		case <-answered:
			t.Errorf("by %s they are a call", scheme)
		default:
		}
	}
}

func TestSecureAdmit(t *testing.T) {
	keeper := &doorkeeper{out: &Refusal{Text: "Non."}}
	o, trust := withTLS(t, Options{Admit: keeper.admit})
	l := open(t, "telnets://127.0.0.1:0", o, nobody(t))
	conn := dial(t, l)
	if got, err := io.ReadAll(tls.Client(conn, trust)); string(got) != "Non.\r\n" || err != nil {
		t.Errorf("it is told %q, %v", got, err)
	}
	if heard := keeper.heard(); len(heard) != 1 || heard[0] != conn.LocalAddr().String()+" telnets" {
		t.Errorf("asked of %q", heard)
	}
	var crowd []net.Conn
	for range 4 * maxParting {
		crowd = append(crowd, dial(t, l))
	}
	for _, conn := range crowd {
		if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatal(err)
		}
	}
}

func TestSecureNeedsACertificate(t *testing.T) {
	if _, err := Listen("wss://127.0.0.1:0", Options{}); err == nil || !strings.Contains(err.Error(), "there is no certificate") {
		t.Error(err)
	}
}

// What is traced of a caller begins with how the line is encrypted, or why it is not.
func TestSecureTrace(t *testing.T) {
	var told logtest.Log
	o, trust := withTLS(t, Options{})
	o.Tap = func(netip.AddrPort) session.Tap {
		return func(_ session.Passage, _ bool, p []byte) {
			told.Write(append(p, '\n'))
		}
	}
	answer, callers := echo(t)
	l := open(t, "telnets://127.0.0.1:0", o, answer)
	caller := tls.Client(dial(t, l), trust)
	if err := caller.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, callers)
	io.WriteString(caller, "ULLA")
	expect(t, caller, string(telnet.New(telnet.Server).Greeting())+"ULLA")
	stranger := tls.Client(dial(t, l), &tls.Config{ServerName: "127.0.0.1"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := stranger.HandshakeContext(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	trust.NextProtos = []string{acmeProtocol}
	if err := tls.Client(dial(t, l), trust).HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{
		"TLS 1.3, TLS_", "ULLA", "no call comes of it: remote error: tls: bad certificate", "no call comes of it: an authority looks whose the name is",
	} {
		told.Await(t, said)
	}
	if text := told.String(); !strings.HasPrefix(text, "TLS 1.3, TLS_") {
		t.Errorf("traced: %q", text)
	}
}

// A Guard has nothing to say of who calls by TLS, for what comes before is no first word;
// of what is said in it, it has.
func TestSecureGuard(t *testing.T) {
	o, trust := withTLS(t, Options{Guard: suspicious{}})
	ended := make(chan error, 10)
	l := open(t, "telnets://127.0.0.1:0", o, func(e session.Endpoint, _ session.Caller) {
		go func() {
			p, err := e.Receive()
			if err == nil {
				e.Send(p)
			}
			ended <- err
			e.Close()
		}()
	})
	for said, want := range map[string]error{"BONJOUR": nil, "SSH-2.0-x": session.Foreign("ssh")} {
		caller := tls.Client(dial(t, l), trust)
		io.WriteString(caller, said)
		if err := await(t, ended); err != want {
			t.Errorf("who says %q is gone for %v", said, err)
		}
	}
}

// suspicious is a Guard who knows two protocols.
type suspicious struct{}

func (suspicious) Foreign(first []byte) string {
	switch {
	case strings.HasPrefix(string(first), "SSH"):
		return "ssh"
	case strings.HasPrefix(string(first), "\x16\x03"), strings.HasPrefix(string(first), "\x17\x03"):
		return "tls"
	}
	return ""
}

func (suspicious) Dismiss(netip.AddrPort, string, string, []byte) []byte { return nil }

func (suspicious) Hold(netip.AddrPort, string, <-chan struct{}) *Refusal { return nil }

func (suspicious) Failed(netip.AddrPort) {}
