package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/session"
	"moip/internal/testkit/logtest"
)

// A journal is what the log was told.
type journal struct{ logtest.Log }

// told expects lines, each with one of the texts that are wanted and none with
// a password, and forgets them.
func (j *journal) told(t *testing.T, want ...string) {
	t.Helper()
	lines := slices.Collect(strings.Lines(j.Take()))
	if len(lines) != len(want) {
		t.Errorf("logged %d lines, want %d: %.2000q", len(lines), len(want), lines)
		return
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) || strings.Contains(line, "secret") {
			t.Errorf("logged %.2000s want %s", line, want[i])
		}
	}
}

func openBook(t *testing.T, o Options) (*Book, *journal) {
	t.Helper()
	var log journal
	o.Log = log.Logger()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return b, &log
}

// run follows b's files in a bubble of time, until the test ends.
func run(t *testing.T, b *Book) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// wait lets time pass in a bubble, and what is due then happen.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// write writes a file, newer than all before.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	written := time.Unix(writes.Add(1), 0)
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
}

var writes atomic.Int64

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// toml returns a directory of services, and of imports, each a URL or a file.
func toml(codes string, imports ...string) string {
	var text strings.Builder
	for _, code := range strings.Fields(codes) {
		fmt.Fprintf(&text, "[[service]]\ncode = %q\nurl = 'tcp://%s.example:1'\n", code, code)
	}
	for _, i := range imports {
		if strings.Contains(i, "://") {
			fmt.Fprintf(&text, "[[import]]\nurl = %q\nrefresh = '1h'\n", i)
		} else {
			fmt.Fprintf(&text, "[[import]]\nfile = %q\n", i)
		}
	}
	return text.String()
}

// pages returns yellow pages of services.
func pages(codes string) string {
	var entries []string
	for _, code := range strings.Fields(codes) {
		entries = append(entries, fmt.Sprintf(`{"name": %q, "address": "tcp://%s.example:2"}`, code, code))
	}
	return `{"servers": [` + strings.Join(entries, ",\n") + `]}`
}

// expect wants these services in force.
func expect(t *testing.T, b *Book, want string) {
	t.Helper()
	if got := codesOf(b.Directory()); got != want {
		t.Errorf("in force: %s, want %s", got, want)
	}
}

func codesOf(d *Directory) string {
	var codes []string
	for _, s := range d.Services() {
		codes = append(codes, s.Name)
	}
	return strings.Join(codes, " ")
}

const (
	anew    = "directory: files read anew"
	wrong   = "directory: files have changed and are wrong"
	fails   = "directory: import fails"
	again   = "directory: import works again"
	leftOut = "directory: import is not all used"
)

func TestOpenStarter(t *testing.T) {
	b, log := openBook(t, Options{Builtin: builtin})
	if _, ok := b.Directory().Lookup("SALON"); !ok {
		t.Error("there is no SALON")
	}
	b.look()
	log.told(t)
}

func TestOpenFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	write(t, path, "[[service]]\ncode = 'A'\nurl = 'htp://a'\n")
	if _, err := Open(Options{Path: path}); err == nil || !strings.HasPrefix(err.Error(), path+":3: service.url: ") {
		t.Error(err)
	}
	if _, err := Open(Options{Path: path + "x"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFollowFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "services.toml")
		write(t, path, toml("A"))
		b, log := openBook(t, Options{Path: path})
		run(t, b)
		for _, step := range []struct {
			name, text, want, log string
		}{
			{"nothing", toml("A"), "A", anew},
			{"one more", toml("A B"), "A B", anew},
			{"one less", toml("B"), "B", anew},
			{"wrong", toml("A B") + "ping = '5'\n", "B", path + ":7: service.ping: "},
			{"wrong still", toml("B") + "ping = '5'\n", "B", path + ":4: service.ping: "},
			{"no TOML", "[[", "B", path + ":1: "},
			{"mended", toml("A B C"), "A B C", anew},
			{"too large", strings.Repeat("\n", 2<<20), "A B C", "not a regular file of at most 1 MiB"},
			{"not there", "", "A B C", "no such file"},
			{"back", toml("A B C"), "A B C", anew},
		} {
			if step.text == "" {
				remove(t, path)
			} else {
				write(t, path, step.text)
			}
			wait(lookEvery)
			expect(t, b, step.want)
			wait(time.Minute) // and no more is said of it
			t.Log(step.name)
			log.told(t, step.log)
		}
	})
}

func TestLooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	write(t, path, toml("A"))
	for what, change := range map[string]func() error{
		"time": func() error { return os.Chtimes(path, time.Time{}, time.Now()) },
		"size": func() error {
			info, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, 1), os.Chtimes(path, time.Time{}, info.ModTime()))
		},
		"permissions": func() error { return os.Chmod(path, 0) }, // which, mended, may let it be read
	} {
		before := looks(path)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if looks(path) == before {
			t.Errorf("it looks the same with another %s", what)
		}
	}
}

func TestFollowFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "1.toml"), toml("A"))
		b, log := openBook(t, Options{Path: folder})
		run(t, b)
		write(t, filepath.Join(folder, "2.toml"), toml("B"))
		write(t, filepath.Join(folder, ".3.toml"), "[[")
		wait(lookEvery)
		expect(t, b, "A B")
		log.told(t, anew)

		write(t, filepath.Join(folder, "2.toml"), toml("B A"))
		wait(time.Minute)
		expect(t, b, "A B")
		log.told(t, "2.toml:5: service.code: ")

		for _, name := range []string{"1.toml", "2.toml"} {
			remove(t, filepath.Join(folder, name))
			wait(time.Minute)
		}
		expect(t, b, "B A")
		log.told(t, anew, "there are 0 files *.toml")
		remove(t, filepath.Join(folder, ".3.toml"))
		remove(t, folder)
		wait(time.Minute)
		log.told(t, "no such file")
	})
}

func TestFollowImportedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		path, imported := filepath.Join(folder, "services.toml"), filepath.Join(folder, "pages.json")
		write(t, path, toml("A", "pages.json"))
		b, log := openBook(t, Options{Path: path})
		expect(t, b, "A")
		log.told(t, "no such file")
		run(t, b)
		for _, step := range []struct {
			name, text, want string
			log              []string
		}{
			{"there", pages("B A"), "A B", []string{anew}},
			{"changed", pages("C D"), "A C D", []string{anew}},
			{"no JSON", pages("E")[1:], "A C D", []string{fails}},
			{"too large", strings.Repeat("\n", 5<<20), "A C D", []string{"not a regular file of at most 4 MiB"}},
			{"not there", "", "A C D", []string{"no such file"}},
			{"with a fault", pages("E É"), "A E", []string{leftOut, anew}},
			{"with the same fault", pages("F É"), "A F", []string{anew}},
			{"with another", pages("F È"), "A F", []string{leftOut, anew}},
			{"empty", pages(""), "A", []string{anew}},
			{"with a fault that was mended", pages("E È"), "A E", []string{leftOut, anew}},
		} {
			if step.text == "" {
				remove(t, imported)
			} else {
				write(t, imported, step.text)
			}
			wait(lookEvery)
			expect(t, b, step.want)
			wait(time.Minute)
			t.Log(step.name)
			log.told(t, step.log...)

			// No more is said of it when something else changes, nor is it lost.
			write(t, path, toml("A", "pages.json"))
			wait(lookEvery)
			expect(t, b, step.want)
			log.told(t, anew)
		}

		// A directory that is wrong does not stop it, and is not told again.
		write(t, path, toml("X", "pages.json")+"x")
		wait(lookEvery)
		log.told(t, wrong)
		write(t, imported, pages("G"))
		wait(lookEvery)
		expect(t, b, "A G")
		log.told(t, anew)

		// Ours go before, and may come later.
		write(t, path, toml("G", "pages.json", "pages.json"))
		wait(lookEvery)
		expect(t, b, "G")
		if s, _ := b.Directory().Lookup("G"); s.URL != "tcp://G.example:1" {
			t.Error(s.URL)
		}
		write(t, path, toml("B"))
		wait(lookEvery)
		expect(t, b, "B")
		log.told(t, anew, anew)
	})
}

// A web is a server of yellow pages, each under the names of its services: "/A+B"
// has A and B.
type web struct {
	*httptest.Server
	asked  sync.Map // counts by path, of *atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
}

func newWeb(t *testing.T) *web {
	w := new(web)
	w.does(nil)
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.count(r.URL.Path).Add(1)
		(*w.answer.Load())(out, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// does makes w answer with h or, if that is nil, as it should.
func (w *web) does(h http.HandlerFunc) {
	if h == nil {
		h = func(out http.ResponseWriter, r *http.Request) {
			io.WriteString(out, pages(strings.ReplaceAll(r.URL.Path[1:], "+", " ")))
		}
	}
	w.answer.Store(&h)
}

func (w *web) count(path string) *atomic.Int32 {
	n, _ := w.asked.LoadOrStore(path, new(atomic.Int32))
	return n.(*atomic.Int32)
}

// wasAsked expects so many questions for a path since the last time.
func (w *web) wasAsked(t *testing.T, path string, want int32) {
	t.Helper()
	if n := w.count(path).Swap(0); n != want {
		t.Errorf("%s was asked for %d times, want %d", path, n, want)
	}
}

// bubble is synctest.Test with a directory file and a server outside of it.
func bubble(t *testing.T, test func(t *testing.T, path string, w *web)) {
	path, w := filepath.Join(t.TempDir(), "services.toml"), newWeb(t)
	synctest.Test(t, func(t *testing.T) { test(t, path, w) })
}

func TestImportFromWeb(t *testing.T) {
	released := make(chan struct{})
	bubble(t, func(t *testing.T, path string, w *web) {
		says := func(page string) {
			w.does(func(out http.ResponseWriter, r *http.Request) {
				<-released
				io.WriteString(out, page)
			})
		}
		says(pages("B"))
		write(t, path, toml("A", strings.Replace(w.URL, "//", "//user:secret@", 1)+"/B?key=secret"))
		b, log := openBook(t, Options{Path: path})
		w.wasAsked(t, "/B", 0)
		run(t, b)
		expect(t, b, "A")
		close(released)
		wait(time.Second)
		expect(t, b, "A B")
		log.told(t)

		says(pages("C É"))
		wait(time.Hour - 2*lookEvery)
		w.wasAsked(t, "/B", 1)
		wait(2 * lookEvery)
		w.wasAsked(t, "/B", 1)
		expect(t, b, "A C")
		log.told(t, leftOut)

		// It has failures, of which the first is told.
		w.does(http.NotFound)
		wait(2 * time.Hour)
		w.wasAsked(t, "/B", 7) // every 10 minutes after the first
		expect(t, b, "A C")
		log.told(t, "/B?key=...")
		w.does(nil)
		wait(retry + lookEvery)
		expect(t, b, "A B")
		log.told(t, again)
		w.wasAsked(t, "/B", 1)
		wait(59 * time.Minute)
		w.wasAsked(t, "/B", 0)
		wait(2 * time.Minute)
		w.wasAsked(t, "/B", 1)
		log.told(t)
	})
}

func TestImportIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, path string, w *web) {
		write(t, path, toml("A", w.URL+"/B?key=secret"))
		b, log := openBook(t, Options{Path: path})
		run(t, b)
		wait(time.Second)
		expect(t, b, "A B")
		w.does(func(out http.ResponseWriter, r *http.Request) {
			for range 100 {
				if _, err := out.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		})
		wait(time.Hour + 2*retry + 3*lookEvery)
		w.wasAsked(t, "/B", 4)
		expect(t, b, "A B")
		log.told(t, "longer than 4194304 bytes")
	})
}

func TestImportCopies(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "not", "there")
	bubble(t, func(t *testing.T, path string, w *web) {
		write(t, path, toml("A", w.URL+"/B+C", w.URL+"/D"))
		b, log := openBook(t, Options{Path: path, Cache: cache})
		stop := run(t, b)
		wait(time.Second)
		expect(t, b, "A B C D")
		stop()
		log.told(t)

		w.does(http.NotFound)
		b, log = openBook(t, Options{Path: path, Cache: cache})
		expect(t, b, "A B C D")
		run(t, b)
		wait(time.Second)
		expect(t, b, "A B C D")
		log.told(t, "answered 404", "answered 404")
	})
	t.Run("damaged", func(t *testing.T) {
		bubble(t, func(t *testing.T, path string, w *web) {
			write(t, path, toml("A", w.URL+"/B?key=secret"))
			b, _ := openBook(t, Options{Path: path, Cache: cache})
			stop := run(t, b)
			wait(time.Second)
			stop()
			write(t, b.suppliers[0].source.Cache, "rubbish")
			b, log := openBook(t, Options{Path: path, Cache: cache})
			expect(t, b, "A")
			log.told(t, "damaged")
			run(t, b)
			wait(time.Second)
			expect(t, b, "A B")
			log.told(t)
		})
	})
	t.Run("nowhere to keep", func(t *testing.T) {
		bubble(t, func(t *testing.T, path string, w *web) {
			write(t, path, toml("A", w.URL+"/B?key=secret"))
			b, log := openBook(t, Options{Path: path, Cache: path})
			log.told(t, "no copy of an import is kept")
			run(t, b)
			wait(time.Second)
			expect(t, b, "A B")
			log.told(t)
		})
	})
}

// What stays is left in peace when the files change; what goes, goes at once.
func TestImportsChange(t *testing.T) {
	bubble(t, func(t *testing.T, path string, w *web) {
		one, two, three := w.URL+"/B", w.URL+"/C", w.URL+"/D"
		write(t, path, toml("A", one, two, one))
		b, log := openBook(t, Options{Path: path})
		run(t, b)
		wait(time.Second)
		expect(t, b, "A B C")
		write(t, path, toml("A", three, two)+"category = 'Jeux'\n")
		wait(10 * time.Second)
		expect(t, b, "A D C")
		if s, _ := b.Directory().Lookup("C"); s.Category != "Jeux" {
			t.Errorf("C is in %s", s.Category)
		}
		wait(50 * time.Minute)
		for path, n := range map[string]int32{"/B": 1, "/C": 1, "/D": 1} {
			w.wasAsked(t, path, n)
		}
		wait(15 * time.Minute)
		for path, n := range map[string]int32{"/B": 0, "/C": 1, "/D": 1} {
			w.wasAsked(t, path, n)
		}

		// It may be asked for more often from now on.
		write(t, path, strings.Replace(toml("A", two), "1h", "10m", 1))
		wait(11 * time.Minute)
		w.wasAsked(t, "/C", 1)
		expect(t, b, "A C")
		log.told(t, anew, anew)
	})
}

func TestImportIsTooLate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	write(t, path, toml("A", "http://127.0.0.1/B"))
	b, log := openBook(t, Options{Path: path})
	s := b.nextDue()
	s.asking, b.asking = true, 1
	if b.nextDue() != nil {
		t.Error("asked for twice at once")
	}
	write(t, path, toml("A"))
	b.look()
	b.take(answer{of: s, data: []byte(pages("B")), changed: true, err: errors.New("no copy")})
	expect(t, b, "A")
	log.told(t, anew)
	if b.asking != 0 {
		t.Error("it counts still")
	}
}

// Those that take their time do not have their turn again before others.
func TestImportsTakeTurns(t *testing.T) {
	now := time.Now()
	due := func(ago time.Duration) *supplier {
		return &supplier{Import: Import{URL: "x", Refresh: time.Minute}, asked: now.Add(-ago)}
	}
	b := &Book{suppliers: []*supplier{due(2 * time.Minute), due(0), due(4 * time.Minute), due(3 * time.Minute)}}
	for _, want := range []int{2, 3, 0} {
		s := b.nextDue()
		if s != b.suppliers[want] {
			t.Fatalf("it is the turn of %+v, not of %d", s, want)
		}
		s.asking = true
	}
	if s := b.nextDue(); s != nil {
		t.Errorf("%+v is not due", s)
	}
}

// Many imports are asked for one after the other, and in the order of the files
// they are in force.
func TestImportsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, path string, w *web) {
		var busy, most atomic.Int32
		w.does(func(out http.ResponseWriter, r *http.Request) {
			most.Store(max(most.Load(), busy.Add(1)))
			time.Sleep(time.Millisecond)
			busy.Add(-1)
			io.WriteString(out, pages("SAME "+r.URL.Path[1:]))
		})
		var imports, codes []string
		for i := range 20 {
			codes = append(codes, fmt.Sprint("S", i))
			imports = append(imports, w.URL+"/"+codes[i])
		}
		write(t, path, toml("", imports...))
		b, log := openBook(t, Options{Path: path})
		run(t, b)
		wait(time.Second)
		if n := most.Load(); n > atOnce {
			t.Errorf("%d were asked at once", n)
		}
		expect(t, b, "SAME "+strings.Join(codes, " "))
		log.told(t)
	})
}

func TestStatesOutliveChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "services.toml")
		imported := filepath.Join(filepath.Dir(path), "pages.json")
		write(t, imported, pages("I J"))
		write(t, path, toml("A B C", "pages.json"))
		b, log := openBook(t, Options{Path: path})
		run(t, b)
		for _, name := range strings.Fields("A B C I J") {
			b.Note(name, false, errors.New("refused"))
		}
		log.told(t, "down", "down", "down", "down", "down")
		wait(time.Minute)
		write(t, imported, pages("I"))
		write(t, path, strings.Replace(toml("A B", "pages.json"), "B.example", "C.example", 1)+"category = 'Jeux'\n")
		wait(lookEvery)
		expect(t, b, "A B I")
		for name, known := range map[string]bool{"A": true, "B": false, "C": false, "I": true, "J": false} {
			s := b.State(name)
			if s.Known != known || known && (s.Up || s.Err != "refused" || time.Since(s.Since) < time.Minute) {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

// Ours are tried if they are here; what somebody elsewhere says is here is not.
func TestTries(t *testing.T) {
	bubble(t, func(t *testing.T, path string, w *web) {
		page := strings.ReplaceAll(pages("WEB"), "WEB.example", "localhost")
		w.does(func(out http.ResponseWriter, r *http.Request) { io.WriteString(out, page) })
		write(t, filepath.Join(filepath.Dir(path), "pages.json"), strings.ReplaceAll(pages("FILE"), "FILE.example", "localhost"))
		write(t, path, toml("OURS", w.URL, "pages.json"))
		dial := func(ctx context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
			if r.Name != "FILE" {
				t.Errorf("%s is tried", r.Name)
			}
			return nil, errors.New("refused")
		}
		b, log := openBook(t, Options{Path: path, Dial: dial})
		expect(t, b, "OURS FILE")
		run(t, b)
		wait(time.Hour)
		expect(t, b, "OURS WEB FILE")
		if s := b.State("FILE"); !s.Known || time.Since(s.At) > 7*time.Minute {
			t.Errorf("%+v", s)
		}
		log.told(t, "service is down")
	})
}

// Run ends at once, whatever it waits for.
func TestRunEnds(t *testing.T) {
	path, w := filepath.Join(t.TempDir(), "services.toml"), newWeb(t)
	asked := make(chan struct{}, 2)
	w.does(func(out http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		if r.URL.Path == "/HALF" {
			io.WriteString(out, pages("A B")[:20])
			out.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	write(t, path, toml("A", w.URL+"/NOTHING", w.URL+"/HALF"))
	b, log := openBook(t, Options{Path: path})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	for range 2 {
		<-asked
	}
	cancel()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("it did not end")
	}
	log.told(t)

	// Nor does it begin anything in a gateway that ends as it starts.
	b, _ = openBook(t, Options{Path: path})
	b.Run(ctx)
	w.wasAsked(t, "/HALF", 1)
}

// Everybody may ask while the files change.
func TestManyAsk(t *testing.T) {
	bubble(t, func(t *testing.T, path string, w *web) {
		write(t, path, toml("A", w.URL+"/B?key=secret"))
		b, _ := openBook(t, Options{Path: path})
		stop := run(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		var askers sync.WaitGroup
		for i := range 8 {
			askers.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					b.Note("A", n%2 == 0, nil)
					if d := b.Directory(); len(d.Services()) > 0 {
						if s, ok := d.Lookup("A"); !ok || s.Name != "A" || d.In("")[0].Name != "A" {
							t.Errorf("A is %+v", s)
						}
					}
					if s := b.State("A"); !s.Known {
						t.Errorf("%+v", s)
					}
					b.State("B")
					time.Sleep(time.Duration(i+1) * 10 * time.Millisecond)
				}
			})
		}
		for i := range 20 {
			write(t, path, toml(fmt.Sprint("A X", i), w.URL+"/B", fmt.Sprint(w.URL, "/X", i)))
			wait(lookEvery)
		}
		cancel()
		askers.Wait()
		stop()
		expect(t, b, "A X19 B")
	})
}

// What is wrong with an import takes one line of a log, and not again for each
// change elsewhere.
func TestImportFaultsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "services.toml")
		imported := filepath.Join(filepath.Dir(path), "pages.json")
		var codes strings.Builder
		for i := range 9000 {
			fmt.Fprintf(&codes, "É%d ", i)
		}
		write(t, imported, pages(codes.String()+"B"))
		write(t, path, toml("A", "pages.json"))
		b, log := openBook(t, Options{Path: path})
		expect(t, b, "A B")
		if n := len(log.String()); n > 2000 {
			t.Errorf("%d bytes were logged", n)
		}
		log.told(t, "there are more faults than these 10")
		run(t, b)
		for i := range 10 {
			write(t, path, toml(fmt.Sprint("A", i), "pages.json"))
			wait(time.Minute)
			log.told(t, anew)
		}
		expect(t, b, "A9 B")
	})
}

// BenchmarkPublish puts a thousand services in force, and those of an import.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{0, 1000, 9000} {
		b.Run(fmt.Sprint(n, " imported"), func(b *testing.B) {
			folder := b.TempDir()
			var ours, theirs strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&ours, "S%d ", i)
			}
			for i := range n {
				fmt.Fprintf(&theirs, "T%d ", i)
			}
			path := filepath.Join(folder, "services.toml")
			for name, text := range map[string]string{path: toml(ours.String(), "pages.json"), filepath.Join(folder, "pages.json"): pages(theirs.String())} {
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			book, err := Open(Options{Path: path})
			if err != nil {
				b.Fatal(err)
			}
			if services := len(book.Directory().Services()); services != 1000+n {
				b.Fatalf("there are %d", services)
			}
			for b.Loop() {
				book.publish()
			}
		})
	}
}
