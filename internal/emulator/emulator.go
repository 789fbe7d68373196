// Package emulator is the Minitel in the browser: the page that a gateway answers
// browsers with, and that calls the gateway it came from.
package emulator

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"moip/internal/picture"
)

//go:embed page
var page embed.FS

// policy lets the page have nothing but what comes from where it came from, and
// the pictures that it makes itself; nor may it make elements or code of text. Any
// page may have it in a frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// A file is something that browsers ask for.
type file struct {
	kind, tag string
	content   []byte
}

// Handler returns what answers browsers. It looks at the last part of a path only,
// so that the page may be at any address, as behind a proxy.
func Handler() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		f, known := files[name]
		switch {
		case known:
			f.serve(w, r)
		case strings.Contains(name, "."):
			http.NotFound(w, r)
		default:
			toFolder(w, r, name)
		}
	})
}

// toFolder sends a browser from /name to /name/, from where the page finds its
// other files. It says so in relation to /name: a proxy may know that by another
// address than we do.
func toFolder(w http.ResponseWriter, r *http.Request, name string) {
	to := url.URL{Path: "./" + name + "/", RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.kind)
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // asks each time whether it is still the same
	header.Set("ETag", f.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// load returns all files by their names: the page itself has none.
func load() map[string]file {
	files := map[string]file{}
	add := func(name, kind string, content []byte) {
		files[name] = file{kind, fmt.Sprintf(`"%x"`, sha256.Sum256(content))[:20] + `"`, content}
	}
	names, err := fs.Glob(page, "page/*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		content, err := page.ReadFile(name)
		if err != nil {
			panic(err) // it is in the program
		}
		add(path.Base(name), kinds[path.Ext(name)], content)
	}
	files[""] = files["index.html"]
	add("font", kinds[""], picture.FontData())
	return files
}

// kinds are the media types by the endings of names. The system's own list may
// be wrong.
var kinds = map[string]string{
	"":      "application/octet-stream",
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}
