package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/control/cluster/news"
	"moip/internal/session"
	"moip/internal/testkit/soon"
)

// follows has a client follow events, and returns what it is told.
func follows(t *testing.T, server *httptest.Server) <-chan Event {
	told := make(chan Event, 10*news.Kept)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- NewClient(server.URL).Follow(ctx, func(e Event) error { told <- e; return nil })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return told
}

func serves(t *testing.T, events *Events) *httptest.Server {
	mux := http.NewServeMux()
	mux.Handle("GET "+root+"/events", events)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// next waits for an event.
func next(t *testing.T, told <-chan Event) Event {
	t.Helper()
	select {
	case e := <-told:
		return e
	case <-time.After(soon.Patience):
		t.Fatal("no event")
		return Event{}
	}
}

// noted has events happen until the client is told of one: it follows by then.
func noted(t *testing.T, events *Events, told <-chan Event) {
	t.Helper()
	soon.Is(t, "somebody follows", func() bool {
		events.Note(session.Event{Type: session.Began})
		return len(told) > 0
	})
	const last = 1 << 40
	events.Note(session.Event{Type: session.Began, Call: last})
	for next(t, told).Call != last {
	}
}

// A connection that breaks again and again loses nothing.
func TestEventsResume(t *testing.T) {
	events := NewEvents()
	server := serves(t, events)
	told := follows(t, server)
	noted(t, events, told)
	const all = 3000
	var happening sync.WaitGroup
	defer happening.Wait()
	happening.Go(func() {
		for i := range all {
			events.Note(session.Event{Type: session.Redirected, Call: session.ID(i + 1)})
			if i%1000 == 500 {
				server.CloseClientConnections()
			}
			time.Sleep(time.Millisecond / 2)
		}
	})
	for i := range all {
		if e := next(t, told); e.Call != uint64(i+1) || e.Type != "redirected" {
			t.Fatalf("after call %d: %+v", i, e)
		}
	}
}

// Who comes back to another run is told that there is no telling what it has missed.
func TestEventsLost(t *testing.T) {
	events := NewEvents()
	for i := range news.Kept + 7 {
		events.Note(session.Event{Call: session.ID(i + 1)})
	}
	server := serves(t, events)
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+root+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", "other.3")
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	p := make([]byte, 200)
	n2, _ := w.Body.Read(p)
	if got := string(p[:n2]); len(got) < 6 || got[:6] != "data: " || w.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("it begins with %q", got)
	}
}

// A gateway that nobody knows is not waited for.
func TestFollowUnknown(t *testing.T) {
	server := serves(t, NewEvents())
	if err := NewClient(server.URL).FollowGateway(t.Context(), "nantes", nil); err == nil || !strings.Contains(err.Error(), "nantes") {
		t.Errorf("it is followed: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// What is refused is not tried again.
func TestFollowRefused(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if err := NewClient(server.URL).Follow(t.Context(), nil); err == nil {
		t.Error("a gateway without events is followed")
	}
	server.Close()
	if err := NewClient(server.URL).Follow(t.Context(), nil); err == nil {
		t.Error("nobody is followed")
	}
	stopped := errors.New("stop")
	events := NewEvents()
	live := serves(t, events)
	followed := make(chan struct{})
	var happening sync.WaitGroup
	defer happening.Wait()
	defer close(followed)
	happening.Go(func() {
		for {
			events.Note(session.Event{})
			select {
			case <-followed:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	if err := NewClient(live.URL).Follow(t.Context(), func(Event) error { return stopped }); !errors.Is(err, stopped) {
		t.Errorf("it ends by %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Whoever loses the connection before anything has happened misses nothing either: the
// answer begins with an id.
func TestEventsBeginWithID(t *testing.T) {
	events := NewEvents()
	server := serves(t, events)
	connect := func(last string) (id string, told Event) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+root+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		for lines := bufio.NewScanner(w.Body); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = text
			}
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if ok && json.Unmarshal([]byte(data), &told) != nil {
				t.Fatalf("told %s", data)
			}
			if ok || last == "" && id != "" {
				return id, told
			}
		}
		t.Fatal("the answer ends")
		return
	}
	for n := range 3 {
		id, _ := connect("")
		events.Note(session.Event{Type: session.Began, Call: session.ID(n)})
		if _, e := connect(id); e.Type != "began" || e.Call != uint64(n) {
			t.Errorf("after id %q: %+v", id, e)
		}
	}
	if _, e := connect("other."); e.Type != news.Lost {
		t.Errorf("of another run: %+v", e)
	}
}
