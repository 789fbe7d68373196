package downstream

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"moip/internal/proxied"
	"moip/internal/session"
)

// Who has to make room while it is held is no call, and is counted no more; no proxy is
// told off for that, nor is anybody for a WebSocket that could not be granted.
func TestCrowdedOut(t *testing.T) {
	for _, scheme := range []string{"tcp", "telnet", "ws"} {
		c, guard := &counter{}, newWatchman()
		guard.hold = make(chan struct{})
		o := c.options()
		o.Guard = guard
		l := open(t, scheme+"://127.0.0.1:0", o, nobody(t))
		conn := dial(t, l)
		if scheme == "ws" {
			io.WriteString(conn, handshake())
		}
		await(t, guard.holds)
		c.mu.Lock()
		for _, out := range c.closable {
			out()
		}
		c.mu.Unlock()
		io.ReadAll(conn)
		close(guard.hold)
		c.settles(t, 0, 0)
		l.Close()
		<-l.served
		if told := guard.told(); len(told) > 0 {
			t.Errorf("by %s the guard is told %q", scheme, told)
		}
	}
}

// Who has to make room before its proxy has said who it is, is no fault of the proxy's.
func TestCrowdedOutBehindProxy(t *testing.T) {
	for _, scheme := range []string{"tcp", "ws"} {
		c := &counter{}
		o, refused := behind("")
		o.Arrive = c.arrive
		l := open(t, scheme+"://127.0.0.1:0?proxy=on", o, nobody(t))
		conn := dialFrom(t, l, atProxy)
		io.WriteString(conn, "PROXY TCP4 192.")
		c.settles(t, 0, 1)
		time.Sleep(10 * time.Millisecond) // or it is not waited for yet, which is no different
		c.mu.Lock()
		c.closable[0]()
		c.mu.Unlock()
		c.settles(t, 0, 0)
		if all := refused.all(); len(all) > 0 {
			t.Errorf("by %s is refused %q", scheme, all)
		}
	}
}

// The header of a proxy comes before TLS, and says who calls: for admission, limits and
// the call alike.
func TestSecureBehindProxy(t *testing.T) {
	for _, scheme := range []string{"tcps", "telnets", "wss"} {
		c, keeper := &counter{}, &doorkeeper{}
		o, refused := behind(proxied.XForwardedFor)
		o.Admit, o.Enter, o.Arrive = keeper.admit, c.enter, c.arrive
		o, trust := withTLS(t, o)
		ended := make(chan bool, len(proxyHeaders))
		callers := make(chan session.Caller, 1)
		l := open(t, scheme+"://127.0.0.1:0?proxy=on", o, func(e session.Endpoint, from session.Caller) {
			callers <- from
			go func() {
				for err := error(nil); err == nil; {
					_, err = e.Receive()
				}
				e.Close()
				ended <- true
			}()
		})
		for header, want := range proxyHeaders {
			conn := dialFrom(t, l, atProxy)
			io.WriteString(conn, header)
			caller := tls.Client(conn, trust)
			if scheme == "wss" {
				if w, _ := shake(t, caller, "X-Forwarded-For: 203.0.113.1"); w.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("%q: %s", header, w.Status)
				}
			} else if err := caller.Handshake(); err != nil {
				t.Fatal(err)
			}
			if from := await(t, callers); from.Addr != want || from.Transport != scheme {
				t.Errorf("%q: the caller is %+v", header, from)
			}
			if heard := keeper.heard(); heard[len(heard)-1] != want.String()+" "+scheme {
				t.Errorf("it was asked of %s", heard)
			}
			c.settles(t, 1, 0)
			conn.Close()
			await(t, ended)
			c.settles(t, 0, 0)
		}
		if all := refused.all(); len(all) > 0 {
			t.Errorf("refused: %q", all)
		}
	}
}
