package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"moip/internal/session"
)

// certificate returns a server's certificate for 127.0.0.1 and what a client
// needs to trust it.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// glue is a connection that holds back what is written until told.
type glue struct {
	net.Conn
	held  bytes.Buffer
	stuck bool
}

func (g *glue) Write(p []byte) (int, error) {
	if g.stuck {
		return g.held.Write(p)
	}
	return g.Conn.Write(p)
}

func (g *glue) release() {
	g.stuck = false
	g.Conn.Write(g.held.Bytes())
	g.held.Reset()
}

// secured returns an Endpoint over TLS of the given version, with the
// handshakes done, and its peer.
func secured(t testing.TB, version uint16, ours, socket *net.TCPConn) (e *WebSocket, peer *tls.Conn, peerSocket *glue) {
	t.Helper()
	server, client := certificate(t)
	server.MinVersion, server.MaxVersion = version, version
	peerSocket = &glue{Conn: socket}
	peer = tls.Server(peerSocket, server)
	shaken := make(chan error, 1)
	go func() { shaken <- peer.Handshake() }()
	conn, err := Secure(t.Context(), ours, client)
	if err := errors.Join(err, <-shaken); err != nil {
		t.Fatal(err)
	}
	e = NewWebSocket(conn, WebSocketOptions{Client: true, Stall: patience})
	t.Cleanup(func() { e.Close() })
	return e, peer, peerSocket
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

func TestSecureWithARealService(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer peer.CloseNow()
		for {
			kind, p, err := peer.Read(r.Context())
			if string(p) == "bye" || err != nil {
				peer.Close(websocket.StatusNormalClosure, "")
				return
			}
			peer.Write(r.Context(), kind, p)
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	socket, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Secure(t.Context(), socket, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	if _, _, _, err := dialer.Dial(context.Background(), "ws://127.0.0.1/"); err != nil {
		t.Fatal(err)
	}
	e := NewWebSocket(conn, WebSocketOptions{Client: true})
	defer e.Close()
	for range 10 {
		page := pattern(20_000)
		e.Send(page)
		if got := receive(t, e, len(page)); !bytes.Equal(got, page) {
			t.Fatal("the echo differs")
		}
	}
	_, end := listen(e)
	e.Send([]byte("bye"))
	if err := awaitEnd(t, end); err != io.EOF {
		t.Errorf("Receive ended with %v", err)
	}
}

// All that came in one segment is received, though the socket has no more.
func TestSecureRecordsInOneSegment(t *testing.T) {
	for version, number := range versions {
		t.Run(version, func(t *testing.T) {
			ours, socket := sockets(t, "127.0.0.1")
			e, peer, hold := secured(t, number, ours, socket)
			for range 3 {
				hold.stuck = true
				for _, record := range []string{"one ", "two ", "three "} {
					io.WriteString(peer, raw(ws.OpText, true, false, record))
				}
				hold.release()
				if got := receive(t, e, 14); string(got) != "one two three " {
					t.Errorf("received %q", got)
				}
			}

			// A record that comes byte by byte, and the end glued to it.
			hold.stuck = true
			io.WriteString(peer, raw(ws.OpText, true, false, "last")+raw(ws.OpClose, true, false, ""))
			peer.CloseWrite()
			socket.SetWriteDeadline(time.Time{}) // which CloseWrite has set
			data, end := listen(e)
			for _, b := range hold.held.Bytes() {
				hold.Conn.Write([]byte{b})
			}
			if err := awaitEnd(t, end); err != io.EOF || string(data()) != "last" {
				t.Errorf("received %q, %v", data(), err)
			}
		})
	}
}

func TestSecureEnds(t *testing.T) {
	tests := map[string]struct {
		end  func(e *WebSocket, peer *tls.Conn, socket *net.TCPConn)
		want string
	}{
		"close_notify": {func(_ *WebSocket, peer *tls.Conn, _ *net.TCPConn) { peer.Close() }, "connection ended without a close frame"},
		"TCP end":      {func(_ *WebSocket, _ *tls.Conn, socket *net.TCPConn) { socket.Close() }, "connection ended without a close frame"},
		"half a record": {func(_ *WebSocket, _ *tls.Conn, socket *net.TCPConn) {
			io.WriteString(socket, "\x17\x03\x03\x00\x30half")
			socket.Close()
		}, io.ErrUnexpectedEOF.Error()},
		"rubbish": {func(_ *WebSocket, _ *tls.Conn, socket *net.TCPConn) {
			io.WriteString(socket, "\x17\x03\x03\x00\x04half")
		}, "local error: tls: bad record MAC"},
		"ours": {func(e *WebSocket, _ *tls.Conn, _ *net.TCPConn) { e.Close() }, net.ErrClosed.Error()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ours, socket := sockets(t, "127.0.0.1")
			e, peer, _ := secured(t, tls.VersionTLS13, ours, socket)
			_, end := listen(e)
			test.end(e, peer, socket)
			if err := awaitEnd(t, end); err.Error() != test.want {
				t.Errorf("Receive ended with %q, want %q", err, test.want)
			}
		})
	}
}

// Nobody waits in Send, and close_notify follows what was sent.
func TestSecureSendNeverWaits(t *testing.T) {
	ours, socket := narrowSockets(t)
	e, peer, _ := secured(t, tls.VersionTLS13, ours, socket)
	_, end := listen(e)
	sent := fill(t, e)
	go e.Flush()
	for got := 0; got < len(sent); {
		f, err := readFrame(peer)
		if err != nil {
			t.Fatal(err)
		}
		got += len(new(latin1).append(nil, ws.UnmaskFrame(f).Payload))
	}
	e.Flush()
	e.Close()
	awaitEnd(t, end)
	if rest, err := io.ReadAll(peer); err != nil { // no unexpected EOF
		t.Errorf("the peer got %d bytes more and %v", len(rest), err)
	}
}

func TestSecureStall(t *testing.T) {
	ours, socket := narrowSockets(t)
	e, _, _ := secured(t, tls.VersionTLS13, ours, socket)
	e.stream.(*secure).stall = 50 * time.Millisecond
	_, end := listen(e)
	fill(t, e)
	e.Flush()
	if err := awaitEnd(t, end); err != session.ErrStalled {
		t.Errorf("Receive ended with %v", err)
	}
}

func TestSecureRefuses(t *testing.T) {
	ours, socket := sockets(t, "127.0.0.1")
	server, _ := certificate(t)
	shaken := make(chan error, 1)
	go func() { shaken <- tls.Server(socket, server).Handshake() }()
	_, err := Secure(t.Context(), ours, &tls.Config{ServerName: "127.0.0.1"})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("an unknown authority: %v", err)
	}
	if err := <-shaken; err == nil {
		t.Error("the server was not told")
	}
}

func TestSecureGivesUp(t *testing.T) {
	ours, _ := sockets(t, "127.0.0.1")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := Secure(ctx, ours, &tls.Config{ServerName: "silent"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent peer: %v", err)
	}
	if _, err := ours.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Error("the connection was left open")
	}
}
