// Package emulator is the Minitel in the browser: the page that a gateway answers
// browsers with, and that calls the gateway it came from.
package emulator

import (
	"embed"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"moip/internal/picture"
	"moip/internal/webpage"
)

//go:embed page
var files embed.FS

// policy lets the page have nothing but what comes from where it came from, and
// the pictures that it makes itself; nor may it make elements or code of text. Any
// page may have it in a frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler returns what answers browsers. It looks at the last part of a path only,
// so that the page may be at any address, as behind a proxy.
func Handler() http.Handler {
	page := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		if page.Has(name) || strings.Contains(name, ".") {
			page.Serve(w, r, name)
		} else {
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

func load() *webpage.Page {
	folder, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // it is in the program
	}
	p := webpage.Load(folder, policy)
	p.Add("font", picture.FontData())
	return p
}
