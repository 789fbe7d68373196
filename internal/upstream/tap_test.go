package upstream

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"moip/internal/session"
	"moip/internal/transport"
)

// What is dialled for a call that is traced tells of all that precedes the first frame,
// as it is within the encryption, and keeps the password out of what it says itself.
func TestTap(t *testing.T) {
	file, certificate := authority(t, "127.0.0.1")
	handler, _ := echo(t, nil)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "https://")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	caller, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	told, ended := make(chan string, 100), make(chan bool)
	dial := new(Dialer).Dial
	call := session.Start(&session.Config{
		Portal:     session.Route{URL: "wss://me:secret@" + address + "/ws", CA: file, Start: "A"},
		DialPortal: dial, DialService: dial,
		Emit: func(e session.Event) {
			if e.Type == session.Ended {
				close(ended)
			}
		},
		Tapper: func(session.ID, session.Caller) session.Tapper {
			return func(leg session.Leg, _ string) session.Tap {
				return func(what session.Passage, sent bool, p []byte) {
					if leg == session.LegPortal {
						told <- fmt.Sprintf("%d %v %q", what, sent, p)
					}
				}
			}
		},
	}, 1, session.Caller{Addr: netip.MustParseAddrPort("192.0.2.7:4000")}, transport.TCP(ours, 0))
	for _, want := range []string{
		fmt.Sprintf(`4 true "connected to %s, for wss://%[1]s/ws"`, address), `4 true "TLS 1.3, `,
		fmt.Sprintf(`3 true "GET /ws HTTP/1.1\r\nHost: %s`, address), `3 false "HTTP/1.1 101 Switching Protocols\r\n`,
		`2 true "\x81\x81`, `0 true "A"`, `2 false "`, `0 false "MessageText A"`,
	} {
		select {
		case got := <-told:
			if !strings.HasPrefix(got, want) || strings.Contains(got, "secret") || strings.HasSuffix(got, `\r\n\r\n"`) {
				t.Errorf("it is told %s, want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("it is not told %s", want)
		}
	}
	call.Hangup(session.ReasonRecalled)
	caller.Close()
	<-ended
}

// The line that tells who calls is told, too.
func TestNotes(t *testing.T) {
	note(nil, "nobody listens")
	var told []string
	tap := func(what session.Passage, sent bool, p []byte) {
		told = append(told, fmt.Sprint(what, sent, string(p)))
	}
	note(tap, "sent, before all else: %s", "PROXY UNKNOWN")
	noteHead(tap, false, []byte("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody"))
	noteHead(tap, true, []byte("GET"))
	if got := fmt.Sprint(told); got != "[4 truesent, before all else: PROXY UNKNOWN 3 falseHTTP/1.1 200 OK\r\nServer: x 3 trueGET]" {
		t.Errorf("it is told %s", got)
	}
}
