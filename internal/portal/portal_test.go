package portal

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/internal/directory"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/transport"
	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A terminal is a Minitel at the other end of a socket.
type terminal struct {
	*testing.T
	conn net.Conn

	mu     sync.Mutex
	screen *videotex.Screen
	bytes  int
	over   bool
	drew   chan struct{}
}

const list = `
[[service]]
code = "ECHO"
title = "Écho, répète ce qu'on lui dit"
url = "tcp://192.0.2.1:1"
aliases = ["E"]
`

// call has a terminal call a gateway whose services are in list, and returns
// the terminal. Services are reached at the far end of service.
func call(t *testing.T, list string, service func(net.Conn)) *terminal {
	t.Helper()
	services, err := directory.Parse("services.toml", []byte(list))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	board := switchboard.New(log)
	p := New(board, services, log)
	cfg := session.Config{DialPortal: p.Dial, DialService: func(context.Context, session.ID, session.Route) (session.Endpoint, error) {
		if service == nil {
			return nil, errors.New("refused")
		}
		ours, theirs := pair(t)
		go service(theirs)
		return transport.TCP(ours, 0), nil
	}}
	board.Open(cfg, p.Event)
	ours, theirs := pair(t)
	board.Answer(transport.TCP(ours, 0), session.Caller{Transport: "tcp", Addr: netip.MustParseAddrPort("192.0.2.7:1234")})
	m := &terminal{T: t, conn: theirs, screen: videotex.NewScreen(), drew: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() { defer close(done); m.read() }()
	t.Cleanup(func() {
		theirs.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := board.Shutdown(ctx); err != nil {
			t.Error("the call did not end")
		}
	})
	return m
}

// pair returns the two ends of a connection.
func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func (m *terminal) read() {
	p := make([]byte, 1024)
	for {
		n, err := m.conn.Read(p)
		m.mu.Lock()
		m.bytes += n
		m.over = err != nil
		m.screen.Write(p[:n])
		replies := m.screen.Replies()
		m.mu.Unlock()
		m.conn.Write(replies)
		select {
		case m.drew <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// types sends keys, the names of function keys in <>.
func (m *terminal) types(keys string) {
	io.WriteString(m.conn, strings.NewReplacer(
		"<Envoi>", "\x13\x41", "<Retour>", "\x13\x42", "<Répétition>", "\x13\x43", "<Annulation>", "\x13\x45",
		"<Correction>", "\x13\x47", "<Suite>", "\x13\x48", "<Fin>", "\x13\x49").Replace(keys))
}

// hungUp stands below the screen once the line is closed.
const hungUp = "(hung up)"

// waits waits until the screen is as it should be.
func (m *terminal) waits(what string, ok func(screen string) bool) {
	m.Helper()
	limit := time.After(10 * time.Second)
	for {
		m.mu.Lock()
		screen := m.screen.String()
		if m.over {
			screen += hungUp
		}
		m.mu.Unlock()
		if ok(screen) {
			return
		}
		select {
		case <-m.drew:
		case <-limit:
			m.Fatalf("%s: the screen is\n%s", what, screen)
		}
	}
}

func (m *terminal) shows(text string) {
	m.Helper()
	m.waits("no "+text, func(screen string) bool { return strings.Contains(screen, text) })
}

func (m *terminal) hides(text string) {
	m.Helper()
	m.waits("still "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

var update = flag.Bool("update", false, "rewrite the goldens")

func TestHomePage(t *testing.T) {
	m := call(t, list, nil)
	m.shows("192.0.2.7, Minitel 1B Telic-Alcatel")
	m.mu.Lock()
	defer m.mu.Unlock()
	got := m.screen.String()
	if *update {
		os.WriteFile("testdata/home.txt", []byte(got), 0o666)
	}
	if want, err := os.ReadFile("testdata/home.txt"); err != nil || got != string(want) {
		t.Errorf("%v: the page is\n%s", err, got)
	}
	if m.bytes > 600 { // 5 s at 1200 bit/s
		t.Errorf("the page has %d bytes", m.bytes)
	}
	if row, column, on := m.screen.Cursor(); row != fieldRow || column != fieldColumn || !on {
		t.Errorf("cursor at %d,%d, %v", row, column, on)
	}
}

func TestField(t *testing.T) {
	m := call(t, list, nil)
	m.types("ab\x19\x42e\x1b[A<Correction>ec")
	m.shows("Code :      ABEC.")
	m.types("<Correction><Correction><Correction><Correction><Correction>x")
	m.shows("Code :      X...")
	m.types("<Annulation>")
	m.shows("Code :      ....................")
	m.types("abcdefghijklmnopqrstuvwxyz<Répétition>")
	m.shows("Code :      ABCDEFGHIJKLMNOPQRST ")
	m.types("<Envoi>")
	m.shows("Service inconnu : ABCDEFGHIJKLMNOPQRST")
	m.types("<Annulation><Envoi>")
	m.shows("Tapez le code d'un service")
}

func TestVisit(t *testing.T) {
	m := call(t, list, func(c net.Conn) {
		io.WriteString(c, "\x0cbonjour ")
		io.Copy(c, c)
		c.Close()
	})
	m.types(" e <Envoi>")
	m.shows("bonjour")
	m.types("monsieur")
	m.shows("bonjour monsieur")
	m.types("<Fin>")
	m.shows("Minitel sur IP")
	m.hides("bonjour")
	m.types("echo<Envoi>")
	m.shows("bonjour")
}

func TestServiceDown(t *testing.T) {
	m := call(t, list, nil)
	m.types("echo<Envoi>")
	m.shows("Ce service est inaccessible")
	m.shows("Minitel sur IP")
	m.types("x")
	m.shows("Code :      X...")
}

func TestGoodbye(t *testing.T) {
	m := call(t, list, nil)
	m.shows("Minitel sur IP")
	m.types("<Fin>")
	m.shows("Merci de votre visite")
	m.shows(hungUp)
}

func TestManyServices(t *testing.T) {
	var many strings.Builder
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXY" {
		many.WriteString("[[service]]\ncode=\"CODE" + string(c) + "\"\nurl=\"tcp://192.0.2.1:1\"\ntitle=\"" + strings.Repeat("t", 38) + "\"\n")
	}
	m := call(t, many.String(), nil)
	m.shows("25 services")
	m.shows("CODEJ")
	m.types("<Suite><Suite><Suite>") // the last has no page
	m.shows("CODEY")
	m.hides("CODET")
	m.types("<Retour>")
	m.shows("CODET")
	m.types("<Retour><Retour>x")
	m.shows("CODEA")
	m.shows("Code :      X...")
}

func TestNoServices(t *testing.T) {
	call(t, "", nil).shows("Aucun service dans l'annuaire")
}

// A desk that is closed while it waits, and while it works, ends its reader.
func TestClose(t *testing.T) {
	p := New(nil, &directory.Directory{}, slog.New(slog.DiscardHandler))
	p.Event(session.Event{Call: 1, Type: session.Began})
	e, err := p.Dial(context.Background(), 1, session.Route{})
	if err != nil {
		t.Fatal(err)
	}
	if page, err := e.Receive(); len(page) == 0 || err != nil {
		t.Errorf("first page: %q, %v", page, err)
	}
	e.Close()
	e.Send([]byte("late"))
	if _, err := e.Receive(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	p.Event(session.Event{Call: 1, Type: session.Ended})
	if _, err := p.Dial(context.Background(), 1, session.Route{}); !errors.Is(err, errNoCall) {
		t.Error(err)
	}
}
