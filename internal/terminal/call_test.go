package terminal

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gdamore/tcell/v3"

	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/transport"
)

// dial returns the end of a connection, and the peer at the other one.
func dial(t *testing.T) (end session.Endpoint, peer net.Conn) {
	ours, peer := net.Pipe()
	t.Cleanup(func() { peer.Close() })
	return transport.TCP(ours, time.Minute), peer
}

// hears wants to be sent the text at a time after began.
func hears(t *testing.T, peer net.Conn, want string, began time.Time, at time.Duration) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != want {
		t.Errorf("it sends %q, %v, want %q", got, err, want)
	}
	if after := time.Since(began); after != at {
		t.Errorf("it sends %q after %v, want %v", got, after, at)
	}
}

// Whoever is called hears who calls, and what is typed whenever the page is still.
func TestDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, peer := dial(t)
		began := time.Now()
		go func() {
			io.WriteString(peer, "\x0cqui ?\x1b\x39\x7b")
			hears(t, peer, "\x01Mg1\x04", began, 0)
			hears(t, peer, "a", began, time.Second)
			time.Sleep(time.Second / 2)
			io.WriteString(peer, " a")
			hears(t, peer, "b", began, 5*time.Second/2)
			io.WriteString(peer, " b.")
		}()
		var record bytes.Buffer
		s, err := Dump(t.Context(), end, "b.", time.Minute, Options{Keys: [][]byte{[]byte("a"), []byte("b")}, Record: recording.NewWriter(&record, recording.Header{})})
		if err != nil {
			t.Error(err)
		}
		if row := strings.Split(s.String(), "\n")[1]; strings.TrimSpace(row) != "qui ? a b." {
			t.Errorf("it shows %q", row)
		}
		if took := time.Since(began); took != 7*time.Second/2 {
			t.Errorf("it takes %v", took)
		}
		want := `{"version":3,"term":{"cols":40,"rows":25}}
[0,"o","\u000cqui ?\u001b9{"]
[0,"i","\u0001Mg1\u0004"]
[1,"i","a"]
[0.5,"o"," a"]
[1,"i","b"]
[0,"o"," b."]
`
		if record.String() != want {
			t.Errorf("it records\n%s", &record)
		}
		if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("it does not hang up: %v", err)
		}
	})
}

// Each end that a dump may have.
func TestDumpEnds(t *testing.T) {
	for _, test := range []struct {
		name  string
		speed int
		keys  [][]byte
		text  string
		peer  func(peer net.Conn)
		took  time.Duration
		err   string
	}{
		{name: "late", took: 10 * time.Second},
		{name: "closed", peer: func(peer net.Conn) { peer.Close() }},
		{name: "closed while it draws", speed: 1200, text: strings.Repeat("a", 30), peer: func(peer net.Conn) {
			io.WriteString(peer, strings.Repeat("a", 30))
			peer.Close()
		}, took: 260 * time.Millisecond},
		{name: "not typed", keys: [][]byte{nil}, peer: func(peer net.Conn) { peer.Close() }, err: ErrNotTyped.Error()},
		{name: "not shown", text: "a", took: 10 * time.Second, err: ErrNotShown.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end, peer := dial(t)
				if test.peer != nil {
					go test.peer(peer)
				}
				began := time.Now()
				_, err := Dump(t.Context(), end, test.text, 10*time.Second, Options{Speed: test.speed, Keys: test.keys})
				if took := time.Since(began); took != test.took {
					t.Errorf("it takes %v, want %v", took, test.took)
				}
				if err == nil && test.err != "" || err != nil && err.Error() != test.err {
					t.Errorf("%v, want %s", err, test.err)
				}
			})
		})
	}
}

func TestDumpInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, _ := dial(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Dump(ctx, end, "", time.Minute, Options{}); err == nil || err.Error() != "interrupted" {
			t.Error(err)
		}
	})
}

// watched returns a call that somebody looks at.
func watched(t *testing.T) *call {
	t.Helper()
	screen, _ := on(t, 40, 25, 256)
	c := newCall(Options{})
	c.view = newView(screen, Sextants)
	return c
}

// A panic leaves the terminal as it was.
func TestPanic(t *testing.T) {
	end, peer := dial(t)
	go io.WriteString(peer, "a")
	c := watched(t)
	c.model = nil // then the first byte is one too many
	if !panics(func() { c.run(t.Context(), end, nil) }) {
		t.Error("it does not panic")
	}
	drained(c.view.screen)
}

// So does one of another goroutine.
func TestPanicElsewhere(t *testing.T) {
	end, _ := dial(t)
	c := watched(t)
	if !panics(func() { c.run(t.Context(), faulty{end}, nil) }) {
		t.Error("it does not panic")
	}
	drained(c.view.screen)
}

type faulty struct{ session.Endpoint }

func (faulty) Receive() ([]byte, error) { panic("of the reader") }

// So does whoever leaves in the middle of a paste, which nobody reads any more.
func TestPaste(t *testing.T) {
	screen, term := on(t, 40, 25, 256)
	pasted := strings.Repeat("a", 4000)
	go term.SendRaw([]byte(pasted))
	for len(screen.EventQ()) < cap(screen.EventQ()) {
		time.Sleep(time.Millisecond)
	}
	v := newView(screen, Sextants)
	v.close()
	drained(screen)
}

func panics(f func()) (failed bool) {
	defer func() { failed = recover() != nil }()
	f()
	return false
}

// drained waits until the terminal is restored, which closes the queue.
func drained(screen tcell.Screen) {
	for range screen.EventQ() {
	}
}
