package pymoip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/downstream"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/upstream"
)

// A station is a whole gateway of ours, but for its command line: callers come
// by raw TCP, the portal is a house.
type station struct {
	*testing.T
	board *switchboard.Board
	link  *Link
	door  *downstream.Listener
	close func()
}

// newStation opens a gateway and waits for its link.
func (h *house) newStation() *station {
	h.Helper()
	t := h.T
	quiet := slog.New(slog.DiscardHandler)
	s := &station{T: t, board: switchboard.New(quiet)}
	s.link = New(Options{URL: h.link, Board: s.board, Retry: time.Millisecond})
	dialer := &upstream.Dialer{}
	s.board.Open(session.Config{
		Portal:      session.Route{Name: "portal", URL: h.door},
		DialPortal:  s.link.Introduce(dialer.Dial),
		DialService: dialer.Dial,
		Limits:      session.Limits{Drain: time.Second},
	}, s.link.Event)
	var err error
	if s.door, err = downstream.Listen("tcp://127.0.0.1:0", downstream.Options{}); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { s.link.Run(ctx) })
	running.Go(func() { s.door.Serve(s.board.Answer) })
	s.close = sync.OnceFunc(func() {
		s.door.Close()
		limited, done := context.WithTimeout(context.Background(), patience)
		defer done()
		if err := s.board.Shutdown(limited); err != nil {
			t.Error(err)
		}
		cancel()
		running.Wait()
	})
	t.Cleanup(s.close)
	s.linked(h)
	return s
}

// linked waits until the gateway knows that its link is up.
func (s *station) linked(h *house) {
	h.Helper()
	h.until("linked", func() bool {
		up, _ := s.link.State()
		return up
	})
}

// A terminal is a caller of a station.
type terminal struct {
	*testing.T
	conn net.Conn
	seen string
}

func (s *station) calls() *terminal {
	s.Helper()
	conn, err := net.Dial("tcp", s.door.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &terminal{T: s.T, conn: conn}
}

func (c *terminal) addr() netip.AddrPort { return c.conn.LocalAddr().(*net.TCPAddr).AddrPort() }

func (c *terminal) types(keys string) {
	c.Helper()
	if _, err := io.WriteString(c.conn, keys); err != nil {
		c.Fatal(err)
	}
}

// sees waits for text among what is shown from now on.
func (c *terminal) sees(text string) {
	c.Helper()
	p := make([]byte, 1000)
	for !strings.Contains(c.seen, text) {
		n, err := c.conn.Read(p)
		if err != nil {
			c.Fatalf("seen %q, want %q: %v", c.seen, text, err)
		}
		c.seen += string(p[:n])
	}
	_, c.seen, _ = strings.Cut(c.seen, text)
}

// echo is a service. It greets, and repeats what it is told.
func echo(t *testing.T) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				io.WriteString(conn, "welcome ")
				io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return "tcp://" + l.Addr().String()
}

// arrives waits for a caller of a station to reach the portal, and be
// introduced.
func (h *house) arrives(c *terminal) visitor {
	h.Helper()
	v := visitor{desk: h.desk()}
	v.desk.say("\x1f00\x18\x0c\x1b9{home")
	c.sees("home")
	if e := h.hears(v.id(), session.Linked); e.Caller != (session.Caller{Transport: "telnet", Addr: c.addr()}) {
		h.Fatalf("linked: %+v, want %v", e.Caller, c.addr())
	}
	c.types("k")
	v.desk.gets("k")
	return v
}

// visits has a caller redirected and arrive.
func (h *house) visits(v visitor, c *terminal, url string) {
	h.Helper()
	if err := h.server.Redirect(v.id(), session.Route{Name: "ECHO", URL: url}); err != nil {
		h.Fatal(err)
	}
	h.hears(v.id(), session.Redirecting)
	h.hears(v.id(), session.Redirected)
	c.sees("welcome ")
	text := fmt.Sprint("I am ", c.addr())
	c.types(text)
	c.sees(text)
}

// comesBack has a caller press Connexion/Fin.
func (h *house) comesBack(v visitor, c *terminal) {
	h.Helper()
	c.types("\x13\x49")
	h.returned(v.id(), session.ReasonFin)
	v.desk.say("\x0chome again")
	c.sees("home again")
	c.types("k")
	v.desk.gets("k")
}

// Two of our gateways at one portal, whose links are cut in the middle of it
// all.
func TestOurGateways(t *testing.T) {
	h := newHouse(t).open()
	url := echo(t)
	var callers []*terminal
	var visitors []visitor
	for range 2 {
		s := h.newStation()
		for range 2 {
			c := s.calls()
			callers, visitors = append(callers, c), append(visitors, h.arrives(c))
		}
	}
	for i, v := range visitors {
		if i != 3 {
			h.visits(v, callers[i], url)
		}
	}
	h.comesBack(visitors[0], callers[0])

	for range 3 {
		h.cut()
		for _, v := range visitors {
			h.hears(v.id(), session.Unlinked)
			h.hears(v.id(), session.Linked)
		}
	}
	callers[1].types("still there")
	callers[1].sees("still there")
	h.comesBack(visitors[1], callers[1])
	h.comesBack(visitors[2], callers[2])
	for i, v := range visitors {
		h.visits(v, callers[i], url)
	}
	h.comesBack(visitors[3], callers[3])

	// A service that is not there, and one that leaves.
	if err := h.server.Redirect(visitors[0].id(), session.Route{URL: url}); err != session.ErrBusy {
		t.Error(err)
	}
	if err := h.server.Redirect(visitors[3].id(), session.Route{URL: "tcp://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	h.hears(visitors[3].id(), session.Redirecting)
	h.returned(visitors[3].id(), session.ReasonRefused)
	h.quiet()
}

// cut cuts all links, from our side. They are up again before the next order.
func (h *house) cut() {
	h.Helper()
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	for gw := range h.server.links {
		gw.drop(errors.New("cut"))
	}
}

// A relay stands for a portal that may be killed.
type relay struct {
	net.Listener
	mu    sync.Mutex
	to    string // "" while there is none
	lines []net.Conn
}

func newRelay(t *testing.T) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := r.connect(near)
			if err != nil {
				near.Close()
				continue
			}
			for _, c := range [][2]net.Conn{{near, far}, {far, near}} {
				running.Go(func() {
					io.Copy(c[0], c[1])
					c[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.turn("")
		running.Wait()
	})
	return r
}

func (r *relay) connect(near net.Conn) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == "" {
		return nil, errors.New("down")
	}
	far, err := net.Dial("tcp", r.to)
	r.lines = append(r.lines, near, far)
	return far, err
}

// turn cuts all lines, and leads new ones to the house at a ws URL.
func (r *relay) turn(url string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = strings.TrimPrefix(url, "ws://")
	for _, c := range r.lines {
		if c != nil {
			c.Close()
		}
	}
	r.lines = nil
}

// The portal is killed while one caller is at a service, and a new one is
// started.
func TestPortalRestarted(t *testing.T) {
	door, link := newRelay(t), newRelay(t)
	h := newHouse(t).open()
	door.turn(h.door)
	link.turn(h.link)
	h.door, h.link = "ws://"+door.Addr().String(), "ws://"+link.Addr().String()
	s := h.newStation()
	c := s.calls()
	a := h.arrives(c)
	other := s.calls()
	h.arrives(other)
	url := echo(t)
	h.visits(a, c, url)

	door.turn("")
	link.turn("")
	other.sees("momentan")
	c.types("not missed")
	c.sees("not missed")
	h.until("gone", func() bool { return len(h.board.Calls()) == 0 })
	h.empty(0)

	h = newHouse(t).open()
	door.turn(h.door)
	link.turn(h.link)
	h.linked(1)
	s.linked(h)
	other.types("\x13A")
	b := h.arrives(other)
	h.visits(b, other, url)
	c.types("\x13I")
	a = h.arrives(c)
	h.visits(a, c, url)
	h.comesBack(b, other)
	h.comesBack(a, c)
	h.quiet()
}

// The gateway is killed while a caller is at a service, and started again.
func TestGatewayRestarted(t *testing.T) {
	h := newHouse(t).open()
	url := echo(t)
	for range 3 {
		s := h.newStation()
		c := s.calls()
		h.visits(h.arrives(c), c, url)
		s.close()
		h.linked(0)
		h.until("gone", func() bool { return len(h.board.Calls()) == 0 })
		h.empty(0)
	}
}
