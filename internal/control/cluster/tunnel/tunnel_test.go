package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A line is a bus between who asks and who answers.
type line struct {
	bus.Exchange
	asks, answers *bus.Place
	http.Client
	stop func() // returns once nothing is answered any more
}

func newLine(h http.HandlerFunc) *line {
	l := new(line)
	l.asks, l.answers = l.Join(), l.Join()
	l.Client.Transport = Transport{l.asks}
	l.stop = serve(l.answers, h)
	return l
}

func serve(b bus.Bus, h http.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, Options{Bus: b, Name: "paris", Instance: "i", Handler: h, Log: slog.New(slog.DiscardHandler)})
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

const at = "http://paris.i"

func (l *line) get(ctx context.Context, path string) (*http.Response, error) {
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, at+path, nil)
	return l.Do(r)
}

// lossy is a bus that loses some messages.
type lossy struct {
	bus.Bus
	each int32 // one of so many is lost
	n    *atomic.Int32
}

func (l lossy) loses() bool { return l.n.Add(1)%l.each == 0 }

func (l lossy) Publish(m bus.Message) error {
	if l.loses() {
		return nil
	}
	return l.Bus.Publish(m)
}

func (l lossy) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if l.loses() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return l.Bus.Request(ctx, subject, data)
}

// A script is what a handler does.
type script struct {
	status  int
	headers [][2]string
	steps   []step
}

type step struct {
	write string
	flush bool
}

var scripts = rapid.Custom(func(t *rapid.T) script {
	var s script
	s.status = rapid.SampledFrom([]int{0, 200, 201, 204, 400, 404, 500}).Draw(t, "status")
	names := rapid.SampledFrom([]string{"Content-Type", "X-Twice", "x-lower", "Retry-After"})
	for range rapid.IntRange(0, 4).Draw(t, "headers") {
		s.headers = append(s.headers, [2]string{names.Draw(t, "name"), rapid.StringMatching(`[a-z0-9é/;=]{1,20}`).Draw(t, "value")})
	}
	for range rapid.IntRange(0, 5).Draw(t, "steps") {
		n := rapid.SampledFrom([]int{0, 1, 30, 5000, maxPiece - 1, maxPiece, 3*maxPiece + 7}).Draw(t, "bytes")
		text := strings.Repeat(rapid.SampledFrom([]string{"<html>", "texte ", "\x00\x1B"}).Draw(t, "of"), n/2+1)[:n]
		s.steps = append(s.steps, step{text, rapid.Bool().Draw(t, "flush")})
	}
	return s
})

func (s script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	told, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Asked", fmt.Sprintf("%s %s %s %s %d", r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Says"), len(told)))
	for _, h := range s.headers {
		w.Header().Add(h[0], h[1])
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	for _, step := range s.steps {
		io.WriteString(w, step.write)
		if step.flush {
			http.NewResponseController(w).Flush()
		}
	}
}

// seen is what is seen of an answer. What a server adds of its own to each is left aside.
func seen(w *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	for _, own := range []string{"Date", "Content-Length", "Transfer-Encoding", "Connection"} {
		w.Header.Del(own)
	}
	var head bytes.Buffer
	w.Header.Write(&head)
	return fmt.Sprintf("%s\n%s\n%d bytes %x %v", w.Status, head.String(), len(body), body[:min(len(body), 99)], err)
}

// An exchange is what it is without the bus, even if that loses messages.
func TestSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := scripts.Draw(rt, "script")
		method := rapid.SampledFrom([]string{"GET", "HEAD", "POST", "PUT", "DELETE"}).Draw(rt, "method")
		path := rapid.SampledFrom([]string{"/", "/calls/paris-42?as=text", "/bans/2001:db8::%2F32", "/a%20b?c=d&c=e"}).Draw(rt, "path")
		text := strings.Repeat("x", rapid.IntRange(0, 2000).Draw(rt, "body"))
		each := rapid.SampledFrom([]int32{2, 3, 7, 1 << 30}).Draw(rt, "one is lost of")
		do := func(c *http.Client, at string) string {
			r, err := http.NewRequest(method, at+path, strings.NewReader(text))
			if err != nil {
				return err.Error()
			}
			r.Header.Set("X-Says", "something")
			return seen(c.Do(r))
		}
		server := httptest.NewServer(s)
		want := do(server.Client(), server.URL)
		server.Close()
		var got string
		synctest.Test(t, func(t *testing.T) {
			l := newLine(s.ServeHTTP)
			defer l.stop()
			l.Client.Transport = Transport{lossy{l.asks, each, new(atomic.Int32)}}
			got = do(&l.Client, at)
		})
		if got != want {
			rt.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

// What is asked again is not done twice.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := 0
		l := newLine(func(http.ResponseWriter, *http.Request) { done++ })
		l.stop()
		n := new(atomic.Int32)
		defer serve(lossy{l.answers, 3, n}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done++ }))()
		for want := 1; want <= 10; want++ {
			w, err := l.Post(at, "", nil)
			if err != nil || done != want {
				t.Fatalf("done %d times, not %d: %v", done, want, err)
			}
			w.Body.Close()
		}
		if n.Load() < 12 {
			t.Errorf("of %d answers none was lost", n.Load())
		}
	})
}

// Errors say what is wrong.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/panic":
				panic(http.ErrAbortHandler)
			case "/late":
				io.WriteString(w, "begun")
				http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			case "/header":
				w.Header().Set("X", strings.Repeat("x", maxHead))
			case "/slow":
				time.Sleep(time.Minute)
			}
		})
		ask := func(path string) error {
			w, err := l.get(t.Context(), path)
			if err == nil {
				_, err = io.ReadAll(w.Body)
				w.Body.Close()
			}
			return err
		}
		for path, want := range map[string]error{"/panic": ErrBroken, "/late": ErrBroken, "/header": ErrBroken, "/slow": nil, "/": nil} {
			if err := ask(path); !errors.Is(err, want) {
				t.Errorf("%s: %v, not %v", path, err, want)
			}
		}
		if _, err := l.Post(at, "", strings.NewReader(strings.Repeat("x", maxBody+1))); !errors.Is(err, bus.ErrLarge) {
			t.Error(err)
		}
		if _, err := l.Get("http://else.i/"); !errors.Is(err, bus.ErrNobody) {
			t.Error(err)
		}
		if _, err := l.Get("http://*.i/"); err == nil || errors.Is(err, bus.ErrNobody) {
			t.Error("any gateway was asked:", err)
		}
		l.stop()
		if err := ask("/"); !errors.Is(err, bus.ErrNobody) {
			t.Error(err)
		}
		l.answers.Subscribe(subject("paris.i"), "", func(bus.Message) {})
		begun := time.Now()
		if err := ask("/"); !errors.Is(err, ErrSilent) || time.Since(begun) > 10*time.Second {
			t.Error(err, time.Since(begun))
		}
		l.asks.Cut(errors.New("cut"))
		if err := ask("/"); !errors.Is(err, bus.ErrDown) {
			t.Error(err)
		}
	})
}

// endless tells without an end, and then that nobody listens.
func endless(ended chan<- time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for n := 0; ; n++ {
			if _, err := fmt.Fprintln(w, n); err != nil || http.NewResponseController(w).Flush() != nil {
				break
			}
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-r.Context().Done():
			}
			break
		}
		ended <- time.Now()
	}
}

// What has no end is told as it happens, until whoever asks has left, or is not heard of.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 1)
		l := newLine(endless(ended))
		defer l.stop()
		read := func(w *http.Response, want int) {
			t.Helper()
			for n := range want {
				var got int
				if _, err := fmt.Fscanln(w.Body, &got); err != nil || got != n {
					t.Fatalf("%d, not %d: %v", got, n, err)
				}
			}
		}
		within := func(want time.Duration, leave func()) {
			t.Helper()
			left := time.Now()
			leave()
			if took := (<-ended).Sub(left); took > want {
				t.Errorf("it is told of for %v more", took)
			}
		}
		begun := time.Now()
		w, err := l.get(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		read(w, 100)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("what happened in 10 s is told after %v", took)
		}
		within(0, func() { w.Body.Close() })

		ctx, cancel := context.WithCancel(t.Context())
		if w, err = l.get(ctx, "/"); err != nil {
			t.Fatal(err)
		}
		within(0, cancel)
		if _, err := io.ReadAll(w.Body); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.Body.Close()

		if w, err = l.get(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		within(silentTime, func() { l.asks.Cut(errors.New("cut")) })
		if _, err := io.ReadAll(w.Body); !errors.Is(err, bus.ErrDown) {
			t.Error(err)
		}
		w.Body.Close()
	})
}

// Who takes nothing is told no more than there is room for, and is not given up; others are
// told meanwhile.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		l := newLine(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/short" {
				return
			}
			for range 100 {
				n, _ := w.Write(make([]byte, 100<<10))
				told.Add(int64(n))
			}
		})
		defer l.stop()
		w, err := l.get(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := told.Load(); n > 4*maxPiece {
			t.Errorf("%d bytes wait for who takes none", n)
		}
		if short, err := l.get(t.Context(), "/short"); err != nil || short.Body.Close() != nil {
			t.Error(err)
		}
		all, err := io.ReadAll(w.Body)
		if err != nil || len(all) != 100*100<<10 {
			t.Error(len(all), err)
		}
		w.Body.Close()
	})
}

// A writer who has no time waits for nobody.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrote := make(chan error, 1)
		l := newLine(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Second))
			_, err := w.Write(make([]byte, 10*maxPiece))
			wrote <- err
		})
		defer l.stop()
		begun := time.Now()
		w, err := l.get(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		if err := <-wrote; err == nil || time.Since(begun) != 10*time.Second {
			t.Error(err, time.Since(begun))
		}
	})
}

// No more is answered at a time than there is memory for.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		defer l.stop()
		for range maxOpen {
			w, err := l.get(t.Context(), "/")
			if err != nil {
				t.Fatal(err)
			}
			defer w.Body.Close()
		}
		if _, err := l.get(t.Context(), "/"); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	})
}

// Whatever comes by the bus, a gateway goes on.
func FuzzServer(f *testing.F) {
	for _, q := range []question{
		{ID: "a", Do: ask, Method: "GET", URL: "/"}, {ID: "a", Do: next, Piece: 1}, {ID: "a", Do: here}, {ID: "a", Do: leave},
		{ID: "b", Do: ask, Method: "P T", URL: "//x/%", Header: http.Header{"\n": {""}}, body: []byte("body")},
	} {
		frame, _ := q.encode()
		f.Add(frame)
	}
	f.Add([]byte("{}\n"))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
			defer l.stop()
			synctest.Wait()
			for range 1 + rand.IntN(2) {
				l.asks.Publish(bus.Message{Subject: subject("paris.i"), Reply: "inbox.a", Data: frame})
			}
			if w, err := l.get(t.Context(), "/"); err != nil || w.Body.Close() != nil {
				t.Error(err)
			}
		})
	})
}

// Nor does what answers a question break who asks.
func FuzzAnswer(f *testing.F) {
	for _, a := range []answer{
		{Status: 200, End: true}, {Status: 200, data: []byte("some")}, {Wait: true}, {Fault: busy}, {Fault: gone}, {Status: 1000}, {Piece: 3, Status: 200},
		{Status: 200, Header: http.Header{"\r\n": {"\n"}, "content-type": {"x"}}, End: true},
	} {
		frame, _ := a.encode()
		f.Add(frame, frame)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		synctest.Test(t, func(t *testing.T) {
			var x bus.Exchange
			asks, answers := x.Join(), x.Join()
			told := 0
			answers.Subscribe(subject("paris.i"), "", func(m bus.Message) {
				if told++; told <= 2 && m.Reply != "" {
					answers.Publish(bus.Message{Subject: m.Reply, Data: [][]byte{first, second}[told-1]})
				}
			})
			c := http.Client{Transport: Transport{asks}}
			if w, err := c.Get(at); err == nil {
				io.Copy(io.Discard, w.Body)
				w.Body.Close()
			}
		})
	})
}
