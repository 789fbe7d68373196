package pymoip

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A server sees a gateway that comes, says nothing and goes.
func TestKnock(t *testing.T) {
	s := newServer(t, nil)
	done := make(chan *peer)
	go func() { done <- s.link(t) }()
	name, err := Knock(t.Context(), Options{URL: "ws" + strings.TrimPrefix(s.URL, "http")})
	if err != nil || name != "" {
		t.Errorf("%q, %v", name, err)
	}
	p := <-done
	if got := websocket.CloseStatus(p.lost()); got != websocket.StatusNormalClosure {
		t.Errorf("the server sees %v", got)
	}
	if got := p.from.Header.Get("Sec-Websocket-Protocol"); got != "binary,tty" {
		t.Errorf("offered %q", got)
	}
	s.refuse.Store(true)
	if _, err := Knock(t.Context(), Options{URL: "ws" + strings.TrimPrefix(s.URL, "http")}); err == nil || err.Error() != "it answers 503: down" {
		t.Error(err)
	}
}

// What is no command port.
func TestKnockElsewhere(t *testing.T) {
	for name, test := range map[string]struct {
		play http.HandlerFunc
		want string
	}{
		"no WebSocket": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a\x1bb")) }, "it answers 200: a b"},
		"speaks": {func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			conn.Write(context.Background(), websocket.MessageText, []byte("page"))
			conn.Read(context.Background())
		}, "it speaks or closes at once"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(test.play)
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := Knock(ctx, Options{URL: s.URL}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
}
