package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(target string) *http.Response {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w.Result()
}

func TestHandler(t *testing.T) {
	for target, want := range map[string]int{
		"/": 200, "/console/main.js": 200, "/console/console.css": 200, "/console/icon.svg": 200, "/minitel/tube.js": 200, "/minitel/font": 200,
		"/minitel/": 404, "/minitel/main.js": 404, "/minitel/index.html": 404, // a Minitel there would have nobody to call
		"/console/index.html": 200, "/console/none.js": 404, "/nowhere": 404, "/api/v2/calls": 404,
	} {
		if r := get(target); r.StatusCode != want {
			t.Errorf("%s: %s", target, r.Status)
		}
	}
	policy := get("/").Header.Get("Content-Security-Policy")
	for _, rule := range []string{"default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"} {
		if !strings.Contains(policy, rule) {
			t.Errorf("the policy %q lacks %s", policy, rule)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
		t.Errorf("the policy %q has a hole", policy)
	}
}

var imported = regexp.MustCompile(`(?:from|import) '([^']+)'`)

// All that a module imports is served, from the first one on.
func TestImports(t *testing.T) {
	known := map[string]bool{}
	var follow func(string)
	follow = func(module string) {
		if known[module] {
			return
		}
		known[module] = true
		r := get(module)
		var text strings.Builder
		if r.StatusCode != http.StatusOK || r.Write(&text) != nil {
			t.Fatalf("%s: %s", module, r.Status)
		}
		for _, m := range imported.FindAllStringSubmatch(text.String(), -1) {
			if to := m[1]; path.IsAbs(to) {
				follow(to)
			} else {
				follow(path.Join(path.Dir(module), to))
			}
		}
	}
	follow("/console/main.js")
	for _, name := range tube {
		if !known["/minitel/"+name] && name != "font" {
			t.Errorf("%s is served, and nothing needs it", name)
		}
	}
	names, err := fs.Glob(files, "page/*.js")
	if err != nil || len(names) == 0 {
		t.Fatal("no modules", err)
	}
	for _, name := range names {
		if !known["/console/"+path.Base(name)] {
			t.Errorf("%s is in the program, and nothing needs it", name)
		}
	}
}

// maxSize is what the page may have: so small that it stays plain.
const maxSize = 75_000

func TestSize(t *testing.T) {
	size := load().Size()
	t.Logf("%d bytes in all", size)
	if size >= maxSize {
		t.Errorf("%d bytes, want less than %d", size, maxSize)
	}
}
