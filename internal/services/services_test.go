package services

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the machine may have no zones

	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/testkit/golden"
	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A caller is a Minitel 1B in front of a service, in a bubble of synctest.
type caller struct {
	*testing.T
	end    session.Endpoint
	screen *videotex.Screen
	bytes  int           // received since the last call of sent
	over   error         // what Receive returned at last
	gate   chan struct{} // empty while Receive is not to be called again
	turn   sync.Mutex    // see passes
}

// calls has somebody visit a service.
func calls(t *testing.T, s *Services, name string) *caller {
	t.Helper()
	end, err := s.Dial(context.Background(), 7, session.Route{URL: "builtin:" + name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	c := &caller{T: t, end: end, screen: videotex.NewScreen(), gate: make(chan struct{}, 1)}
	c.gate <- struct{}{}
	go c.receive()
	synctest.Wait()
	return c
}

func (c *caller) receive() {
	for {
		<-c.gate
		c.gate <- struct{}{}
		p, err := c.end.Receive()
		if c.over = err; err != nil {
			return
		}
		c.shown(p)
	}
}

func (c *caller) shown(p []byte) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.bytes += len(p)
	c.screen.Write(p)
	if replies := c.screen.Replies(); len(replies) > 0 {
		c.end.Send(replies)
	}
}

// passes lets time pass. What wakes up by itself has to know that we have
// looked.
func (c *caller) passes(d time.Duration) {
	c.looked()
	time.Sleep(d)
	synctest.Wait()
}

// looked waits until what came is on the screen.
func (c *caller) looked() int {
	c.turn.Lock()
	defer c.turn.Unlock()
	return c.bytes
}

// types types keys, as videotex.Keys has them, and waits for what comes of it.
func (c *caller) types(keys string) {
	c.Helper()
	p, err := videotex.Keys(keys)
	if err != nil {
		c.Fatal(err)
	}
	c.end.Send(p)
	synctest.Wait()
}

// sent returns how many bytes came since it was called last.
func (c *caller) sent() int {
	n := c.bytes
	c.bytes = 0
	return n
}

func (c *caller) row(n int) string {
	return strings.TrimRight(strings.Split(c.screen.String(), "\n")[n], " ")
}

func (c *caller) shows(texts ...string) {
	c.Helper()
	for _, text := range texts {
		if !strings.Contains(c.screen.String(), text) {
			c.Fatalf("no %q on\n%s", text, c.screen)
		}
	}
}

// visits has somebody visit a service, for f to play them.
func visits(t *testing.T, o Options, name string, f func(c *caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := calls(t, New(o), name)
		f(c)
		c.end.Close()
		synctest.Wait()
	})
}

// golden compares the screen with a file.
func (c *caller) golden(name string) {
	c.Helper()
	golden.Check(c.T, "testdata/"+name+".txt", c.screen)
}

func TestDial(t *testing.T) {
	s := New(Options{})
	for _, name := range Names() {
		for _, url := range []string{"builtin:" + name, "builtin:" + strings.ToUpper(name)} {
			e, err := s.Dial(t.Context(), 1, session.Route{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			e.Close()
		}
	}
	for _, url := range []string{"", "builtin", "builtin:", "builtin:mire2", "tcp://localhost:1", strings.Repeat("x", 1000)} {
		_, err := s.Dial(t.Context(), 1, session.Route{URL: url})
		if err == nil || !strings.Contains(err.Error(), "builtin:mire, clavier, heure, pages, salon, echo") || len(err.Error()) > 200 {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// The first page of each service, and what it costs.
func TestFirstPages(t *testing.T) {
	for name, most := range map[string]int{"mire": 900, "clavier": 300, "heure": 450, "pages": 1000, "salon": 280, "echo": 180} {
		visits(t, Options{}, name, func(c *caller) {
			n := c.sent()
			t.Logf("%s: %d bytes", name, n)
			if n > most {
				t.Errorf("%s has %d bytes", name, n)
			}
			c.golden(name)
		})
	}
}
