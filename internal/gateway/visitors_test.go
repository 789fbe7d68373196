package gateway

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/config"
	"moip/internal/handover"
)

// A crowd at the operators' door does not take what calls need: the oldest goes first, but
// for operators.
func TestVisitors(t *testing.T) {
	const most = 4
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Records = []string{"ws://127.0.0.1:0"}, "127.0.0.1:0", "none"
	cfg.History.File, cfg.Bans.File, cfg.Limits.Arriving = "none", "none", most
	log := &logbook{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), level: new(slog.LevelVar)}
	g, err := open(t.Context(), Plan{Config: cfg}, log, &handover.Sockets{})
	if err != nil {
		t.Fatal(err)
	}
	g.start()
	defer g.stop()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", g.admin.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(5 * time.Second)) // half of what a request may take
		return conn
	}
	operator := dial()
	ask := func() {
		t.Helper()
		io.WriteString(operator, "GET /api/v1/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
		w, err := http.ReadResponse(bufio.NewReader(operator), nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, w.Body)
		if w.Body.Close(); w.StatusCode != http.StatusOK {
			t.Fatal(w.Status)
		}
	}
	ask()
	var crowd []net.Conn
	for range 3 * most {
		crowd = append(crowd, dial())
	}
	for i, conn := range crowd[:2*most] {
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("number %d is still there: %v", i, err)
		}
	}
	ask()
	crowd[len(crowd)-1].SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := crowd[len(crowd)-1].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the last is gone: %v", err)
	}
}

// Nor does one at the door of links.
func TestLinkVisitors(t *testing.T) {
	const most = 4
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Records = []string{"ws://127.0.0.1:0"}, "none", "none"
	cfg.History.File, cfg.Bans.File, cfg.Limits.Arriving = "none", "none", most
	log := &logbook{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), level: new(slog.LevelVar)}
	g, err := open(t.Context(), Plan{Config: cfg, Portal: Alone(Links{At: "127.0.0.1:0"})}, log, &handover.Sockets{})
	if err != nil {
		t.Fatal(err)
	}
	g.start()
	defer g.stop()
	link, _, err := websocket.Dial(t.Context(), "ws://"+g.links.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer link.CloseNow()
	linked := link.CloseRead(t.Context())
	var first net.Conn
	for range 3 * most {
		conn, err := net.Dial("tcp", g.links.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if first == nil {
			first = conn
		}
	}
	first.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the first of a crowd is still there: %v", err)
	}
	if err := link.Ping(linked); err != nil {
		t.Errorf("the link is gone: %v", err)
	}
}
