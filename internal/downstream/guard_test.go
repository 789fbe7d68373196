package downstream

import (
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
)

// A watchman is a Guard that is told what to do.
type watchman struct {
	mu     sync.Mutex
	out    *Refusal
	hold   chan struct{} // while not nil, callers are held until it is closed
	heard  []string
	holds  chan bool // is told of each who is held
	answer string
}

func newWatchman() *watchman { return &watchman{holds: make(chan bool, 100)} }

func (w *watchman) Foreign(first []byte) string {
	if strings.HasPrefix(string(first), "SSH-") {
		return "ssh"
	}
	return ""
}

func (w *watchman) Dismiss(from netip.AddrPort, transport, protocol string, first []byte) []byte {
	w.note(transport + " " + protocol + " " + string(first))
	return []byte(w.answer)
}

func (w *watchman) Hold(_ netip.AddrPort, _ string, quit <-chan struct{}) *Refusal {
	w.mu.Lock()
	hold, out := w.hold, w.out
	w.mu.Unlock()
	if hold != nil {
		w.holds <- true
		select {
		case <-hold:
		case <-quit:
		}
	}
	return out
}

func (w *watchman) Failed(netip.AddrPort) { w.note("failed") }

func (w *watchman) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, what)
}

func (w *watchman) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.heard)
}

// Who speaks another protocol at once never becomes a call, not even a greeting; it may be
// answered, and the connection ends in good order.
func TestDismiss(t *testing.T) {
	for _, scheme := range []string{"telnet", "tcp"} {
		for _, answer := range []string{"", "Perdu.\r\n"} {
			guard := newWatchman()
			guard.answer = answer
			l := open(t, scheme+"://127.0.0.1:0", Options{Guard: guard, opening: patience}, nobody(t))
			conn := dial(t, l)
			io.WriteString(conn, "SSH-2.0-x\r\n")
			got, err := io.ReadAll(conn)
			if string(got) != answer || answer != "" && err != nil {
				t.Errorf("by %s it is told %q, %v", scheme, got, err)
			}
			if told := guard.told(); len(told) != 1 || told[0] != scheme+" ssh SSH-2.0-x\r\n" {
				t.Errorf("the guard is told %q", told)
			}
		}
	}
}

// Who says so later is gone for that.
func TestForeignLater(t *testing.T) {
	guard := newWatchman()
	gone := make(chan error, 1)
	l := open(t, "tcp://127.0.0.1:0", Options{Guard: guard}, func(e session.Endpoint, _ session.Caller) {
		e.Send([]byte("page"))
		go func() {
			defer e.Close()
			_, err := e.Receive()
			gone <- err
		}()
	})
	conn := dial(t, l)
	expect(t, conn, "page")
	io.WriteString(conn, "SSH-2.0-x\r\n")
	if err := await(t, gone); err != session.Foreign("ssh") {
		t.Errorf("it is gone for %v", err)
	}
}

// Nothing is lost of what a caller says first, whether at once or not, and it is answered
// soon.
func TestGuardPasses(t *testing.T) {
	for _, says := range []string{"", "\xff\xfb\x183615 ULLA", "3615 ULLA"} {
		answer, callers := echo(t)
		l := open(t, "telnet://127.0.0.1:0", Options{Guard: newWatchman()}, answer)
		began := time.Now()
		conn := dial(t, l)
		io.WriteString(conn, says)
		await(t, callers)
		if took := time.Since(began); took > handshakeTime/2 {
			t.Errorf("who says %q waits %v", says, took)
		}
		io.WriteString(conn, "!")
		conn.CloseWrite()
		if got, err := io.ReadAll(conn); !strings.HasSuffix(string(got), strings.TrimPrefix(says, "\xff\xfb\x18")+"!") || err != nil {
			t.Errorf("who says %q has %q back, %v", says, got, err)
		}
	}
}

// Who is held is answered afterwards, unless it has said meanwhile what it is, or is
// refused.
func TestHold(t *testing.T) {
	guard := newWatchman()
	guard.hold = make(chan struct{})
	answer, callers := echo(t)
	l := open(t, "tcp://127.0.0.1:0", Options{Guard: guard}, answer)
	honest, scanner := dial(t, l), dial(t, l)
	await(t, guard.holds)
	await(t, guard.holds)
	io.WriteString(scanner, "SSH-2.0-x\r\n")
	select {
	case <-callers:
		t.Error("somebody is answered meanwhile")
	case <-time.After(2 * openingTime):
	}
	close(guard.hold)
	isAt(t, await(t, callers), "tcp", honest)
	if _, err := scanner.Read(make([]byte, 1)); err == nil {
		t.Error("the scanner is answered")
	}
	guard.mu.Lock()
	guard.hold, guard.out = nil, &Refusal{Text: "Trop.", Status: http.StatusTooManyRequests}
	guard.mu.Unlock()
	if got, err := io.ReadAll(dial(t, l)); string(got) != "Trop.\r\n" || err != nil {
		t.Errorf("who is refused is told %q, %v", got, err)
	}
}

// A door that closes lets go whom it holds.
func TestHoldClose(t *testing.T) {
	for _, scheme := range []string{"tcp", "ws"} {
		guard := newWatchman()
		guard.hold = make(chan struct{})
		l := open(t, scheme+"://127.0.0.1:0", Options{Guard: guard}, nobody(t))
		conn := dial(t, l)
		io.WriteString(conn, handshake())
		await(t, guard.holds)
		began := time.Now()
		l.Close()
		<-l.served
		if took := time.Since(began); took > handshakeTime/2 {
			t.Errorf("by %s it takes %v to close", scheme, took)
		}
	}
}

// WebSockets are held, too, and those that fail are told of. Browsers that want a page are
// not held.
func TestGuardHTTP(t *testing.T) {
	guard := newWatchman()
	answer, callers := echo(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	l := open(t, "ws://127.0.0.1:0", Options{Guard: guard, Web: page}, answer)
	conn := dial(t, l)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n")
	if got, _ := io.ReadAll(conn); !strings.Contains(string(got), " 4") {
		t.Errorf("it is told %q", got)
	}
	for late := time.Now().Add(patience); !slices.Equal(guard.told(), []string{"failed"}); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the guard is told %q", guard.told())
		}
	}
	c, _, err := websocket.Dial(t.Context(), l.URI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, callers)
	c.CloseNow()
	guard.mu.Lock()
	guard.out = &Refusal{Text: "Trop.", Status: http.StatusTooManyRequests}
	guard.mu.Unlock()
	if _, w, err := websocket.Dial(t.Context(), l.URI(), nil); err == nil || w.StatusCode != http.StatusTooManyRequests {
		t.Errorf("it is answered %v, %v", w, err)
	}
	w, err := http.Get("http" + strings.TrimPrefix(l.URI(), "ws"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if text, _ := io.ReadAll(w.Body); string(text) != "page" {
		t.Errorf("a browser has %q", text)
	}
}
