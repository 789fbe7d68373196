package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"moip/internal/session"
	"moip/internal/telnet"
)

// served returns our side of TLS with the handshake done, and a peer who has dialled.
func served(t testing.TB, version uint16) (ours, peer *tls.Conn) {
	t.Helper()
	server, client := certificate(t)
	client.MinVersion, client.MaxVersion = version, version
	near, far := sockets(t, "127.0.0.1")
	ours, peer = SecureServer(near, server), tls.Client(far, client)
	shaken := make(chan error, 1)
	go func() { shaken <- peer.Handshake() }()
	if err := errors.Join(ours.HandshakeContext(t.Context()), <-shaken); err != nil {
		t.Fatal(err)
	}
	return ours, peer
}

// Callers of all kinds may come over TLS, and what is traced of them is what they say.
func TestSecureCallers(t *testing.T) {
	greeting := string(telnet.New(telnet.Server).Greeting())
	for version, number := range versions {
		for name, test := range map[string]struct {
			open       func(net.Conn) session.Endpoint
			first, key string
		}{
			"tcp":    {func(c net.Conn) session.Endpoint { return TCP(c, 0) }, "", "\x13A"},
			"telnet": {func(c net.Conn) session.Endpoint { return NewTelnet(c, telnet.Server, 0, nil) }, greeting, "\x13A"},
			"ws": {func(c net.Conn) session.Endpoint { return NewWebSocket(c, WebSocketOptions{}) }, "",
				raw(ws.OpText, true, true, "\x13A")},
		} {
			t.Run(name+version, func(t *testing.T) {
				ours, peer := served(t, number)
				e := test.open(ours)
				defer e.Close()
				got := make([]byte, len(test.first))
				if _, err := io.ReadFull(peer, got); err != nil || string(got) != test.first {
					t.Fatalf("greeted with %q, %v", got, err)
				}
				var mu sync.Mutex
				var told []byte
				e.(interface{ Tap(session.Tap) }).Tap(func(_ session.Passage, sent bool, p []byte) {
					mu.Lock()
					defer mu.Unlock()
					if !sent {
						told = append(told, p...)
					}
				})
				io.WriteString(peer, test.key)
				if got := receive(t, e, 2); string(got) != "\x13A" {
					t.Errorf("received %q", got)
				}
				mu.Lock()
				if !bytes.Contains(told, []byte("\x13A")) && name != "ws" { // frames are told of by their heads
					t.Errorf("traced %q", told)
				}
				mu.Unlock()
				page := pattern(20_000)
				go func() {
					if e.Send(page) {
						e.Flush()
					}
				}()
				if name == "tcp" {
					got := make([]byte, len(page))
					if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, page) {
						t.Errorf("the page differs, %v", err)
					}
				}
				peer.Close()
				if _, err := next(e); err == nil {
					t.Error("the end is not heard")
				}
			})
		}
	}
}

// During the handshake it is a connection with deadlines, and after it a tls.Conn that
// still has them until it is made an Endpoint, as net/http wants.
func TestSecureServerIsAConnection(t *testing.T) {
	near, far := sockets(t, "127.0.0.1")
	server, _ := certificate(t)
	silent := SecureServer(near, server)
	silent.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if err := silent.Handshake(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of a silent peer: %v", err)
	}
	far.Close()

	ours, peer := served(t, tls.VersionTLS13)
	ours.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("behind the deadline: %v", err)
	}
	ours.SetReadDeadline(time.Time{})
	e := TCP(ours, 0)
	defer e.Close()
	io.WriteString(peer, "on")
	if got := receive(t, e, 2); string(got) != "on" {
		t.Errorf("received %q", got)
	}
	below, ok := ours.NetConn().(interface{ NetConn() net.Conn })
	if !ok {
		t.Fatal("the socket cannot be had")
	}
	if _, ok := below.NetConn().(*net.TCPConn); !ok {
		t.Errorf("the socket is %T", below.NetConn())
	}
}

// A tls.Conn that is not of this package works, too.
func TestForeignTLS(t *testing.T) {
	server, client := certificate(t)
	near, far := sockets(t, "127.0.0.1")
	go func() { io.WriteString(tls.Client(far, client), "hello") }()
	e := TCP(tls.Server(near, server), 0)
	defer e.Close()
	if got := receive(t, e, 5); string(got) != "hello" {
		t.Errorf("received %q", got)
	}
}

// An idle call over TLS has no buffer of ours; what there is, is crypto/tls's.
func TestIdleMemorySecure(t *testing.T) {
	if racing {
		t.Skip("everything is larger under the race detector")
	}
	const n = 300
	server, client := certificate(t)
	var ours [2 * n]session.Endpoint
	var peers [2 * n]*net.TCPConn
	var reading sync.WaitGroup
	idle := func(from, to int) {
		var heard sync.WaitGroup
		for i := from; i < to; i++ {
			near, far := sockets(t, "127.0.0.1")
			peers[i] = far
			conn, peer := SecureServer(near, server), tls.Client(far, client)
			shaken := make(chan error, 1)
			go func() { shaken <- conn.Handshake() }()
			if err := errors.Join(peer.Handshake(), <-shaken); err != nil {
				t.Fatal(err)
			}
			e := NewTelnet(conn, telnet.Server, 0, nil)
			ours[i] = e
			heard.Add(1)
			reading.Go(func() {
				p, err := next(e)
				if string(p) != "\x13A" {
					t.Error(p, err)
				}
				e.Send(p)
				heard.Done()
				next(e)
			})
			io.WriteString(peer, "\x13A") // and from here on, the peer is a socket alone
		}
		heard.Wait()
	}
	idle(0, n)
	before := used()
	idle(n, 2*n)
	each := (used() - before) / n
	t.Logf("%d bytes for each", each)
	if each > 20<<10 {
		t.Errorf("an idle call holds %d bytes", each)
	}
	for i := range ours {
		ours[i].Close()
		peers[i].Close()
	}
	reading.Wait()
}
