package yellowpages

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	edition1 = `{"servers": [{"name": "A", "address": "tcp://a:1"}]}`
	edition2 = `{"servers": [{"name": "B", "address": "tcp://b:1"}]}`
)

// A web is a web server with one page, which it serves as such servers do.
type web struct {
	*httptest.Server
	page, etag string
	modified   time.Time
	heard      http.Header // of the last question
	status     int         // of the last answer
}

func newWeb(t *testing.T) *web {
	w := new(web)
	w.Server = serve(t, func(out http.ResponseWriter, r *http.Request) {
		w.heard = r.Header
		if w.etag != "" {
			out.Header().Set("Etag", w.etag)
		}
		http.ServeContent(statusNoter{out, &w.status}, r, "yp.json", w.modified, strings.NewReader(w.page))
	})
	return w
}

type statusNoter struct {
	http.ResponseWriter
	status *int
}

func (n statusNoter) WriteHeader(status int) {
	*n.status = status
	n.ResponseWriter.WriteHeader(status)
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// fetch expects a change to data, or none if they are empty.
func fetch(t *testing.T, s *Source, want string) {
	t.Helper()
	data, changed, err := s.Fetch(t.Context())
	if err != nil || changed != (want != "") || changed && string(data) != want {
		t.Fatalf("got %q, changed: %v, error %v; want %q", data, changed, err, want)
	}
}

func TestFetch(t *testing.T) {
	monday := time.Date(2021, 8, 9, 10, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		etags    [2]string
		modified [2]time.Time
		status   int // of an answer that is no news
	}{
		"an ETag":             {etags: [2]string{`"1"`, `W/"2"`}, status: 304},
		"a date":              {modified: [2]time.Time{monday, monday.Add(time.Hour)}, status: 304},
		"both":                {etags: [2]string{`"1"`, `"2"`}, modified: [2]time.Time{monday, monday}, status: 304},
		"neither":             {status: 200},
		"an ETag without end": {etags: [2]string{`"` + strings.Repeat("1", 300) + `"`, `"2"`}, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t)
			w.page, w.etag, w.modified = edition1, test.etags[0], test.modified[0]
			s := &Source{URL: w.URL + "/yp.json"}
			fetch(t, s, edition1)
			if w.heard.Get("If-None-Match")+w.heard.Get("If-Modified-Since") != "" {
				t.Error("asked on a condition the first time:", w.heard)
			}
			for range 2 {
				fetch(t, s, "")
				if w.status != test.status {
					t.Error("answered", w.status)
				}
			}
			w.page, w.etag, w.modified = edition2, test.etags[1], test.modified[1]
			fetch(t, s, edition2)
			fetch(t, s, "")
		})
	}
}

func TestFetchFollowsRedirects(t *testing.T) {
	w := newWeb(t)
	w.page, w.etag = edition1, `"1"`
	door := serve(t, func(out http.ResponseWriter, r *http.Request) {
		left := len(r.URL.Path) - 1 // more redirects
		if left == 0 {
			http.Redirect(out, r, w.URL, http.StatusFound)
			return
		}
		http.Redirect(out, r, r.URL.Path[:left], http.StatusFound)
	})
	s := &Source{URL: door.URL + "/1234"}
	fetch(t, s, edition1)
	fetch(t, s, "")
	if w.status != 304 {
		t.Error("the condition was lost on the way")
	}
	s.URL += "5"
	if _, _, err := s.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "redirected more than 5 times") {
		t.Error("after 6 redirects:", err)
	}
}

// Each address is judged just before it is asked, and who is sent on is known from who
// is not.
func TestFetchAsksFirst(t *testing.T) {
	w := newWeb(t)
	w.page = edition1
	door := serve(t, func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(out, r, "/next", http.StatusFound)
		} else {
			http.Redirect(out, r, w.URL, http.StatusFound)
		}
	})
	type question struct {
		host   string
		sentOn bool
		at     string
	}
	var asked []question
	refused := errors.New("it is not for you")
	s := &Source{URL: door.URL, Permit: func(host string, sentOn bool, at netip.AddrPort) error {
		asked = append(asked, question{host, sentOn, "http://" + at.String()})
		if sentOn {
			return refused
		}
		return nil
	}}
	if _, _, err := s.Fetch(t.Context()); !errors.Is(err, refused) || w.heard != nil {
		t.Errorf("%v, and asked %v", err, w.heard)
	}
	want := []question{{"127.0.0.1", false, door.URL}, {"127.0.0.1", false, door.URL}, {"127.0.0.1", true, w.URL}}
	if !slices.Equal(asked, want) {
		t.Errorf("asked about %v", asked)
	}
	s.Permit = func(string, bool, netip.AddrPort) error { return nil }
	fetch(t, s, edition1)
}

func TestFetchFails(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(out http.ResponseWriter, r *http.Request) {
			out.WriteHeader(status)
			io.WriteString(out, body)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not found":     {http.NotFound, "answered 404 Not Found"},
		"no content":    {answer(204, ""), "answered 204 No Content"},
		"unasked 304":   {answer(304, ""), "answered 304 Not Modified"},
		"no JSON":       {answer(200, "<!DOCTYPE html>"), "not yellow pages: invalid character '<'"},
		"nothing":       {answer(200, ""), "not yellow pages: unexpected end"},
		"no entry":      {answer(200, `{"servers": []}`), "there is no entry"},
		"no good entry": {answer(200, `{"servers": [{"name": "A"}]}`), `there is no good entry: servers[0] "A": there is neither`},
		"too long":      {answer(200, edition1+strings.Repeat(" ", maxData)), "longer than 4194304 bytes"},
		"cut short": {func(out http.ResponseWriter, r *http.Request) {
			out.Header().Set("Content-Length", "1000")
			io.WriteString(out, edition1)
		}, "unexpected EOF"},
		"a header without end": {func(out http.ResponseWriter, r *http.Request) {
			out.Header().Set("X", strings.Repeat("x", 100<<10))
		}, "server response headers exceeded"},
		"redirect to a file": {func(out http.ResponseWriter, r *http.Request) {
			http.Redirect(out, r, "file:///etc/passwd", http.StatusFound)
		}, `"file:///etc/passwd" is not http or https to a host`},
		"redirect in a circle": {func(out http.ResponseWriter, r *http.Request) {
			http.Redirect(out, r, "/", http.StatusFound)
		}, "redirected more than 5 times"},
		"hung up": {func(out http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "yp")
			s := &Source{URL: strings.Replace(serve(t, test.handler).URL, "//", "//user:secret@", 1), Cache: cache}
			data, changed, err := s.Fetch(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || data != nil || changed {
				t.Errorf("got %q, changed: %v, error %v; want %s", data, changed, err, test.want)
			} else if !strings.HasPrefix(err.Error(), "fetch yellow pages from http://127.0.0.1:") || strings.Contains(err.Error(), "secret") {
				t.Errorf("the error is %v", err)
			}
			if _, err := os.Stat(cache); !errors.Is(err, fs.ErrNotExist) {
				t.Error("it was kept:", err)
			}
		})
	}
}

func TestFetchFromNowhere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // nobody listens there now
	for url, want := range map[string]string{
		"http://" + listener.Addr().String(): "connection refused",
		"":                                   `"" is not http or https to a host`,
		"yp.json":                            `"yp.json" is not http or https to a host`,
		"file:///yp.json":                    "is not http or https to a host",
		"http:///yp.json":                    "is not http or https to a host",
		"http://user:secret@h:p/":            "a URL that cannot be read: invalid port",
	} {
		_, _, err := (&Source{URL: url}).Fetch(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v, want %s", url, err, want)
		}
	}
}

// Whatever a source sends, little of it is read and less of it held.
func TestFetchIsBounded(t *testing.T) {
	const size = 100 << 20
	megabyte := make([]byte, 1<<20)
	var bomb bytes.Buffer // gzip files in a row are one (RFC 1952, section 2.2)
	z := gzip.NewWriter(&bomb)
	z.Write(megabyte)
	z.Close()
	for name, test := range map[string]struct {
		header map[string]string
		part   []byte // sent a hundred times
	}{
		"100 MB":           {map[string]string{"Content-Length": fmt.Sprint(size)}, megabyte},
		"100 MB in chunks": {nil, megabyte},
		"a gzip bomb":      {map[string]string{"Content-Encoding": "gzip"}, bomb.Bytes()},
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			server := serve(t, func(out http.ResponseWriter, r *http.Request) {
				for key, value := range test.header {
					out.Header().Set(key, value)
				}
				for range size / len(megabyte) {
					n, err := out.Write(test.part)
					sent += n
					if err != nil {
						return
					}
				}
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := (&Source{URL: server.URL}).Fetch(t.Context())
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "longer than 4194304 bytes") {
				t.Error(err)
			}
			// The slices that grow to 4 MiB, and what the server needs.
			if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
				t.Errorf("took %d MiB", used>>20)
			}
			server.Close() // waits for the handler
			if sent > size/2 {
				t.Errorf("%d MiB were sent", sent>>20)
			}
		})
	}
}

func TestFetchIsCancelled(t *testing.T) {
	for name, begin := range map[string]string{"before the answer": "", "in the answer": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			server := serve(t, func(out http.ResponseWriter, r *http.Request) {
				conn, _, err := out.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				io.WriteString(conn, begin)
				cancel()
				io.Copy(io.Discard, conn) // until it is closed
			})
			_, _, err := (&Source{URL: server.URL}).Fetch(ctx)
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

func TestFetchIsLimited(t *testing.T) {
	for name, begin := range map[string]string{"before the answer": "", "in the answer": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// On a network whose time is the bubble's.
				dial := func(context.Context, string, string) (net.Conn, error) {
					ours, peer := net.Pipe()
					go func() {
						defer peer.Close()
						request := bufio.NewReader(peer)
						if _, err := http.ReadRequest(request); err != nil {
							return
						}
						io.WriteString(peer, begin)
						io.Copy(io.Discard, request)
					}()
					return ours, nil
				}
				asked := time.Now()
				_, _, err := (&Source{URL: "http://source.example/", dial: dial}).Fetch(t.Context())
				if err == nil || err.Error() != "fetch yellow pages from http://source.example/: no complete answer in 30s" || time.Since(asked) != 30*time.Second {
					t.Errorf("after %v: %v", time.Since(asked), err)
				}
			})
		})
	}
}
