package portal_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/internal/directory"
	"moip/internal/ledger"
	"moip/internal/portal"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/testkit/soon"
	"moip/internal/transport"
	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// services is a directory of three pages.
var services = `
[[service]]
code = "ULLA"
aliases = ["U"]
title = "La messagerie de tous"
category = "Messageries"
description = "Des milliers de connectés, jour et nuit, pour parler de tout et de rien.\nPseudo gratuit."
url = "tcp://ulla.example:1"
palier = "36 15"
[[service]]
code = "METEO"
title = "Le temps de demain"
category = "Vie pratique"
url = "ws://meteo.example:1"
data = "query"
unverified = true
tariff = { connection = 0.12, minute = 60, currency = "F" }
[[service]]
code = "ECHO"
title = "Écho"
category = "Démonstrations"
url = "tcp://echo.example:1"
` + many

var many = func() string {
	var s strings.Builder
	for _, code := range strings.Fields("ABC BAC CAB DAB EUX FER GEL HEP ILE JEU KIR LAC MER NEZ") {
		s.WriteString("[[service]]\ncode = '" + code + "'\ntitle = 'Le service " + code + "'\nurl = 'tcp://x.example:1'\n")
	}
	return s.String()
}()

// A hub is a gateway with the portal.
type hub struct {
	t       *testing.T
	board   *switchboard.Board
	book    *directory.Book
	records books
	portal  *portal.Portal

	mu    sync.Mutex
	asked []session.Route // where callers were put through to

	visits atomic.Int32 // that were begun
}

// books is a ledger that remembers.
type books struct {
	mu  sync.Mutex
	all []ledger.Record
}

func (b *books) Enter(r ledger.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, r)
}

func (b *books) read() []ledger.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// opens opens a hub. What is behind a service is at the far end of service; nil
// is nothing.
func opens(t *testing.T, list string, service func(net.Conn)) *hub {
	t.Helper()
	file := filepath.Join(t.TempDir(), "services.toml")
	if err := os.WriteFile(file, []byte(list), 0o666); err != nil {
		t.Fatal(err)
	}
	book, err := directory.Open(directory.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h := &hub{t: t, board: switchboard.New(log), book: book}
	h.portal = portal.New(portal.Options{Board: h.board, Book: book, Ledger: &h.records, Log: log})
	h.board.Open(session.Config{
		DialPortal: h.portal.Dial,
		DialService: func(_ context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.asked = append(h.asked, r); service == nil {
				return nil, errors.New("refused")
			}
			ours, theirs := pair(t)
			go service(theirs)
			return transport.TCP(ours, 0), nil
		},
	}, h.portal.Event, func(e session.Event) {
		if e.Type == session.Redirecting {
			h.visits.Add(1)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.board.Shutdown(ctx); err != nil {
			t.Error("a call did not end")
		}
	})
	return h
}

// echo greets and repeats.
func echo(c net.Conn) {
	io.WriteString(c, "\x0cbonjour ")
	io.Copy(c, c)
	c.Close()
}

// A caller is a Minitel at the other end of a socket.
type caller struct {
	*testing.T
	conn net.Conn
	done sync.WaitGroup

	mu     sync.Mutex
	screen *videotex.Screen
	bytes  int // that came since it typed
	bells  int
	bills  int // articles of the portal
	over   bool
	drew   chan struct{}
}

// calls has somebody call.
func (h *hub) calls() *caller {
	h.t.Helper()
	ours, theirs := pair(h.t)
	c := &caller{T: h.t, conn: theirs, screen: videotex.NewScreen(), drew: make(chan struct{}, 1)}
	h.board.Answer(transport.TCP(ours, 0), session.Caller{Transport: "tcp", Addr: netip.MustParseAddrPort("192.0.2.7:1234")})
	c.done.Go(c.read)
	h.t.Cleanup(c.leaves)
	return c
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

func (c *caller) read() {
	p := make([]byte, 4096)
	for {
		n, err := c.conn.Read(p)
		c.mu.Lock()
		c.bytes += n
		c.bells += strings.Count(string(p[:n]), "\a")
		c.bills += strings.Count(string(p[:n]), "\x1f\x40\x41Co\x19") + strings.Count(string(p[:n]), "\x1f\x40\x41\x18")
		c.over = err != nil
		c.screen.Write(p[:n])
		replies := c.screen.Replies()
		c.mu.Unlock()
		c.conn.Write(replies)
		select {
		case c.drew <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (c *caller) leaves() {
	c.conn.Close()
	c.done.Wait()
}

// types sends keys as videotex.Keys reads them.
func (c *caller) types(text string) {
	c.Helper()
	keys, err := videotex.Keys(text)
	if err != nil {
		c.Fatal(err)
	}
	c.mu.Lock()
	c.bytes, c.bells, c.bills = 0, 0, 0
	c.mu.Unlock()
	c.conn.Write(keys)
}

// hungUp stands below the screen once the line is closed.
const hungUp = "(hung up)"

// waits waits until the screen is as it should be.
func (c *caller) waits(what string, ok func(screen string) bool) {
	c.Helper()
	limit := time.After(soon.Patience)
	for {
		screen := c.look()
		if ok(screen) {
			return
		}
		select {
		case <-c.drew:
		case <-limit:
			c.Fatalf("%s: the screen is\n%s", what, screen)
		}
	}
}

func (c *caller) look() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	screen := c.screen.String()
	if c.over {
		screen += hungUp
	}
	return screen
}

func (c *caller) shows(text string) {
	c.Helper()
	c.waits("no "+text, func(screen string) bool { return strings.Contains(screen, text) })
}

func (c *caller) hides(text string) {
	c.Helper()
	c.waits("still "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

// settles waits until all keys are obeyed, by one more: Sommaire, which changes
// row 00 on every page, as a return does. So bills is how often keys have changed
// it by then; visits is how many had been begun before.
func (h *hub) settles(c *caller, bills int, visits int32) {
	c.Helper()
	c.conn.Write([]byte("\x13\x46"))
	c.waits("no bill", func(string) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.bills >= bills+int(h.visits.Load()-visits) || c.over
	})
}
