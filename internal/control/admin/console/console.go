// Package console is the operators' page of the web. All it knows, it has from the API of
// control/admin, as moip ctl has, and all it orders goes there.
package console

import (
	"embed"
	"io/fs"
	"net/http"

	"moip/internal/emulator"
	"moip/internal/webpage"
)

//go:embed page
var files embed.FS

// policy lets the page have nothing but what comes from where it came from, and make
// neither elements nor code of text: what callers and services say of themselves is in
// it. No page of another site may have it in a frame, where it could lure clicks.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// tube is what the page has of the Minitel in the browser: that which draws a screen.
var tube = []string{"tube.js", "cell.js", "screen.js", "terminal.js", "parser.js", "drcs.js", "font"}

// Handler returns what answers browsers, with the page at /.
func Handler() http.Handler {
	page, minitel, mux := load(), emulator.Handler(), http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { page.Serve(w, r, "") })
	mux.HandleFunc("GET /console/{name}", func(w http.ResponseWriter, r *http.Request) { page.Serve(w, r, r.PathValue("name")) })
	for _, name := range tube {
		mux.Handle("GET /minitel/"+name, minitel)
	}
	return mux
}

func load() *webpage.Page {
	folder, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // it is in the program
	}
	return webpage.Load(folder, policy)
}
