package pymoip

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
	"moip/internal/testkit/soon"
)

const introduction = "binary \x01\x7f\x7f\x7f\x04"

// page is how a PyMoIP page begins.
const page = "\x1f00\x18\x0c\x1b9{\x05\x1b9z"

func (b *board) sent(id session.ID, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.legs[id].taken()); diff != "" {
		b.t.Fatal(diff)
	}
}

func TestIntroduction(t *testing.T) {
	b, p := linked(t)
	a, c, d := b.begin(anna), b.begin(bruno), b.begin(clara)
	p.expect(`NewWsUser,127.0.0.1,38178,0`, `NewTelnetUser,127.0.0.1,53404,1`, `NewTelnetUser,2001:db8::7,4711,2`)

	b.show(a, "Searching...")
	b.sent(a)
	b.show(a, page)
	b.sent(a, introduction, "text PID=0,IP=127.0.0.1,PORT=38178,Access=WS\n")
	b.show(a, page)
	b.sent(a, introduction, "text PID=0,IP=127.0.0.1,PORT=38178,Access=WS\n")
	b.ends[a].Close()
	b.portal(a) // lost and dialled again
	b.show(a, page)
	b.sent(a, introduction, "text PID=0,IP=127.0.0.1,PORT=38178,Access=WS\n")

	b.show(c, page)
	b.sent(c, introduction, "text PID=1,IP=127.0.0.1,PORT=53404,Access=Telnet\n")
	b.show(d, page)
	b.sent(d, introduction, "text PID=2,IP=2001:db8::7,PORT=4711,Access=Telnet\n")

	// There is nobody to introduce any more, though the connection still is.
	b.portal(d)
	b.link.Event(session.Event{Call: d, At: time.Now(), Type: session.Ended})
	b.show(d, page)
	b.sent(d)
}

func TestIntroductionWhileDown(t *testing.T) {
	s := newServer(t, nil)
	b := newBoard(t, Options{URL: s.URL, Retry: time.Millisecond})
	a := b.begin(anna)
	b.show(a, page)
	b.sent(a)
	b.show(a, "\x1b9")
	b.run()
	s.link(t).expect(`NewWsUser,127.0.0.1,38178,0`)
	b.show(a, "{")
	b.sent(a, introduction, "text PID=0,IP=127.0.0.1,PORT=38178,Access=WS\n")
}

// What goes to the portal is no question, whoever typed it.
func TestQuestionFromCaller(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	for _, typed := range []string{page, "\x1b9{", "\x1b9"} {
		b.ends[a].Send([]byte(typed))
	}
	b.show(a, "{") // completes nothing
	b.sent(a, "text "+page, "text \x1b9{", "text \x1b9")
}

// No key may come between the two messages: it would become part of the
// details.
func TestIntroductionInOnePiece(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	e, w := b.ends[a], b.legs[a]
	w.slow = time.Millisecond

	var typist sync.WaitGroup
	stop := make(chan struct{})
	typist.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				e.Send([]byte("x"))
			}
		}
	})
	b.show(a, page)
	close(stop)
	typist.Wait()
	sent := strings.Join(w.taken(), "")
	if !strings.Contains(sent, introduction+"text PID=0,") {
		t.Errorf("sent %q", sent)
	}
}

// If the socket was full, nobody but us knows that something is kept; but the
// session may be flushing what was kept before.
func TestIntroductionKept(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	e, w := b.ends[a], b.legs[a]
	w.keep = true
	if !e.Send([]byte("x")) {
		t.Error("the session is not told that something is kept")
	}
	b.show(a, page)
	if !soon.Or(patience, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.flushed == 1
	}) {
		t.Error("what is kept is not flushed")
	}

	b.ends[a].Close()
	e, w = b.portal(a)
	w.keep, w.slow = true, 10*time.Millisecond
	var flusher sync.WaitGroup
	flusher.Go(func() {
		for range 5 {
			e.Flush()
		}
	})
	b.show(a, page)
	flusher.Wait()
}

// An endpoint need not know of frames.
func TestPlainEndpoint(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	w := newWire()
	e := b.dial(a, struct{ session.Endpoint }{w})
	w.in <- []byte(page)
	e.Receive()
	want := []string{"text \x01\x7f\x7f\x7f\x04", "text PID=0,IP=127.0.0.1,PORT=38178,Access=WS\n"}
	if diff := cmp.Diff(want, w.taken()); diff != "" {
		t.Error(diff)
	}
}

func TestDialFails(t *testing.T) {
	refused := errors.New("refused")
	e, err := New(Options{}).Introduce(func(context.Context, session.ID, session.Route) (session.Endpoint, error) {
		return nil, refused
	})(context.Background(), 1, session.Route{})
	if e != nil || err != refused {
		t.Errorf("%v, %v", e, err)
	}
}

// A dial that was given up, and succeeds after the next one, is closed
// unheard. It is not the portal connection.
func TestLateDial(t *testing.T) {
	b, p := linked(t)
	a := b.begin(anna)
	p.expect(`NewWsUser,127.0.0.1,38178,0`)
	late := b.dial(a, newWire())
	p.order(`PID=0,1,` + connect)
	p.expect(`UserGotCommand,,,0,1,`+connect, `UserRedirecting,,,0,1`)
	late.Close()
	b.redirected(a)
	p.expect(`UserRedirected,,,0,1`)
	b.show(a, page)
	b.sent(a, introduction, "text PID=0,IP=127.0.0.1,PORT=38178,Access=WS\n")
}

func TestEnqromCutAnywhere(t *testing.T) {
	for _, stream := range []string{page, "\x1b\x00\x009{", "\x1b\x1b9{", "\x1b9\x1b9{", "9{\x1b9{"} {
		end := strings.LastIndex(stream, "{")
		for i := range len(stream) + 1 {
			for j := i; j <= len(stream); j++ {
				var q enqrom
				at := 0
				for _, chunk := range []string{stream[:i], stream[i:j], stream[j:]} {
					want := at <= end && end < at+len(chunk)
					if got := q.in([]byte(chunk)); got != want {
						t.Errorf("%q cut at %d and %d: found %v in %q", stream, i, j, got, chunk)
					}
					at += len(chunk)
				}
			}
		}
	}
	for _, stream := range []string{"", "\x1b9\x00{", "\x1b{", "9{", "\x1b99{", "\x1b:9{", "\x1b9z{", "\x1b\x019{"} {
		var q enqrom
		if q.in([]byte(stream)) {
			t.Errorf("found in %q", stream)
		}
	}
}

func FuzzEnqrom(f *testing.F) {
	f.Add([]byte(page), 8)
	f.Add([]byte("\x1b\x00\x009{"), 2)
	f.Add([]byte("\x1b9\x00{\x1b\x1b9{"), 1)
	question := regexp.MustCompile(`\x1b\x00*9\{`)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		size = max(1, min(size, len(stream)))
		var q enqrom
		found := false
		for at := 0; at < len(stream); at += size {
			found = q.in(stream[at:min(at+size, len(stream))]) || found
			whole := question.Match(stream[:min(at+size, len(stream))])
			if found != whole {
				t.Fatalf("%q in chunks of %d: found %v after %d", stream, size, found, at+size)
			}
		}
	})
}
