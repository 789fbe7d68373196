package webpage

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

func get(p *Page, name string, header http.Header) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = header
	p.Serve(w, r, name)
	return w.Result()
}

func TestServe(t *testing.T) {
	p := Load(fstest.MapFS{"index.html": {Data: []byte("<p>")}, "a.js": {Data: []byte("1")}}, "default-src 'none'")
	p.Add("font", []byte{0, 1})
	for _, test := range []struct {
		name   string
		status int
		kind   string
	}{
		{"", 200, "text/html; charset=utf-8"},
		{"index.html", 200, "text/html; charset=utf-8"},
		{"a.js", 200, "text/javascript; charset=utf-8"},
		{"font", 200, "application/octet-stream"},
		{"b.js", 404, "text/plain; charset=utf-8"},
		{"../a.js", 404, "text/plain; charset=utf-8"},
	} {
		r := get(p, test.name, nil)
		if r.StatusCode != test.status || r.Header.Get("Content-Type") != test.kind {
			t.Errorf("%q: %d, %q", test.name, r.StatusCode, r.Header.Get("Content-Type"))
		}
		if p.Has(test.name) != (test.status == 200) {
			t.Errorf("%q: it has it %v", test.name, p.Has(test.name))
		}
		if policy := r.Header.Get("Content-Security-Policy"); test.status == 200 && policy != "default-src 'none'" {
			t.Errorf("%q: policy %q", test.name, policy)
		}
	}
	if n := p.Size(); n != 6 {
		t.Errorf("%d bytes, want 6", n)
	}
}

// Who has a file is not sent it again, unless it is another.
func TestUnchanged(t *testing.T) {
	p := Load(fstest.MapFS{"index.html": {}, "a.js": {Data: []byte("1")}}, "")
	tag := http.Header{"If-None-Match": {get(p, "a.js", nil).Header.Get("ETag")}}
	if r := get(p, "a.js", tag); r.StatusCode != http.StatusNotModified {
		t.Errorf("the same: %s", r.Status)
	}
	p.Add("a.js", []byte("2"))
	if r := get(p, "a.js", tag); r.StatusCode != http.StatusOK {
		t.Errorf("another: %s", r.Status)
	}
}

// A file that browsers would be told nothing about does not get into the program.
func TestUnknownKind(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a .exe is served")
		}
	}()
	Load(fstest.MapFS{"index.html": {}, "a.exe": {}}, "")
}
