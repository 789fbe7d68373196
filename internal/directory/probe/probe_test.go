package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/testkit/freeport"
	"moip/internal/testkit/logtest"
	"moip/internal/transport"
	"moip/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errRefused = errors.New("connection refused")

// run watches targets in a bubble of time, until the test ends.
func run(t *testing.T, dial session.Dial, log *slog.Logger, targets ...Target) *Prober {
	p := New(dial, log)
	p.Watch(targets)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return p
}

// reach returns an Endpoint whose peer says nothing, and tells closed when it
// is closed.
func reach(closed func()) session.Endpoint {
	ours, peer := net.Pipe()
	go func() {
		if n, _ := io.Copy(io.Discard, peer); n > 0 {
			panic("a probe sends something")
		}
		closed()
	}()
	return transport.TCP(ours, 0)
}

func target(name string, every time.Duration) Target {
	return Target{Name: name, Route: session.Route{URL: "tcp://" + name + ":1"}, Every: every}
}

func TestSchedule(t *testing.T) {
	const every = 5 * time.Minute
	for name, result := range map[string]error{"up": nil, "down": errRefused} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				tries := map[string][]time.Duration{}
				open, busy, most := 0, 0, 0
				start := time.Now()
				dial := func(ctx context.Context, call session.ID, r session.Route) (session.Endpoint, error) {
					mu.Lock()
					tries[r.URL] = append(tries[r.URL], time.Since(start))
					busy++
					most = max(most, busy)
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					defer mu.Unlock()
					busy--
					if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != 9*time.Second || call != 0 {
						t.Errorf("call %d, until %v", call, deadline)
					}
					if result != nil {
						return nil, result
					}
					open++
					return reach(func() { mu.Lock(); open--; mu.Unlock() }), nil
				}
				targets := []Target{target("never", 0)}
				for i := range 50 {
					targets = append(targets, target(fmt.Sprint(i), every))
				}
				p := run(t, dial, nil, targets...)
				time.Sleep(4 * time.Hour)
				synctest.Wait()

				mu.Lock()
				defer mu.Unlock()
				if len(tries) != 50 || open != 0 || most != atOnce {
					t.Errorf("%d services were tried, %d stay open, %d at once", len(tries), open, most)
				}
				pauses := map[time.Duration]bool{}
				for url, at := range tries {
					if at[0] > firstWithin+5*time.Second { // and a few for the queue
						t.Errorf("%s is tried first after %v", url, at[0])
					}
					for i := range at[1:] {
						pause := at[i+1] - at[i]
						pauses[pause] = true
						if pause < every*4/5 || pause > every*6/5+5*time.Second {
							t.Errorf("%s is tried again after %v", url, pause)
						}
					}
				}
				if len(pauses) < 1000 {
					t.Errorf("only %d different pauses", len(pauses))
				}
				if s := p.State("7"); !s.Known || s.Up != (result == nil) {
					t.Errorf("%+v", s)
				}
				if s := p.State("never"); s != (State{}) {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// Services that do not answer take their time, but each has its turn.
func TestDialLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(ctx context.Context, _ session.ID, _ session.Route) (session.Endpoint, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("dial: %w", ctx.Err())
		}
		var targets []Target
		for i := range 2 * atOnce {
			targets = append(targets, target(fmt.Sprint(i), time.Second))
		}
		p := run(t, dial, nil, targets...)
		time.Sleep(firstWithin + time.Second)
		for _, target := range targets {
			s := p.State(target.Name)
			if s.Up || !s.Known || s.Err != "no answer in time" {
				t.Errorf("%s: %+v", target.Name, s)
			}
		}
	})
}

// timeless writes to a log without saying when.
func timeless(log *logtest.Log) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Log
		p := New(nil, timeless(&log))
		p.Watch([]Target{target("A", 0), target("B", 0)})
		start := time.Now()
		at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
		for i, step := range []struct {
			up   bool
			err  error
			want State
			log  string
		}{
			{true, nil, State{true, true, at(0), at(0), "", ""}, ""},
			{true, errRefused, State{true, true, at(0), at(1), "", ""}, ""},
			{false, fmt.Errorf("dial tcp://A:1: %w", errRefused), State{true, false, at(2), at(2), "connection refused", ""},
				"level=WARN msg=\"service is down\" service=A error=\"dial tcp://A:1: connection refused\"\n"},
			{false, nil, State{true, false, at(2), at(3), "", ""}, ""},
			{false, context.DeadlineExceeded, State{true, false, at(2), at(4), "no answer in time", ""}, ""},
			{false, errors.New("\x1b[31m\n" + strings.Repeat("é", 100)), State{true, false, at(2), at(5), " [31m " + strings.Repeat("é", 73) + "…", ""}, ""},
			{true, nil, State{true, true, at(6), at(6), "", ""}, "level=INFO msg=\"service is up\" service=A\n"},
		} {
			log.Take()
			p.Note("A", step.up, step.err)
			if got := p.State("A"); got != step.want {
				t.Errorf("step %d: %+v, want %+v", i, got, step.want)
			}
			if log.String() != step.log {
				t.Errorf("step %d: logged %q, want %q", i, log.String(), step.log)
			}
			time.Sleep(time.Second)
		}

		// The first that is heard of a service is news only if it is bad.
		log.Take()
		p.Note("B", false, nil)
		if !strings.HasPrefix(log.String(), "level=WARN") {
			t.Errorf("logged %q", log.String())
		}
		p.Note("stranger", true, nil)
		if s := p.State("stranger"); s != (State{}) {
			t.Errorf("%+v", s)
		}
	})
}

// Services that people call are not tried as well.
func TestNotePutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(context.Context, session.ID, session.Route) (session.Endpoint, error) {
			t.Error("tried")
			return nil, errRefused
		}
		p := run(t, dial, nil, target("A", time.Minute))
		for range 100 {
			p.Note("A", true, nil)
			time.Sleep(45 * time.Second)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := make(chan string)
		dial := func(_ context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
			tries <- r.URL
			return nil, errRefused
		}
		var log logtest.Log
		p := run(t, dial, timeless(&log), target("same", 0), target("moved", 0), target("gone", time.Hour))
		for _, name := range []string{"same", "moved"} {
			p.Note(name, true, nil)
		}
		time.Sleep(firstWithin) // "gone" is being tried
		synctest.Wait()

		// What the try of a service finds that is gone interests nobody.
		moved := target("moved", 0)
		moved.Route.URL += "2"
		same := target("same", 0)
		same.Route.Subprotocols = []string{"tty"}
		p.Watch([]Target{same, moved})
		<-tries
		synctest.Wait()
		if log.String() != "" {
			t.Errorf("logged %q", log.String())
		}
		p.Watch([]Target{same, moved, target("gone", 0)})
		for name, want := range map[string]bool{"same": true, "moved": false, "gone": false} {
			if got := p.State(name); got.Known != want {
				t.Errorf("%s: %+v", name, got)
			}
		}

		// Tries begin, and end, with the list.
		p.Watch([]Target{target("same", time.Hour)})
		start := time.Now()
		<-tries
		if waited := time.Since(start); waited > firstWithin {
			t.Errorf("tried after %v", waited)
		}
		synctest.Wait()
		p.Watch([]Target{target("same", 0)})
		select {
		case url := <-tries:
			t.Errorf("%s is tried still", url)
		case <-time.After(24 * time.Hour):
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Log
		ctx, cancel := context.WithCancel(t.Context())
		dial := func(ctx context.Context, _ session.ID, _ session.Route) (session.Endpoint, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // as the peer may take a moment
			return nil, ctx.Err()
		}
		p := New(dial, timeless(&log))
		p.Watch([]Target{target("A", time.Second), target("B", time.Second)})
		time.AfterFunc(5*time.Second, cancel)
		start := time.Now()
		p.Run(ctx)
		if lasted := time.Since(start); lasted != 6*time.Second {
			t.Errorf("it took %v", lasted)
		}
		if s := p.State("A"); s.Known || log.String() != "" {
			t.Errorf("%+v, logged %q", s, log.String())
		}
	})
}

// A service that comes and goes, on a real socket.
func TestRealService(t *testing.T) {
	address := freeport.Addr(t) // where it comes back
	service := listen(t, address)
	out, in := io.Pipe()
	defer out.Close() // or Run might wait to be read
	news := bufio.NewScanner(out)
	p := run(t, new(upstream.Dialer).Dial, slog.New(slog.NewTextHandler(in, nil)), Target{
		Name: "A", Route: session.Route{URL: "telnet://" + address}, Every: 10 * time.Millisecond,
	})

	// It answers, and hears nothing but the end.
	for range 3 {
		conn, err := service.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	if s := p.State("A"); !s.Known || !s.Up {
		t.Errorf("%+v", s)
	}
	service.Close()
	if news.Scan(); !strings.Contains(news.Text(), `msg="service is down" service=A error="dial telnet://`+address+`: connect: connection refused"`) {
		t.Error(news.Text())
	}
	if s := p.State("A"); s.Up || s.Err != "connect: connection refused" {
		t.Errorf("%+v", s)
	}
	listen(t, address)
	if news.Scan(); !strings.Contains(news.Text(), `msg="service is up" service=A`) {
		t.Error(news.Text())
	}
	if s := p.State("A"); !s.Up || s.Err != "" {
		t.Errorf("%+v", s)
	}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
