// Package webpage serves the files of a page of the web to browsers, under a policy of
// what the page may do.
package webpage

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// A Page is some files by their names.
type Page struct {
	policy string
	files  map[string]file
}

// A file is something that browsers ask for.
type file struct {
	kind, tag string
	content   []byte
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

// Load returns a Page of the files of a folder, which are part of the program: it panics
// if it cannot read them, or if one has an ending that it does not know. The page itself,
// index.html, has no name too. The policy is what the header Content-Security-Policy says.
func Load(folder fs.FS, policy string) *Page {
	p := &Page{policy, map[string]file{}}
	names, err := fs.Glob(folder, "*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			panic(err)
		}
		p.Add(name, content)
	}
	p.files[""] = p.files["index.html"]
	return p
}

// Add adds a file.
func (p *Page) Add(name string, content []byte) {
	kind, known := kinds[path.Ext(name)]
	if !known {
		panic(name + ": of what kind is it?")
	}
	p.files[name] = file{kind, fmt.Sprintf(`"%x"`, sha256.Sum256(content))[:20] + `"`, content}
}

// Has reports whether the page has a file.
func (p *Page) Has(name string) bool {
	_, known := p.files[name]
	return known
}

// Size returns how many bytes there are in all.
func (p *Page) Size() (n int) {
	for name, f := range p.files {
		if name != "" { // index.html, once
			n += len(f.content)
		}
	}
	return n
}

// Serve answers a request for a file, GET or HEAD.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request, name string) {
	f, known := p.files[name]
	if !known {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", f.kind)
	header.Set("Content-Security-Policy", p.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // asks each time whether it is still the same
	header.Set("ETag", f.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
