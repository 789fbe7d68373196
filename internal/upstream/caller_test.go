package upstream

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"moip/internal/session"
)

// at returns where a caller is, nil for an empty text.
func at(caller string) *netip.AddrPort {
	if caller == "" {
		return nil
	}
	var a netip.AddrPort // zero if caller is no address
	a.UnmarshalText([]byte(caller))
	return &a
}

// The line comes before all else, and only where it is asked for.
func TestProxyLine(t *testing.T) {
	// What a service hears first, without the line.
	first := map[string]string{"tcp": "key", "telnet": "key", "ws": "GET / HTTP/1.1\r\n", "wss": "\x16\x03"}
	for _, test := range []struct{ caller, host, want string }{
		{"192.0.2.7:4000", "127.0.0.1", "PROXY TCP4 192.0.2.7 127.0.0.1 4000 PORT\r\n"},
		{"[::ffff:192.0.2.7]:65535", "127.0.0.1", "PROXY TCP4 192.0.2.7 127.0.0.1 65535 PORT\r\n"},
		{"[2001:db8::7]:1", "::1", "PROXY TCP6 2001:db8::7 ::1 1 PORT\r\n"},
		{"[fe80::7%eth0]:1", "::1", "PROXY TCP6 fe80::7 ::1 1 PORT\r\n"},
		{"192.0.2.7:4000", "::1", "PROXY UNKNOWN\r\n"},
		{"[2001:db8::7]:1", "127.0.0.1", "PROXY UNKNOWN\r\n"},
		{"nowhere", "127.0.0.1", "PROXY UNKNOWN\r\n"},
		{"", "127.0.0.1", "PROXY UNKNOWN\r\n"},
	} {
		for scheme, first := range first {
			for told, line := range map[session.RealIP]string{session.RealIPProxy: test.want, session.RealIPNone: ""} {
				heard := make(chan string, 1)
				address := service(t, test.host, func(conn net.Conn) {
					_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
					line = strings.Replace(line, "PORT", port, 1)
					p := make([]byte, len(line+first))
					n, _ := io.ReadFull(conn, p)
					heard <- string(p[:n])
				})
				e, err := dial(t, session.Route{URL: scheme + "://" + address, RealIP: told, Caller: at(test.caller)})
				if err == nil { // no WebSocket, which gets no answer
					e.Send([]byte("key"))
				}
				if got := <-heard; got != line+first {
					t.Errorf("%s from %q: heard %q, want %q", scheme, test.caller, got, line+first)
				}
			}
		}
	}
}

// What is behind the line can be TLS.
func TestProxyLineBeforeTLS(t *testing.T) {
	file, certificate := authority(t, "127.0.0.1")
	const line = "PROXY UNKNOWN\r\n"
	url := "wss://" + service(t, "127.0.0.1", func(conn net.Conn) {
		p := make([]byte, len(line))
		if io.ReadFull(conn, p); string(p) != line {
			t.Errorf("heard %q", p)
		}
		shake(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}}), accepted+"\r\n", nil)
	})
	reach(t, session.Route{URL: url, CA: file, RealIP: session.RealIPProxy}).Close()
}

func TestForwardedFor(t *testing.T) {
	for caller, want := range map[string]string{
		"192.0.2.7:4000":          "X-Forwarded-For: 192.0.2.7",
		"[::ffff:192.0.2.7]:4000": "X-Forwarded-For: 192.0.2.7",
		"[fe80::7%eth0]:4000":     "X-Forwarded-For: fe80::7",
		"nowhere":                 "",
		"":                        "",
	} {
		for _, told := range []session.RealIP{session.RealIPForwardedFor, session.RealIPNone, session.RealIPProxy} {
			heard := make(chan string, 1)
			url := handmade(t, accepted+"\r\n", heard)
			reach(t, session.Route{URL: url, RealIP: told, Caller: at(caller)}).Close()
			lines := strings.Split(<-heard, "\n")
			if told == session.RealIPForwardedFor && want != "" && !slices.Contains(lines, want) {
				t.Errorf("from %q: heard %q, without %s", caller, lines, want)
			}
			if i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "X-") }); i >= 0 &&
				(told != session.RealIPForwardedFor || lines[i] != want) {
				t.Errorf("from %q, told by %q: heard %s", caller, told, lines[i])
			}
		}
	}
}
