package recording

import (
	"context"
	"io"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"moip/internal/session"
)

// BenchmarkCall takes keys from callers through their calls to a service, and the
// echo of each back to the screen, with and without a recording of the calls. It
// tells the processor's time and the allocations of a key, those of the goroutine
// that writes included, and what a recording multiplies them by: typed as fast as
// can be, and by a hundred callers who type ten keys a second each.
func BenchmarkCall(b *testing.B) {
	for name, typed := range map[string]func(b *testing.B, keys Keys) cost{"flood": flood, "evening": evening} {
		b.Run(name, func(b *testing.B) {
			plain := typed(b, "")
			for _, keys := range []Keys{KeysAll, KeysShown} {
				recorded := typed(b, keys)
				b.ReportMetric(float64(recorded.cpu)/float64(plain.cpu), "x-cpu-"+string(keys))
				b.ReportMetric(float64(recorded.cpu-plain.cpu), "ns-more-"+string(keys))
				b.ReportMetric(recorded.allocs-plain.allocs, "allocs-more-"+string(keys))
			}
			b.ReportMetric(float64(plain.cpu), "ns-plain")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A cost is what a key costs.
type cost struct {
	cpu    time.Duration
	allocs float64
}

// used returns what the program has used by now.
func used() (cpu time.Duration, allocs uint64) {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), m.Mallocs
}

func flood(b *testing.B, keys Keys) cost   { return measured(b, keys, 1, 300_000, 0) }
func evening(b *testing.B, keys Keys) cost { return measured(b, keys, 100, 30, 100*time.Millisecond) }

// measured has callers type, with a pause after each key, and returns what one costs.
func measured(b *testing.B, keys Keys, callers, each int, pause time.Duration) cost {
	b.Helper()
	var f *Folder
	if keys != "" {
		var err error
		if f, err = OpenFolder(b.TempDir(), Options{Keys: keys}); err != nil {
			b.Fatal(err)
		}
	}
	lines := make([]*tube, callers)
	var ended sync.WaitGroup
	for i := range lines {
		lines[i] = calls(f, &ended)
	}
	cpu, allocs := used()
	var typing sync.WaitGroup
	for _, line := range lines {
		typing.Go(func() {
			key := []byte("x")
			for range each {
				line.says <- key
				for <-line.last != 'x' {
				}
				time.Sleep(pause)
			}
		})
	}
	typing.Wait()
	if f != nil {
		time.Sleep(2 * writeEvery) // for the last to be written
	}
	cpuAfter, allocsAfter := used()
	for _, line := range lines {
		line.Close()
	}
	ended.Wait()
	if f != nil {
		f.Close()
	}
	n := callers * each
	return cost{(cpuAfter - cpu) / time.Duration(n), float64(allocsAfter-allocs) / float64(n)}
}

// calls returns the line of a caller at a service that echoes.
func calls(f *Folder, ended *sync.WaitGroup) *tube {
	caller, service := newTube(), newTube()
	caller.hears = func(p []byte) { caller.last <- p[len(p)-1] }
	service.hears = func(p []byte) { service.says <- append(service.echo[:0], p...) }
	there := make(chan struct{})
	ended.Add(1)
	cfg := &session.Config{
		DialPortal: func(ctx context.Context, _ session.ID, _ session.Route) (session.Endpoint, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		DialService: func(context.Context, session.ID, session.Route) (session.Endpoint, error) { return service, nil },
		Emit: func(e session.Event) {
			switch e.Type {
			case session.Redirected:
				close(there)
			case session.Ended:
				ended.Done()
			}
		},
	}
	if f != nil {
		cfg.Recorder = f.Record
	}
	c := session.Start(cfg, 1, session.Caller{Record: f != nil}, caller)
	c.Redirect(session.Route{Name: "echo"})
	<-there
	return caller
}

// A tube is an Endpoint that costs next to nothing.
type tube struct {
	says  chan []byte
	last  chan byte // that it heard of each Send
	hears func([]byte)
	echo  [8]byte
	done  chan struct{}
	close sync.Once
}

func newTube() *tube {
	return &tube{says: make(chan []byte, 1), last: make(chan byte, 4), done: make(chan struct{})}
}

func (t *tube) Receive() ([]byte, error) {
	select {
	case p := <-t.says:
		return p, nil
	case <-t.done:
	}
	return nil, io.EOF
}

func (t *tube) Send(p []byte) bool { t.hears(p); return false }
func (t *tube) Flush()             {}
func (t *tube) Close() error       { t.close.Do(func() { close(t.done) }); return nil }

// BenchmarkTell tells a recording of a key and its echo: that is all that whoever has
// the call's lock spends on it.
func BenchmarkTell(b *testing.B) {
	f := newFolder(b.TempDir(), Options{})
	r := f.Record(session.Info{ID: 1}).(*Recording)
	key, n := []byte("x"), 0
	var done []byte
	b.ReportAllocs()
	for b.Loop() {
		r.Typed(key)
		r.Sent(key)
		if n++; n%1000 == 0 { // as the folder's goroutine does
			done, _, _ = r.next(done)
			f.news = f.news[:0]
		}
	}
}
