package session

import (
	"context"
	"io"
	"sync"
	"testing"

	"moip/videotex"
)

// BenchmarkRelay takes one key from the caller through the call to a service,
// and its echo back to the screen.
func BenchmarkRelay(b *testing.B) { relay(b, &Config{}, Caller{}) }

func relay(b *testing.B, cfg *Config, who Caller) {
	screen, events := make(chan byte, 1), make(chan EventType, 8)
	caller, service := newTube(), newTube()
	caller.hears = func(p []byte) { screen <- p[len(p)-1] }
	service.hears = func(p []byte) { service.says <- append(service.echo[:0], p...) }
	cfg.DialPortal = func(ctx context.Context, _ ID, _ Route) (Endpoint, error) { <-ctx.Done(); return nil, ctx.Err() }
	cfg.DialService = func(context.Context, ID, Route) (Endpoint, error) { return service, nil }
	cfg.Limits = limits
	cfg.Emit = func(e Event) { events <- e.Type }
	c := Start(cfg, 1, who, caller)
	if err := c.Redirect(Route{Name: "echo"}); err != nil {
		b.Fatal(err)
	}
	for <-events != Redirected {
	}
	key := []byte{videotex.SEP, videotex.Suite}
	b.ReportAllocs()
	for b.Loop() {
		caller.says <- key
		for <-screen != videotex.Suite { // but a badge, perhaps
		}
	}
	close(caller.says)
	for <-events != Ended {
	}
}

// A tube is an Endpoint that costs next to nothing: what a benchmark finds is
// what the call costs.
type tube struct {
	says  chan []byte
	hears func([]byte)
	echo  [8]byte
	done  chan struct{}
	close sync.Once
}

func newTube() *tube { return &tube{says: make(chan []byte, 1), done: make(chan struct{})} }

func (t *tube) Receive() ([]byte, error) {
	select {
	case p, ok := <-t.says:
		if ok {
			return p, nil
		}
	case <-t.done:
	}
	return nil, io.EOF
}

func (t *tube) Send(p []byte) bool { t.hears(p); return false }
func (t *tube) Flush()             {}
func (t *tube) Close() error       { t.close.Do(func() { close(t.done) }); return nil }
