package downstream

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/session"
	"moip/internal/testkit/golden"
	"moip/internal/testkit/soon"
	"moip/videotex"
)

// A counter counts who enters and who leaves, and refuses some.
type counter struct {
	mu       sync.Mutex
	in       int // calls
	arrived  int // connections
	twice    bool
	guests   int // of them, those that are no calls
	out      *Refusal
	closable []func()
}

func (c *counter) enter(netip.AddrPort, string) (leave func(), r *Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out != nil {
		return nil, c.out
	}
	c.in++
	left := false
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.twice = c.twice || left
		left = true
		c.in--
	}, nil
}

func (c *counter) arrive(_ netip.AddrPort, _ string, out func()) (left func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrived++
	c.guests++
	c.closable = append(c.closable, out)
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.guests--
	})
}

func (c *counter) says(r *Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = r
}

func (c *counter) options() Options { return Options{Enter: c.enter, Arrive: c.arrive} }

// settles waits until so many calls are counted, and so many connections that are none.
func (c *counter) settles(t *testing.T, calls, guests int) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		in, there, twice := c.in, c.guests, c.twice
		c.mu.Unlock()
		switch {
		case twice:
			t.Fatal("one has left twice")
		case in == calls && there == guests:
			return
		case time.Now().After(late):
			t.Fatalf("%d calls are counted, and %d that are none; want %d and %d", in, there, calls, guests)
		}
	}
}

// Whatever becomes of who comes, in the end nobody is counted, and none has left twice.
func TestEnterAndLeave(t *testing.T) {
	hang := func(t *testing.T, c *counter, l *Listener) { // hangs up
		conn := dial(t, l)
		if l.at.Scheme == "ws" {
			io.WriteString(conn, handshake())
		}
		c.settles(t, 1, 0)
		conn.Close()
	}
	for name, test := range map[string]func(t *testing.T, c *counter, l *Listener){
		"hangs up": hang,
		"says nothing": func(t *testing.T, c *counter, l *Listener) {
			conn := dial(t, l)
			if l.at.Scheme == "ws" {
				c.settles(t, 0, 1)
			} else {
				c.settles(t, 1, 0)
			}
			conn.Close()
		},
		"no WebSocket": func(t *testing.T, c *counter, l *Listener) {
			conn := dial(t, l)
			io.WriteString(conn, strings.Replace(handshake(), "Sec-WebSocket-Key", "X-Key", 1))
			conn.CloseWrite()
			io.ReadAll(conn)
			conn.Close()
		},
		"wrong speed": func(t *testing.T, c *counter, l *Listener) {
			conn := dial(t, l)
			io.WriteString(conn, strings.Replace(handshake(), "GET /", "GET /?speed=7", 1))
			conn.CloseWrite()
			io.ReadAll(conn)
			conn.Close()
		},
		"has to go": func(t *testing.T, c *counter, l *Listener) {
			conn := dial(t, l)
			c.settles(t, map[bool]int{true: 0, false: 1}[l.at.Scheme == "ws"], map[bool]int{true: 1}[l.at.Scheme == "ws"])
			c.mu.Lock()
			out := c.closable[0]
			c.mu.Unlock()
			out()
			if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Error(err)
			}
		},
		"refused": func(t *testing.T, c *counter, l *Listener) {
			c.says(&Refusal{Text: "Non.", Status: 503, Again: time.Second})
			conn := dial(t, l)
			if l.at.Scheme == "ws" {
				io.WriteString(conn, handshake())
			}
			conn.CloseWrite()
			io.ReadAll(conn)
		},
		"the door closes": func(t *testing.T, c *counter, l *Listener) {
			conn := dial(t, l)
			c.settles(t, map[bool]int{true: 0, false: 1}[l.at.Scheme == "ws"], map[bool]int{true: 1}[l.at.Scheme == "ws"])
			l.Close()
			if l.at.Scheme != "ws" { // it is a call, and goes on
				conn.Close()
			}
		},
	} {
		for _, scheme := range []string{"ws", "telnet", "tcp"} {
			t.Run(name+" by "+scheme, func(t *testing.T) {
				c := &counter{}
				answer, _ := echo(t)
				test(t, c, open(t, scheme+"://127.0.0.1:0", c.options(), answer))
				c.settles(t, 0, 0)
				if c.arrived != 1 {
					t.Errorf("%d have arrived", c.arrived)
				}
			})
		}
	}
	for _, scheme := range []string{"ws", "telnet", "tcp"} {
		t.Run("panic by "+scheme, func(t *testing.T) {
			c := &counter{}
			l := open(t, scheme+"://127.0.0.1:0", c.options(), func(session.Endpoint, session.Caller) { panic("at the disco") })
			conn := dial(t, l)
			io.WriteString(conn, handshake())
			io.ReadAll(conn)
			c.settles(t, 0, 0)
		})
		t.Run("closed by "+scheme, func(t *testing.T) {
			c := &counter{}
			l := open(t, scheme+"://127.0.0.1:0", c.options(), nobody(t))
			l.mu.Lock()
			l.closed = true // while somebody is on the way
			l.mu.Unlock()
			conn := dial(t, l)
			io.WriteString(conn, handshake())
			io.ReadAll(conn)
			c.settles(t, 0, 0)
		})
	}
}

// Browsers that load pages are no calls, and count as connections until they close.
func TestEnterPages(t *testing.T) {
	c := &counter{}
	o := c.options()
	o.Web = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	answer, callers := echo(t)
	l := open(t, "ws://127.0.0.1:0", o, answer)
	client := &http.Client{Transport: &http.Transport{}}
	for range 3 { // over the same connection
		w, err := client.Get("http" + strings.TrimPrefix(l.URI(), "ws"))
		if err != nil {
			t.Fatal(err)
		}
		io.ReadAll(w.Body)
		w.Body.Close()
	}
	c.settles(t, 0, 1)
	call, _, err := websocket.Dial(t.Context(), l.URI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, callers)
	c.settles(t, 1, 1)
	client.CloseIdleConnections()
	c.settles(t, 1, 0)
	call.CloseNow()
	c.settles(t, 0, 0)
}

var busy = &Refusal{Text: "Trop d'appels en ce moment.", Status: http.StatusServiceUnavailable, Again: 10 * time.Second}

// Who calls by a WebSocket and may call later is shown why on the screen, in the frames
// that it wants, and is told by the status code of the close frame.
func TestBusyWebSocket(t *testing.T) {
	c := &counter{out: busy}
	l := open(t, "ws://127.0.0.1:0", c.options(), nobody(t))
	for _, test := range []struct {
		query     string
		protocols []string
		want      websocket.MessageType
	}{
		{"", nil, websocket.MessageText},
		{"", []string{"binary"}, websocket.MessageBinary},
		{"/?frames=binary&news", []string{"tty"}, websocket.MessageBinary},
	} {
		conn, w, err := websocket.Dial(t.Context(), l.URI()+test.query, &websocket.DialOptions{Subprotocols: test.protocols})
		if err != nil {
			t.Fatalf("the handshake fails: %v, %v", w, err)
		}
		kind, page, err := conn.Read(t.Context())
		if err != nil || kind != test.want {
			t.Fatalf("a frame is %v, %v", kind, err)
		}
		screen := videotex.NewScreen()
		screen.Write(page)
		golden.Check(t, "testdata/busy.txt", screen)
		if _, _, err = conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
			t.Errorf("it is closed by %v", err)
		}
	}
	c.settles(t, 0, 0)
}

// In a crowd the status of HTTP has to do; and it always does for who may not call later.
func TestBusyCrowd(t *testing.T) {
	c := &counter{out: busy}
	l := open(t, "ws://127.0.0.1:0", c.options(), nobody(t))
	soon.Is(t, "who has a page to take is one of the crowd", func() bool {
		conn := dial(t, l)
		defer conn.Close()
		io.WriteString(conn, handshake())
		_, err := conn.Read(make([]byte, 1))
		return err == nil && l.parting.Load() > 0 // unless it has taken too long since
	})
	c.settles(t, 0, 0)
	l.parting.Add(maxParting) // who all stay for as long as this takes
	_, w, err := websocket.Dial(t.Context(), l.URI(), nil)
	if err == nil || w.StatusCode != http.StatusServiceUnavailable || w.Header.Get("Retry-After") != "10" {
		t.Errorf("the next is answered %v, %v", w, err)
	}
	l.parting.Add(-maxParting)
	c.settles(t, 0, 0)
	c.says(&Refusal{Text: "Non."})
	if _, w, err = websocket.Dial(t.Context(), l.URI(), nil); err == nil || w.StatusCode != http.StatusForbidden {
		t.Errorf("who may not come again is answered %v, %v", w, err)
	}
}

// By telnet and tcp it is a line.
func TestBusyLines(t *testing.T) {
	for _, scheme := range []string{"telnet", "tcp"} {
		c := &counter{out: busy}
		l := open(t, scheme+"://127.0.0.1:0", c.options(), nobody(t))
		conn := dial(t, l)
		if got, err := io.ReadAll(conn); string(got) != "Trop d'appels en ce moment.\r\n" || err != nil {
			t.Errorf("by %s it is told %q, %v", scheme, got, err)
		}
	}
}

// Who asks for a page and is not let in is answered by one, which says when to come again.
func TestRefusedPage(t *testing.T) {
	keeper := &doorkeeper{out: &Refusal{Text: "Trop <vite>.", Status: http.StatusTooManyRequests, Again: 1500 * time.Millisecond}}
	l := open(t, "ws://127.0.0.1:0", Options{Admit: keeper.admit}, nobody(t))
	r, _ := http.NewRequest("GET", "http"+strings.TrimPrefix(l.URI(), "ws"), nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(w.Body)
	w.Body.Close()
	if w.StatusCode != http.StatusTooManyRequests || w.Header.Get("Retry-After") != "1" || !w.Close ||
		w.Header.Get("Content-Type") != "text/html; charset=utf-8" || w.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("a browser is answered %s, %v", w.Status, w.Header)
	}
	if !strings.Contains(string(text), "<h1>Trop &lt;vite&gt;.</h1>") || !strings.Contains(string(text), callAgain) {
		t.Errorf("the page is %s", text)
	}
}

// Over TLS, callers are counted as those without are.
func TestEnterSecure(t *testing.T) {
	for _, scheme := range []string{"wss", "telnets", "tcps"} {
		c := &counter{}
		answer, callers := echo(t)
		o, client := withTLS(t, c.options())
		l := open(t, scheme+"://127.0.0.1:0", o, answer)
		conn := tls.Client(dial(t, l), client)
		c.settles(t, 0, 1) // the handshake is yet to come
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if scheme == "wss" {
			io.WriteString(conn, handshake())
		}
		await(t, callers)
		c.settles(t, 1, 0)
		conn.Close()
		c.settles(t, 0, 0)
	}
}
