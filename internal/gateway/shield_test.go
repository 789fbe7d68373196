package gateway

import (
	"strings"
	"testing"

	"moip/internal/downstream"
)

// A browser at the wrong port is told where to go by the name that it came by, and nothing
// that it says of itself stands in what it is told.
func TestWrongPort(t *testing.T) {
	for scheme, web := range map[string]string{"ws": "http", "wss": "https"} {
		g := &gateway{}
		g.browse.Store(web + "://*:9001/")
		for host, want := range map[string]string{
			"minitel.example:9000":   web + "://minitel.example:9001/",
			"minitel.example":        web + "://minitel.example:9001/",
			"192.0.2.1:9000":         web + "://192.0.2.1:9001/",
			"[2001:db8::1]:9000":     web + "://[2001:db8::1]:9001/",
			"\"><script>alert(1)":    "",
			"a/b:9000":               "",
			"user@evil:9000":         "",
			"":                       "",
			strings.Repeat("x", 300): "",
			"evil\x00.example":       "",
		} {
			told := string(g.wrongPort([]byte("GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
			if !strings.HasPrefix(told, "HTTP/1.1 400 ") || strings.Contains(told, "href") != (want != "") || want != "" && !strings.Contains(told, `"`+want+`"`) {
				t.Errorf("%s, for %q: %s", scheme, host, told)
			}
			if strings.Contains(told, "script") || strings.Contains(told, "evil") {
				t.Errorf("it is told %s", told)
			}
		}
	}
	g := &gateway{}
	if told := string(g.wrongPort([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))); strings.Contains(told, "href") {
		t.Errorf("without a page it is told %s", told)
	}
	l, err := downstream.Listen("ws://127.0.0.1:0", downstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g.listeners = []*downstream.Listener{l}
	g.noteBrowse()
	if at := g.page("x:1"); at != "http"+strings.TrimPrefix(strings.Replace(l.URI(), "127.0.0.1", "x", 1), "ws")+"/" {
		t.Errorf("of %s the page is %s", l.URI(), at)
	}
}
