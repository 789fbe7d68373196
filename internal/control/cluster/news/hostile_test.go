package news

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/bus"
)

// What comes from the bus may be anything: it is left aside, or is an event that a reader
// may be told, in a line of its own.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"k3f.1","gateway":"a","type":"began"}`+"\n"+`{"id":"k3f.5","gateway":"a","type":"lost","lost":4}`), "a.k.1,b.c.")
	f.Add([]byte("null\n[]\n{\"id\":\"k.18446744073709551615\",\"gateway\":\"a\"}\r"), "k.3!")
	f.Add([]byte(`{"id":"k.5","gateway":"a","type":"lost","lost":18446744073709551615}`), ",,,")
	f.Fuzz(func(t *testing.T, data []byte, after string) {
		for _, h := range parse(data, "a") {
			if h.Gateway != "a" || h.source.gateway != "a" || !isWord(h.run) || h.first > h.n+1 {
				t.Errorf("%+v", h)
			}
			if line, err := json.Marshal(h.Event); err != nil || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("%q, %v", line, err)
			}
			if r := (reader{tracks: []*track{{mark: mark{source: h.source, next: h.n + 1}}}}); strings.ContainsAny(r.place(), "\r\n \x00") {
				t.Errorf("%q", r.place())
			}
		}
		if marks, err := parsePlace(after); err == nil {
			for _, m := range marks {
				if again, err := parseMark(string(m.text(nil))); err != nil || again != m {
					t.Errorf("%+v is read as %+v, %v", m, again, err)
				}
			}
		}
	})
}

// Whoever floods the bus fills no memory, and takes nothing from others.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b, mallory := open(&x, "a"), open(&x, "b"), x.Join()
		defer a.stop()
		defer b.stop()
		defer mallory.Close()
		time.Sleep(time.Second)
		var v visitor
		defer v.visit(a, "b")()
		for i := range 600 { // processes that nobody knows, and events that come after others
			for _, n := range []int{3, 7} {
				line := fmt.Sprintf(`{"id":"r%d.%d","gateway":"b","type":"began","error":"%s"}`, i, n, strings.Repeat("x", 10_000))
				mallory.Publish(bus.Message{Subject: told + "b", Data: []byte(line)})
			}
			if i%30 == 0 {
				b.call()
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		v.mu.Lock()
		defer v.mu.Unlock()
		var of []string
		for _, what := range v.told {
			if what != "b-0" && !strings.Contains(what, "lost") {
				of = append(of, what)
			}
		}
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprint("b-", i+1))
		}
		if strings.Join(of, " ") != strings.Join(want, " ") {
			t.Errorf("of b is told %s", of)
		}
		a.mu.Lock()
		for r := range a.readers {
			if len(r.tracks) > maxSources || r.held > maxWaiting || r.size > maxWaiting {
				t.Errorf("%d sources, %d bytes, %d bytes", len(r.tracks), r.held, r.size)
			}
		}
		a.mu.Unlock()
	})
}
