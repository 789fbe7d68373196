//go:build !race

package gateway

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"moip/internal/config"
	"moip/videotex"
)

// TestRelayAllocatesNothing takes keys through a gateway as it comes, by real sockets, to a
// service that echoes each, and counts what all of it puts on the heap meanwhile.
func TestRelayAllocatesNothing(t *testing.T) {
	key, echo := []byte{videotex.SEP, 0x48}, []byte("x") // Suite, which is of two bytes
	masked := func(p []byte) []byte { return ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(p))) }
	plain := func(p []byte) []byte { return ws.MustCompileFrame(ws.NewTextFrame(p)) }
	for _, c := range []struct {
		caller, service string
		pressed, heard  []byte // of the caller: what it sends, and what comes back
		arrives, echoed []byte // of the service: what comes, and what it sends
	}{
		{"ws", "ws", masked(key), plain(echo), masked(key), plain(echo)},
		{"telnet", "ws", key, echo, masked(key), plain(echo)},
		{"tcp", "tcp", key, echo, key, echo},
	} {
		t.Run(c.caller+" to "+c.service, func(t *testing.T) {
			service, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer service.Close()
			go func() {
				conn, err := service.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if c.service == "ws" {
					if _, err := ws.Upgrade(conn); err != nil {
						return
					}
				}
				for in := make([]byte, len(c.arrives)); ; { // every frame has as many bytes
					if _, err := io.ReadFull(conn, in); err != nil {
						return
					}
					conn.Write(c.echoed)
				}
			}()
			g := wholeGateway(t, func(cfg *config.Config) {
				cfg.Listen = []string{c.caller + "://127.0.0.1:0"}
				cfg.Portal.URL = c.service + "://" + service.Addr().String()
			})
			caller, err := net.Dial("tcp", g.listeners[0].Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			caller.SetDeadline(time.Now().Add(time.Minute))
			if c.caller == "ws" {
				if _, _, err := (ws.Dialer{}).Upgrade(caller, &url.URL{Host: "localhost"}); err != nil {
					t.Fatal(err)
				}
			}
			in := make([]byte, 64)
			press := func() {
				caller.Write(c.pressed)
				for n := 0; !bytes.HasSuffix(in[:n], c.heard); { // telnet's greeting may come before it
					more, err := caller.Read(in[n:])
					if err != nil {
						t.Fatal(err)
					}
					n += more
				}
			}
			const keys = 10_000
			for range keys { // all that grows has grown
				press()
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range keys {
				press()
			}
			runtime.ReadMemStats(&after)
			n := after.Mallocs - before.Mallocs
			t.Logf("%d allocations for %d keys", n, keys)
			if n > keys/50 { // a collection has pools forget, and operators' figures are gathered
				t.Errorf("%d allocations for %d keys and their echoes", n, keys)
			}
		})
	}
}
