package downstream

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Whoever says nothing, or says it byte by byte, or has nothing more to say, is gone when
// the time for handshakes is over, and counted no more.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	c := &counter{}
	o := c.options()
	o.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "page")
	})
	l := open(t, "ws://127.0.0.1:0", o, nobody(t))
	var slow sync.WaitGroup
	for name, first := range map[string]string{
		"nothing":       "",
		"a slow header": "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: ",
		"a slow body":   "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
		"only a page":   "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		conn := dial(t, l)
		conn.SetDeadline(time.Now().Add(2 * handshakeTime))
		began := time.Now()
		io.WriteString(conn, first)
		if name != "only a page" && name != "nothing" {
			slow.Go(func() {
				for {
					time.Sleep(handshakeTime / 20)
					if _, err := io.WriteString(conn, "x"); err != nil {
						return
					}
				}
			})
		}
		slow.Go(func() {
			io.ReadAll(conn)
			conn.Close()
			if took := time.Since(began); took < handshakeTime/2 || took > handshakeTime*3/2 {
				t.Errorf("%s: it is gone after %v", name, took)
			}
		})
	}
	c.settles(t, 0, 4)
	slow.Wait()
	c.settles(t, 0, 0)
}
