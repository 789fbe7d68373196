package emulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// TestLine has the page's line hear messages of all kinds, and send a key.
func TestLine(t *testing.T) {
	sent := make(chan string, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			t.Error(err)
			return
		}
		kind, p, _ := conn.Read(r.Context())
		sent <- kind.String() + " " + string(p)
		conn.Write(r.Context(), websocket.MessageBinary, []byte("a\x00\xE9\xFF"))
		conn.Write(r.Context(), websocket.MessageText, []byte("b\u00E9\u00FF"))
		conn.Write(r.Context(), websocket.MessageText, nil)
		conn.Write(r.Context(), websocket.MessageText, []byte(`✉{"event":"redirected","service":"SALON"}`))
		fragments, _ := conn.Writer(r.Context(), websocket.MessageText)
		for _, part := range []string{"c", "d"} {
			fragments.Write([]byte(part))
		}
		fragments.Close()
		conn.Close(websocket.StatusNormalClosure, "")
	}))
	t.Cleanup(gateway.Close)
	d := newDecoder(t)
	got, err := chromedp.Run(d.tab, chromedp.Evaluate[string](`import('/page/line.js').then(({ Line }) => new Promise(done => {
		const heard = [], line = new Line('`+strings.Replace(gateway.URL, "http", "ws", 1)+`', {
			deliver: p => heard.push(Array.from(p, b => b.toString(16)).join(' ')),
			news: n => heard.push(n.event + ' ' + n.service),
			changed: s => s === 'open' ? line.send('\x13A') : s === 'ended' && done(heard.join(', ')),
		});
		line.call();
	}))`, chromedp.EvalAwaitPromise))
	if want := "61 0 e9 ff, 62 e9 ff, redirected SALON, 63 64"; got != want || err != nil {
		t.Errorf("heard %q, %v, want %q", got, err, want)
	}
	if got, want := <-sent, "MessageText \x13A"; got != want {
		t.Errorf("the gateway got %q, want %q", got, want)
	}
}

// A gateway that is full is called again, but not at once, though it has sent a page.
func TestLineBusy(t *testing.T) {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write(r.Context(), websocket.MessageText, []byte("busy"))
		conn.Close(websocket.StatusTryAgainLater, "too many calls")
	}))
	t.Cleanup(gateway.Close)
	d := newDecoder(t)
	got, err := chromedp.Run(d.tab, chromedp.Evaluate[float64](`import('/page/line.js').then(({ Line }) => new Promise(done => {
		const line = new Line('`+strings.Replace(gateway.URL, "http", "ws", 1)+`', {
			deliver: () => {}, news: () => {}, changed: (s, seconds) => { if (s === 'broken') { line.stop(); done(seconds); } },
		});
		line.call();
	}))`, chromedp.EvalAwaitPromise))
	if got < 10 || got > 30 || err != nil {
		t.Errorf("it is called again in %v s, %v", got, err)
	}
}
