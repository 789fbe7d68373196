package doctor

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"moip/internal/directory"
	"moip/internal/session"
	"moip/internal/upstream"
	"moip/videotex"
)

// Whatever a service sends, what is said of it is short and can be shown.
func FuzzContent(f *testing.F) {
	f.Add([]byte(first))
	f.Add([]byte("\xff\xfb\x01\xff\xff\xff\xfd"))
	f.Add([]byte("\x1b[2J\x1b9{\x05\x1ba"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Add(even(first))
	f.Fuzz(func(t *testing.T, p []byte) {
		a := about(p)
		if (a.kind == nothing) != (len(p) == 0) || a.parity && a.eight {
			t.Errorf("%+v", a)
		}
		for _, said := range append(negotiations(p), a.asks...) {
			if len(said) > 80 || strings.ContainsFunc(said, unicode.IsControl) {
				t.Errorf("%q", said)
			}
		}
		c := call{screen: videotex.NewScreen(), total: len(p)}
		c.screen.Write(p)
		for _, row := range append(c.page(), c.glance()) {
			if len([]rune(row)) > 100 || strings.ContainsFunc(row, unicode.IsControl) {
				t.Errorf("%q", row)
			}
		}
	})
}

// What is for a directory, a directory takes.
func FuzzEntry(f *testing.F) {
	for _, url := range []string{"ws://go.minipavi.fr:8182", "wss://a:b@x.y/z?q#", "tcp:[::1]:99", "telnet://é.fr", "ws:h:1:/p", "ws://www.ws.wss"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if upstream.Check(session.Route{URL: url}) != nil || !utf8.ValidString(url) {
			return
		}
		e := &examination{route: session.Route{URL: url}, keys: []key{
			{name: "fin", value: `"close"`, why: "x"}, {name: "echo", value: "true", why: "y", maybe: true},
		}}
		d, err := directory.Parse("entry", []byte(e.entry()))
		if err != nil {
			t.Fatalf("%v of\n%s", err, e.entry())
		}
		if s := d.Services()[0]; s.URL != url || s.Fin != session.FinClose {
			t.Errorf("%+v of\n%s", s, e.entry())
		}
	})
}

func FuzzCertificates(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if all, err := certificates(p); err == nil && len(all) == 0 {
			t.Error("none, and no error")
		}
	})
}

func TestCode(t *testing.T) {
	for url, want := range map[string]string{
		"ws://3611.re/ws": "3611", "wss://go.minipavi.fr:8181": "MINIPAVI", "ws://localhost:9001": "SERVICE",
		"tcp://[::1]:1": "SERVICE", "tcp:glasstty.com:6502": "GLASSTTY", "ws://www.example.org?x": "EXAMPLE", "wss://ws.fr/": "WS",
		"telnet://user:pw@a-very-long-name-of-a-host.example": "A-VERY-LONG-NAME-OF-",
	} {
		if got := codeOf(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
