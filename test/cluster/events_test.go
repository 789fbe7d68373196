//go:build linux

package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A follower follows the events of the whole hub at one gateway, and goes on at another when
// that is no more.
type follower struct {
	h      *hub
	stop   context.CancelFunc
	work   sync.WaitGroup
	client *http.Client

	mu      sync.Mutex
	place   string
	heard   map[string]int            // by id
	types   map[string]map[string]int // by address of the caller, and type
	lost    int                       // told of as lost
	readers int                       // how often it has begun anew
}

func follow(h *hub) *follower {
	ctx, stop := context.WithCancel(context.Background())
	transport := &http.Transport{ResponseHeaderTimeout: 15 * time.Second}
	f := &follower{h: h, stop: stop, client: &http.Client{Transport: transport}, heard: map[string]int{}, types: map[string]map[string]int{}}
	ready := make(chan struct{})
	begun := sync.OnceFunc(func() { close(ready) })
	f.work.Go(func() {
		for ctx.Err() == nil {
			f.reads(ctx, h.any(), begun)
			wait(ctx, 100*time.Millisecond)
		}
	})
	h.Cleanup(func() {
		f.ends()
		transport.CloseIdleConnections()
	})
	select {
	case <-ready:
	case <-time.After(patience):
		h.Fatal("no events are told")
	}
	return f
}

func (f *follower) ends() {
	f.stop()
	f.work.Wait()
}

// reads follows at one gateway until that is to be asked no more.
func (f *follower) reads(ctx context.Context, m *member, ready func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.work.Go(func() { // who stands still does not hang up
		for ctx.Err() == nil {
			f.h.mu.Lock()
			down := f.h.down[m]
			f.h.mu.Unlock()
			if down {
				cancel()
			}
			wait(ctx, 100*time.Millisecond)
		}
	})
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+m.admin+"/api/v1/events", nil)
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Bearer "+f.h.token)
	f.mu.Lock()
	if f.place != "" {
		r.Header.Set("Last-Event-ID", f.place)
	}
	f.readers++
	f.mu.Unlock()
	w, err := f.client.Do(r)
	if err != nil {
		return
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return
	}
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	place := ""
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "id":
			place = value
		case "data":
			f.hears(value)
		case "":
			f.mu.Lock()
			if place != "" {
				f.place = place
				ready()
			}
			f.mu.Unlock()
		}
	}
}

func (f *follower) hears(text string) {
	var e struct {
		ID, Gateway, Type, From string
		Lost                    int
	}
	if json.Unmarshal([]byte(text), &e) != nil || e.Type == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Type == "lost" {
		f.lost += e.Lost
		f.h.Logf("events of %s are told of as lost: %d", e.Gateway, e.Lost)
		return
	}
	f.heard[e.Gateway+" "+e.ID]++
	if e.From != "" {
		if f.types[e.From] == nil {
			f.types[e.From] = map[string]int{}
		}
		f.types[e.From][e.Type]++
	}
}

// hasTold reports, by an error, whether all calls of a crowd that their callers have ended
// are told of from begin to end, or as lost.
func (f *follower) hasTold(c *crowd) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	missing := 0
	for _, l := range c.books() {
		if got := f.types[l.address]; l.left && (got["began"] == 0 || got["ended"] == 0) {
			missing++
		}
	}
	if missing > f.lost {
		return fmt.Errorf("%d are not", missing)
	}
	return nil
}

// tells holds what was told against the calls that there were, of which some ended with their
// gateway.
func (f *follower) tells(c *crowd, killed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	doubled, missed, unended := 0, 0, 0
	for id, n := range f.heard {
		if n > 1 {
			if doubled++; doubled < 5 {
				f.h.Errorf("event %s is told %d times", id, n)
			}
		}
	}
	missing := []string{}
	for _, l := range c.books() {
		switch got := f.types[l.address]; {
		case got["began"] != 1:
			missed++
			missing = append(missing, fmt.Sprintf("%s from %v to %v: %v", l.address, l.began.Format(time.TimeOnly), l.ended.Format(time.TimeOnly), got))
		case got["ended"] != 1:
			unended++
		}
	}
	f.h.Logf("events: %d told, %d doubled, %d told of as lost; %d calls whose beginning was not told, %d whose end was not; followed at %d gateways in turn",
		len(f.heard), doubled, f.lost, missed, unended, f.readers)
	if unended > killed+f.lost {
		f.h.Errorf("of %d calls the end was not told, but %d ended with their gateway", unended, killed)
	}
	if missed > f.lost {
		f.h.Errorf("%d calls were not told of, but %d events were told of as lost: %q", missed, f.lost, missing[:min(5, len(missing))])
	}
}
