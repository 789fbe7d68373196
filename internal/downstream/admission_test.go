package downstream

import (
	"io"
	"net"
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

// A doorkeeper lets some in, and notes who came.
type doorkeeper struct {
	mu    sync.Mutex
	out   *Refusal
	asked []string
}

func (d *doorkeeper) admit(from netip.AddrPort, transport string) *Refusal {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, from.String()+" "+transport)
	return d.out
}

func (d *doorkeeper) heard() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

func (d *doorkeeper) says(r *Refusal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out = r
}

func nobody(t *testing.T) Answer {
	return func(e session.Endpoint, from session.Caller) {
		t.Errorf("%v is answered", from)
		e.Close()
	}
}

// A caller who is not let in is told so, even if it speaks first, and the connection
// ends in good order. It is seen as a peer sees it.
func TestAdmitLines(t *testing.T) {
	for _, scheme := range []string{"telnet", "tcp"} {
		keeper := &doorkeeper{out: &Refusal{Text: "Accès refusé."}}
		l := open(t, scheme+"://127.0.0.1:0", Options{Admit: keeper.admit}, nobody(t))
		for _, speaks := range []string{"", "\xff\xfb\x18GET / HTTP/1.1\r\n\r\n"} {
			conn := dial(t, l)
			io.WriteString(conn, speaks)
			got, err := io.ReadAll(conn)
			if want := "Acc\x19Aes refus\x19Be.\r\n"; string(got) != want || err != nil {
				t.Errorf("by %s, saying %q, it is told %q, %v", scheme, speaks, got, err)
			}
			if heard := keeper.heard(); heard[len(heard)-1] != conn.LocalAddr().String()+" "+scheme {
				t.Errorf("of %v it was asked as of %s", conn.LocalAddr(), heard)
			}
		}
	}
}

// By HTTP a refusal is a status and a line, for WebSockets and for browsers, and once
// it is withdrawn, they come in.
func TestAdmitHTTP(t *testing.T) {
	keeper := &doorkeeper{}
	answer, callers := echo(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	l := open(t, "ws://127.0.0.1:0", Options{Admit: keeper.admit, Web: page}, answer)
	for want, refusal := range map[int]*Refusal{
		http.StatusForbidden:       {Text: "Accès refusé."},
		http.StatusTooManyRequests: {Text: "Trop d'appels.", Status: http.StatusTooManyRequests},
	} {
		keeper.says(refusal)
		_, w, err := websocket.Dial(t.Context(), l.URI(), nil)
		if err == nil || w.StatusCode != want {
			t.Fatalf("a WebSocket is answered %v, %v", w, err)
		}
		w, err = http.Get("http" + strings.TrimPrefix(l.URI(), "ws"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(w.Body)
		w.Body.Close()
		if string(text) != refusal.Text+"\n" || err != nil || w.StatusCode != want || !w.Close {
			t.Errorf("a browser is answered %s, %q, %v", w.Status, text, err)
		}
		if kind := w.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
			t.Errorf("the text is %s", kind)
		}
	}
	if heard := keeper.heard(); len(heard) != 4 || slices.ContainsFunc(heard, func(s string) bool {
		return !strings.HasPrefix(s, "127.0.0.1:") || !strings.HasSuffix(s, " ws")
	}) {
		t.Errorf("it was asked of %q", heard)
	}
	keeper.says(nil)
	c, _, err := websocket.Dial(t.Context(), l.URI(), nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, callers)
	c.CloseNow()
}

// A crowd that is not let in, and does not leave, is cut off, and holds up neither who
// is let in nor the end.
func TestAdmitCrowd(t *testing.T) {
	keeper := &doorkeeper{out: &Refusal{Text: "Non."}}
	answer, callers := echo(t)
	l := open(t, "tcp://127.0.0.1:0", Options{Admit: keeper.admit}, answer)
	var crowd []net.Conn
	for range 4 * maxParting {
		crowd = append(crowd, dial(t, l))
	}
	began := time.Now()
	for _, conn := range crowd { // they listen, and say nothing
		if got, err := io.ReadAll(conn); string(got) != "Non.\r\n" || err != nil {
			t.Fatalf("of the crowd one is told %q, %v", got, err)
		}
	}
	keeper.says(nil)
	dial(t, l)
	await(t, callers)
	if took := time.Since(began); took > maxParting*partingTime/2 {
		t.Errorf("it took %v", took)
	}
	for late := time.Now().Add(patience); l.parting.Load() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%d stay", l.parting.Load())
		}
	}
}
