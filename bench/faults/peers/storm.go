package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// storm has thousands call in the second after a gateway is started anew, from as many
// addresses, while others have calls already; who is refused calls again when it is told to.
// Then the portal dies, and is started anew when all of them wait for it.
func storm() error {
	n := orUsual(9000)
	s, err := serve(here("127.0.0.1:0"))
	if err != nil {
		return err
	}
	defer s.die()
	g, err := launch("127.0.0.1", fmt.Sprintf("[portal]\nurl = 'tcp://%s'\n[limits]\nmax_calls = %d\n", s.address, n+200))
	if err != nil {
		return err
	}
	defer g.stop()
	if err := g.again(); err != nil {
		return err
	}
	const first = 100
	p, err := gather(first, g.door, "", "ws", "telnet", "tcp")
	if err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	keys, half, usual := p.since()
	tell("calls in progress, before", keys, half, usual)

	c := &crowd{door: g.door}
	defer c.leave()
	began := time.Now()
	for i := range n {
		c.there.Go(func() {
			time.Sleep(rand.N(time.Second))
			c.insist(i)
		})
	}
	for c.served.Load() < int64(n) {
		if time.Since(began) > 5*time.Minute {
			return fmt.Errorf("%d of %d are served: %w", c.served.Load(), n, c.failed())
		}
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(began)
	keys, half, most := p.since()
	tell("in the storm", keys, half, most)
	fmt.Printf("%-28s %d, all served in %v; %d times refused and told when to come again, %d times not connected\n", "callers in one second", n, took.Round(100*time.Millisecond), c.refused.Load(), c.unreached.Load())
	now, peak := g.memory()
	fmt.Printf("%-28s %.0f MiB, %.0f at most, with %d files\n", "memory of the gateway", now, peak, g.files())
	if faults := p.leave(); len(faults) > 0 {
		return fmt.Errorf("%d of the calls in progress were disturbed, the first: %s", len(faults), faults[0])
	}

	at := s.address
	s.die()
	time.Sleep(5 * time.Second) // each has tried several times
	if err := s.start(here(at)); err != nil {
		return err
	}
	began = time.Now()
	for s.count() < n {
		if time.Since(began) > 5*time.Minute {
			return fmt.Errorf("%d of %d are back at the portal", s.count(), n)
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, second := s.dials(time.Second)
	_, moment := s.dials(100 * time.Millisecond)
	fmt.Printf("%-28s all back in %v, %d in a second and %d in a tenth of one at most\n", "the portal started anew", time.Since(began).Round(100*time.Millisecond), second, moment)
	return c.failed()
}

// A crowd are callers who do nothing but call, and stay.
type crowd struct {
	door                       string
	there                      sync.WaitGroup
	served, refused, unreached atomic.Int64

	mu    sync.Mutex
	lines []net.Conn
	over  bool
	fault error // the first
}

func (c *crowd) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

func (c *crowd) accuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil && !c.over {
		c.fault = err
	}
}

// insist calls until there is a call, half of them by WebSockets, and then stays.
func (c *crowd) insist(who int) {
	from := fmt.Sprintf("127.8.%d.%d", who/200, 1+who%200)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	scheme, arrive, stay := "tcp", arriveBare, stayBare
	if who%2 == 0 {
		scheme, arrive, stay = "ws", arriveWeb, stayWeb
	}
	for {
		conn, err := dialer.Dial("tcp", doorOf(c.door, scheme))
		if err != nil {
			c.unreached.Add(1)
			time.Sleep(time.Second + rand.N(time.Second))
			continue
		}
		if !c.holds(conn) {
			return
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		wait, err := arrive(conn)
		if err != nil {
			c.accuse(fmt.Errorf("caller %d: %w", who, err))
			return
		}
		if wait == 0 {
			c.served.Add(1)
			conn.SetDeadline(time.Time{})
			if err := stay(conn); err != nil {
				c.accuse(fmt.Errorf("caller %d was served, then: %w", who, err))
			}
			return
		}
		conn.Close()
		c.refused.Add(1)
		time.Sleep(wait + rand.N(time.Second))
	}
}

// holds keeps a connection for the end, unless that has come.
func (c *crowd) holds(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, conn)
	if c.over {
		conn.Close()
	}
	return !c.over
}

// leave has all hang up.
func (c *crowd) leave() {
	c.mu.Lock()
	c.over = true
	for _, conn := range c.lines {
		conn.Close()
	}
	c.mu.Unlock()
	c.there.Wait()
}

// arriveBare waits for the portal's page. Who is refused reads why, and calls again soon.
func arriveBare(conn net.Conn) (again time.Duration, err error) {
	said := &strings.Builder{}
	if err = await(io.TeeReader(conn, said), welcome[1:]); err == nil {
		return 0, nil
	}
	if isBusy(said.String()) {
		return 2 * time.Second, nil
	}
	return 0, fmt.Errorf("%w; it was told %q", err, said)
}

// isBusy reports whether a caller is told that there are too many.
func isBusy(text string) bool {
	return strings.Contains(text, "Trop d'appels") || strings.Contains(text, "Toutes les lignes")
}

func stayBare(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	if err == nil {
		err = io.EOF
	}
	return err
}

// arriveWeb does so by a WebSocket, and is told when to come again.
func arriveWeb(conn net.Conn) (again time.Duration, err error) {
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", conn.RemoteAddr())
	in := bufio.NewReaderSize(conn, 1<<10)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		said := &strings.Builder{}
		if err = await(io.TeeReader(in, said), welcome[1:]); err == nil {
			return 0, nil // nothing comes behind that before a ping does
		}
		if isBusy(said.String()) && strings.Contains(said.String(), "\x03\xf5") { // 1013, try again later
			return 2 * time.Second, nil
		}
		return 0, fmt.Errorf("%w; it was told %q", err, said)
	}
	text, _ := io.ReadAll(answer.Body)
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || !isBusy(string(text)) {
		return 0, fmt.Errorf("refused with %s, Retry-After %q: %q", answer.Status, answer.Header.Get("Retry-After"), text)
	}
	return time.Duration(seconds) * time.Second, nil
}

// stayWeb answers pings.
func stayWeb(conn net.Conn) error {
	for {
		head, err := ws.ReadHeader(conn)
		if err != nil {
			return err
		}
		if head.Length > 4<<10 {
			return fmt.Errorf("a frame of %d bytes", head.Length)
		}
		payload := make([]byte, head.Length)
		if _, err := io.ReadFull(conn, payload); err != nil {
			return err
		}
		switch head.OpCode {
		case ws.OpPing:
			if err := ws.WriteFrame(conn, ws.MaskFrame(ws.NewPongFrame(payload))); err != nil {
				return err
			}
		case ws.OpClose:
			return errors.New("closed")
		}
	}
}
