package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
)

// counted is a connection whose reader is counted.
type counted struct {
	net.Conn
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n += n
	return n, err
}

// A Witness learns of the answer, be it yes or no, and of the frames, pongs included.
func TestWitness(t *testing.T) {
	refuse := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse {
			http.Error(w, "no", http.StatusTeapot)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		conn.Write(context.Background(), websocket.MessageBinary, []byte("page"))
		conn.Read(context.Background())
	}))
	defer server.Close()
	heard := make(chan byte, 10)
	var answers []int
	d := Dialer{Witness: &Witness{
		Heard:    func(opcode byte) { heard <- opcode },
		Answered: func(status int, _ http.Header) { answers = append(answers, status) },
	}}
	route := session.Route{URL: "ws" + strings.TrimPrefix(server.URL, "http")}
	e, err := d.Dial(t.Context(), 0, route)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got := receive(t, e, 4); got != "page" {
		t.Error(got)
	}
	go e.Receive()
	e.(interface{ Ping() }).Ping()
	for _, want := range []byte{2, 10} {
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("heard %d, want %d", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%d was not heard", want)
		}
	}
	refuse = true
	if _, err := d.Dial(t.Context(), 0, route); err == nil {
		t.Error("accepted")
	}
	if len(answers) != 2 || answers[0] != 101 || answers[1] != http.StatusTeapot {
		t.Errorf("answers %v", answers)
	}
}

// What is between us and a service counts what that says, and not how it is encrypted.
func TestWitnessPlain(t *testing.T) {
	file, certificate := authority(t, "127.0.0.1")
	for _, scheme := range []string{"telnet", "telnets"} {
		address := service(t, "127.0.0.1", func(conn net.Conn) {
			if scheme == "telnets" {
				conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
			}
			conn.Write([]byte("\xff\xfb\x01page"))
			io.Copy(io.Discard, conn)
		})
		var between *counted
		var state *tls.ConnectionState
		d := Dialer{Witness: &Witness{
			Plain:   func(c net.Conn) net.Conn { between = &counted{Conn: c}; return between },
			Secured: func(s tls.ConnectionState) { state = &s },
		}}
		e, err := d.Dial(t.Context(), 0, session.Route{URL: scheme + "://" + address, CA: file})
		if err != nil {
			t.Fatal(err)
		}
		if got := receive(t, e, 4); got != "page" || between.n != 7 {
			t.Errorf("%s: %q, of %d bytes", scheme, got, between.n)
		}
		if (state != nil) != (scheme == "telnets") {
			t.Errorf("%s: what was agreed is %v", scheme, state)
		}
		e.Close()
	}
}
