package emulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// get asks for a path.
func get(method, path string, header http.Header) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestHandler(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		kind, to     string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/index.html", 200, "text/html; charset=utf-8", ""},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/main.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/minitel.css", 200, "text/css; charset=utf-8", ""},
		{"GET", "/icon.svg", 200, "image/svg+xml", ""},
		{"GET", "/font", 200, "application/octet-stream", ""},
		{"GET", "/museum/minitel/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/museum/minitel/font", 200, "application/octet-stream", ""},
		{"GET", "/museum/minitel?speed=1200&x=%0d", 302, "", "./minitel/?speed=1200&x=%0d"},
		{"GET", "/a:b", 302, "", "./a:b/"},
		{"GET", "//elsewhere", 302, "", "./elsewhere/"},
		{"GET", "/.env", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/wp-login.php", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/page/main.js.map", 404, "text/plain; charset=utf-8", ""},
		{"POST", "/", 405, "text/plain; charset=utf-8", ""},
		{"OPTIONS", "/", 405, "text/plain; charset=utf-8", ""},
	} {
		r := get(test.method, test.path, nil)
		if r.StatusCode != test.status || r.Header.Get("Content-Type") != test.kind || r.Header.Get("Location") != test.to {
			t.Errorf("%s %s: %d, %q, to %q", test.method, test.path, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Location"))
		}
		if test.status == 200 && !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "default-src 'none';") {
			t.Errorf("%s: policy %q", test.path, r.Header.Get("Content-Security-Policy"))
		}
	}
}

// maxSize is what a phone on a slow line should have to load at the most.
const maxSize = 60_000

func TestSize(t *testing.T) {
	size := load().Size()
	t.Logf("%d bytes in all", size)
	if size >= maxSize {
		t.Errorf("%d bytes, want less than %d", size, maxSize)
	}
}
