package upstream

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

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

// The same of version 2, read by who else knows it. It tells of two families as of one.
func TestProxyV2(t *testing.T) {
	for _, test := range []struct{ caller, host, want string }{
		{"192.0.2.7:4000", "127.0.0.1", "192.0.2.7:4000"},
		{"[::ffff:192.0.2.7]:65535", "127.0.0.1", "192.0.2.7:65535"},
		{"[2001:db8::7]:1", "::1", "[2001:db8::7]:1"},
		{"[fe80::7%eth0]:1", "::1", "[fe80::7]:1"},
		{"192.0.2.7:4000", "::1", "192.0.2.7:4000"},
		{"[2001:db8::7]:1", "127.0.0.1", "[2001:db8::7]:1"},
		{"nowhere", "127.0.0.1", ""},
		{"", "127.0.0.1", ""},
	} {
		for scheme, first := range map[string]string{"tcp": "key", "telnet": "key", "ws": "GET / HTTP/1.1\r\n", "wss": "\x16\x03"} {
			heard := make(chan string, 1)
			address := service(t, test.host, func(conn net.Conn) {
				r := bufio.NewReader(conn)
				header, err := proxyproto.Read(r)
				behind := make([]byte, len(first))
				io.ReadFull(r, behind)
				switch {
				case err != nil || header.Version != 2 || string(behind) != first:
					heard <- fmt.Sprint(header, err, string(behind))
				case header.SourceAddr == nil:
					heard <- ""
				default:
					source := header.SourceAddr.(*net.TCPAddr).AddrPort()
					heard <- netip.AddrPortFrom(source.Addr().Unmap(), source.Port()).String()
				}
			})
			e, err := dial(t, session.Route{URL: scheme + "://" + address, RealIP: session.RealIPProxyV2, Caller: at(test.caller)})
			if err == nil { // no WebSocket, which gets no answer
				e.Send([]byte("key"))
			}
			if got := <-heard; got != test.want {
				t.Errorf("%s from %q: heard %s, want %q", scheme, test.caller, got, test.want)
			}
		}
	}
}

// A telnet service is told by the option, in its turn; one that only looks like one, not.
func TestSendLocation(t *testing.T) {
	for _, test := range []struct {
		caller     string
		told       session.RealIP
		asks, want string
	}{
		{"192.0.2.7:4000", session.RealIPLocation, "\xff\xfd\x17", "\xff\xfb\x17\xff\xfa\x17192.0.2.7\xff\xf0key"},
		{"[2001:db8::7]:4000", session.RealIPLocation, "\xff\xfd\x17", "\xff\xfb\x17\xff\xfa\x172001:db8::7\xff\xf0key"},
		{"192.0.2.7:4000", session.RealIPLocation, "\xff\xfb\x01", "\xff\xfb\x17\xff\xfd\x01key"},
		{"192.0.2.7:4000", session.RealIPLocation, "page", "key"},
		{"192.0.2.7:4000", session.RealIPNone, "\xff\xfd\x17", "\xff\xfc\x17key"},
		{"nowhere", session.RealIPLocation, "\xff\xfd\x17", "\xff\xfc\x17key"},
		{"", session.RealIPLocation, "\xff\xfd\x17", "\xff\xfc\x17key"},
	} {
		heard := make(chan string, 1)
		address := service(t, "127.0.0.1", func(conn net.Conn) {
			io.WriteString(conn, test.asks+"?")
			p := make([]byte, len(test.want))
			n, _ := io.ReadFull(conn, p)
			heard <- string(p[:n])
		})
		e := reach(t, session.Route{URL: "telnet://" + address, RealIP: test.told, Caller: at(test.caller)})
		for p, err := []byte{}, error(nil); !bytes.HasSuffix(p, []byte("?")); {
			if p, err = e.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		e.Send([]byte("key"))
		if got := <-heard; got != test.want {
			t.Errorf("from %q: heard %q, want %q", test.caller, got, test.want)
		}
	}
}

// The same is told by the header of RFC 7239.
func TestForwarded(t *testing.T) {
	for caller, want := range map[string]string{
		"192.0.2.7:4000":     "Forwarded: for=192.0.2.7",
		"[fe80::7%eth0]:400": `Forwarded: for="[fe80::7]"`,
		"nowhere":            "",
	} {
		heard := make(chan string, 1)
		reach(t, session.Route{URL: handmade(t, accepted+"\r\n", heard), RealIP: session.RealIPForwarded, Caller: at(caller)}).Close()
		var got []string
		for line := range strings.SplitSeq(<-heard, "\n") {
			if strings.Contains(strings.ToLower(line), "forwarded") {
				got = append(got, line)
			}
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("from %q: heard %q, want %q", caller, got, want)
		}
	}
}

// What a service cannot be told so is an error.
func TestRealIPFits(t *testing.T) {
	for url, fits := range map[string][]session.RealIP{
		"ws://h":      {session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2, session.RealIPForwardedFor, session.RealIPForwarded},
		"wss://h":     {session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2, session.RealIPForwardedFor, session.RealIPForwarded},
		"telnet://h":  {session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2, session.RealIPLocation},
		"tcp://h:1":   {session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2},
		"telnets://h": {session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2, session.RealIPLocation},
		"tcps://h:1":  {session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2},
	} {
		for _, told := range []session.RealIP{
			session.RealIPNone, session.RealIPProxy, session.RealIPProxyV2, session.RealIPForwardedFor,
			session.RealIPForwarded, session.RealIPLocation, "proxy", "x-real-ip",
		} {
			if err := Check(session.Route{URL: url, RealIP: told}); (err == nil) != slices.Contains(fits, told) {
				t.Errorf("%s told by %q: %v", url, told, err)
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
