package pymoip

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"moip/internal/testkit/logtest"
)

const mine, others = "gateway-0123456789abcdef", "another-0123456789abcdef"

// tokenFile returns a file of tokens.
func tokenFile(t *testing.T, tokens ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(strings.Join(tokens, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secured has a listener speak TLS, and returns the file of the authority that vouches for
// it as 127.0.0.1.
func secured(t *testing.T, l net.Listener) (_ net.Listener, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"http/1.1"}}), ca
}

// admits serves a Server's links at l until the test ends.
func admits(t *testing.T, l net.Listener, o ServerOptions) *Server {
	s := NewServer(o)
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	t.Cleanup(func() {
		s.Shutdown(context.Background())
		serving.Wait()
	})
	return s
}

func listens(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A portal takes links with its token, and others not; one that wants none takes all.
func TestLinkToken(t *testing.T) {
	var log logtest.Log
	plain, closed := listens(t), listens(t)
	safe, ca := secured(t, listens(t))
	tokens := tokenFile(t, "# of the museum", mine, "another-gateways-0123456789")
	admits(t, plain, ServerOptions{Log: log.Debug()})
	admits(t, closed, ServerOptions{TokenFile: tokens, Log: log.Debug()})
	admits(t, safe, ServerOptions{TokenFile: tokens, Log: log.Debug()})
	plainURL, closedURL, safeURL := "ws://"+plain.Addr().String(), "ws://"+closed.Addr().String(), "wss://"+safe.Addr().String()
	own, wrong := tokenFile(t, mine), tokenFile(t, others)
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{URL: plainURL}, ""},
		{Options{URL: plainURL, TokenFile: own}, ""},
		{Options{URL: closedURL, TokenFile: own}, ""},
		{Options{URL: closedURL}, "it answers 401: This portal wants a token of its gateways (MoIP's: link_token_file)."},
		{Options{URL: strings.Replace(closedURL, "//", "//me:"+mine+"@", 1)}, "it answers 401: This portal wants a token"},
		{Options{URL: closedURL, TokenFile: wrong}, "it answers 401: This portal does not know this token."},
		{Options{URL: closedURL, TokenFile: tokenFile(t, "short")}, "tokens:1: a token has 16 to 512 characters"},
		{Options{URL: closedURL, TokenFile: "none"}, "the token of the link: stat none: no such file"},
		{Options{URL: safeURL, TokenFile: own, CA: ca}, ""},
		{Options{URL: safeURL, CA: ca}, "it answers 401"},
		{Options{URL: safeURL, TokenFile: own}, "certificate signed by unknown authority"},
		{Options{URL: safeURL, TokenFile: own, CA: own}, "certificates to trust: there are none in " + own},
		{Options{URL: safeURL, TokenFile: own, CA: ca + "x"}, "certificates to trust: stat " + ca + "x: no such file"},
		{Options{URL: strings.Replace(safeURL, "127.0.0.1", "localhost", 1), TokenFile: own, CA: ca}, "certificate is valid for example.com"},
	} {
		_, err := Knock(t.Context(), test.o)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %s", test.o, err, test.want)
		}
	}
	if all := strings.Join(log.Lines("level=DEBUG"), "\n"); strings.Contains(all, mine) || strings.Contains(all, others) {
		t.Errorf("the log tells tokens:\n%s", all)
	}
}

// A PyMoIP server, which has not heard of tokens, is shown one and takes the link; a
// server that leads elsewhere does not get it there.
func TestLinkTokenElsewhere(t *testing.T) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL, TokenFile: tokenFile(t, mine), Retry: time.Millisecond})
	b.run()
	if got := s.link(t).from.Header.Get("Authorization"); got != "Bearer "+mine {
		t.Errorf("it is shown %q", got)
	}
	moved := httptest.NewServer(http.RedirectHandler(s.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	for _, file := range []string{tokenFile(t, mine), ""} { // nor does it have us ask what only we can reach
		if _, err := Knock(t.Context(), Options{URL: moved.URL, TokenFile: file}); err == nil || !strings.Contains(err.Error(), "it answers 307") {
			t.Errorf("with tokens in %q it is led elsewhere: %v", file, err)
		}
	}
}

// No page in a browser of this machine passes for a gateway, not even one whose own name is
// led here.
func TestLinkOfPage(t *testing.T) {
	l := listens(t)
	admits(t, l, ServerOptions{})
	host := "page.example:" + strings.Split(l.Addr().String(), ":")[1]
	conn, answer, err := websocket.Dial(t.Context(), "ws://"+l.Addr().String(), &websocket.DialOptions{
		Host: host, HTTPHeader: http.Header{"Origin": {"http://" + host}},
	})
	if err == nil {
		conn.CloseNow()
	}
	if answer == nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("it has a link: %v", err)
	}
}

// Who guesses is not listened to after ten tries.
func TestLinkGuessing(t *testing.T) {
	l := listens(t)
	admits(t, l, ServerOptions{TokenFile: tokenFile(t, mine)})
	wrong, right := Options{URL: "ws://" + l.Addr().String(), TokenFile: tokenFile(t, others)}, Options{URL: "ws://" + l.Addr().String(), TokenFile: tokenFile(t, mine)}
	for range 10 {
		if _, err := Knock(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "401") {
			t.Fatal(err)
		}
	}
	for _, o := range []Options{wrong, right} {
		if _, err := Knock(t.Context(), o); err == nil || !strings.Contains(err.Error(), "it answers 429") {
			t.Error(err)
		}
	}
}

// Without its file a portal takes no links, rather than all.
func TestLinkTokenMissing(t *testing.T) {
	l, tokens := listens(t), tokenFile(t, mine)
	admits(t, l, ServerOptions{TokenFile: tokens})
	o := Options{URL: "ws://" + l.Addr().String(), TokenFile: tokenFile(t, mine)}
	if err := os.Remove(tokens); err != nil {
		t.Fatal(err)
	}
	if _, err := Knock(t.Context(), o); err == nil || !strings.Contains(err.Error(), "it answers 503") {
		t.Error(err)
	}
}

// A link whose token is taken away ends; that the file is away for a while, ends none.
func TestLinkTokenRevoked(t *testing.T) {
	tokens := tokenFile(t, mine, others)
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(ServerOptions{TokenFile: tokens})
		dropped := func(shown string, want bool) {
			t.Helper()
			ctx, drop := context.WithCancelCause(t.Context())
			defer drop(nil)
			go s.watch(ctx, shown, drop)
			time.Sleep(recheck + time.Second)
			if got := context.Cause(ctx) == errRevoked; got != want {
				t.Errorf("the link is dropped: %v, want %v", got, want)
			}
		}
		dropped(mine, false)
		if err := os.WriteFile(tokens, []byte(others), 0o600); err != nil {
			t.Fatal(err)
		}
		dropped(mine, true)
		dropped(others, false)
		if err := os.Remove(tokens); err != nil {
			t.Fatal(err)
		}
		dropped(others, false)
	})
}
