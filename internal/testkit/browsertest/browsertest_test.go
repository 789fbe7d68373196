package browsertest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Tests{M: m}) }

// serve serves a page under a strict policy, with a script beside it.
func serve(t *testing.T, page, script string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src *")
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte("<!doctype html><title>page</title>" + page + "<script type=module src=script.js></script>"))
		case "/favicon.ico":
			w.WriteHeader(http.StatusNoContent)
		case "/script.js":
			w.Header().Set("Content-Type", "text/javascript")
			w.Write([]byte(script))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestOpen(t *testing.T) {
	url := serve(t, "", "document.title = localStorage.seen || 'new'; localStorage.seen = 'seen'; console.warn('not a complaint')")
	for range 2 { // the second knows nothing of the first
		t.Run("tab", func(t *testing.T) {
			tab := Open(t)
			if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
				t.Fatal(err)
			}
			title, err := chromedp.Run(tab, chromedp.Title())
			if err != nil || title != "new" {
				t.Errorf("%q, %v", title, err)
			}
		})
	}
}

func TestComplaints(t *testing.T) {
	for name, c := range map[string]struct{ page, script, complaint string }{
		"exception": {"", "throw new Error('thrown')", "Error: thrown"},
		"rejection": {"", "Promise.reject(new Error('rejected'))", "Error: rejected"},
		"console":   {"", "console.error('on the', 'console')", `console: "on the" "console"`},
		"style":     {"<p style='color: red'>", "", "Content Security Policy"},
		"socket":    {"", "try { new WebSocket('ws://192.0.2.1/') } catch {}", "Content Security Policy"},
		"missing":   {"<img src=missing.png>", "", "404"},
		"elsewhere": {"<img src=http://224.0.0.1/>", "", "another machine: http://224.0.0.1/"}, // which TCP refuses at once
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, c.page, c.script)
			tab, finish, err := open()
			if err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
				t.Error(err)
			}
			complaints, err := finish()
			if err != nil || !strings.Contains(strings.Join(complaints, "\n"), c.complaint) {
				t.Errorf("complaints %q, %v", complaints, err)
			}
		})
	}
}
