package news

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/bus"
	"moip/internal/session"
)

// A portal hears what is published, and nothing else.
type portal struct {
	mu   sync.Mutex
	told []string
}

func listen(x *bus.Exchange) *portal {
	var p portal
	x.Join().Subscribe("event.*", "", func(m bus.Message) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, h := range parse(m.Data, m.Subject[len(told):]) {
			what := fmt.Sprint(h.Gateway, "-", h.Call)
			if h.Type == Lost {
				what = fmt.Sprint(h.Gateway, " lost ", h.Lost)
			}
			p.told = append(p.told, what)
		}
	})
	return &p
}

func (p *portal) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.told, want) {
		t.Errorf("told %q, want %q", p.told, want)
	}
	p.told = nil
}

func there(path string) bool { _, err := os.Stat(path); return err == nil }

// What happens while the bus is down is told once it is back, before what is new, and what
// the bus had taken and not carried is told again.
func TestOutage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := listen(&x)
		a := openWith(&x, "a", path, 1<<20)
		defer func() { a.stop() }()
		a.call()
		time.Sleep(3 * time.Second)
		p.expect(t, "a-1")
		a.call()
		time.Sleep(2 * haste)
		a.call()
		time.Sleep(2 * haste)
		p.expect(t, "a-2", "a-3") // and of the second, the gateway cannot know yet
		a.Cut(errCut)
		a.call()
		a.call()
		time.Sleep(time.Minute)
		if c := a.Counts(); c.Waiting != 3 || !there(path) {
			t.Errorf("%+v, and the file is there: %v", c, there(path))
		}
		a.call()
		a.Cut(nil)
		a.call()
		time.Sleep(settleTime - time.Second)
		p.expect(t) // others may not be back
		time.Sleep(2 * time.Second)
		p.expect(t, "a-3", "a-4", "a-5", "a-6", "a-7")
		if c := a.Counts(); c.Waiting != 0 || c.Lost != 0 || there(path) {
			t.Errorf("%+v, and the file is there: %v", c, there(path))
		}
	})
}

// A narrow bus takes no messages of more than some bytes.
type narrow struct {
	bus.Bus
	most int
}

func (n narrow) Publish(m bus.Message) error {
	if len(m.Data) > n.most {
		return bus.ErrLarge
	}
	return n.Bus.Publish(m)
}

// A bus that takes only small messages is told all the same, but for what is too large by
// itself.
func TestOutageOfANarrowBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := listen(&x)
		place := x.Join()
		a := openAt(place, narrow{place, 300}, "a", path, 1<<20)
		defer a.stop()
		a.Cut(errCut)
		a.call()
		a.call()
		a.Note(session.Event{Call: 3, Type: session.Ended, At: time.Now(), Err: errors.New(strings.Repeat("x", 300))})
		for a.calls = 3; a.calls < 7; {
			a.call()
		}
		time.Sleep(time.Second)
		a.Cut(nil)
		time.Sleep(time.Minute)
		p.expect(t, "a-1", "a-2", "a-4", "a-5", "a-6", "a-7")
		if c := a.Counts(); c.Waiting != 0 || c.Lost != 1 || there(path) {
			t.Errorf("%+v, and the file is there: %v", c, there(path))
		}
	})
}

// Who follows at another gateway hears that once, after an outage and after a restart in
// the middle of it.
func TestOutageFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := openWith(&x, "a", path, 1<<20), open(&x, "b")
		defer b.stop()
		time.Sleep(time.Second)
		var v visitor
		defer v.visit(b, "")()
		a.call()
		time.Sleep(haste)
		v.expect(t, "a-1")
		a.Cut(errCut)
		a.call()
		a.call()
		time.Sleep(time.Minute)
		a.stop()
		if !there(path) {
			t.Fatal("nothing is kept")
		}
		a = openWith(&x, "a", path, 1<<20)
		defer func() { a.stop() }()
		a.calls = 10
		a.call()
		time.Sleep(2 * settleTime)
		v.expect(t, "a-2", "a-3", "a-11")
		if there(path) {
			t.Error("the file stays")
		}
	})
}

// A process that is killed after it has delivered, and before that is written, has it
// delivered again by the next: with the same ids, and followers do not hear it twice.
func TestDeliveredTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b, p := openWith(&x, "a", path, 1<<20), open(&x, "b"), listen(&x)
		defer b.stop()
		time.Sleep(time.Second)
		var v visitor
		leave := v.visit(b, "")
		defer func() { leave() }()
		a.Cut(errCut)
		for range 3 {
			a.call()
		}
		time.Sleep(time.Second)
		undelivered, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a.Cut(nil)
		time.Sleep(2 * settleTime)
		v.expect(t, "a-1", "a-2", "a-3")
		p.expect(t, "a-1", "a-2", "a-3")
		a.stop()
		if err := os.WriteFile(path, undelivered, 0o600); err != nil {
			t.Fatal(err)
		}
		a = openWith(&x, "a", path, 1<<20)
		defer func() { a.stop() }()
		leave()
		leave = v.visit(b, "")
		a.calls = 9
		a.call()
		time.Sleep(2 * settleTime)
		p.expect(t, "a-1", "a-2", "a-3", "a-10")
		v.expect(t, "a-10")
	})
}

// Who is cut off when a process that is gone has its spool delivered may ask for that.
func TestPast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b := openWith(&x, "a", path, 1<<20), open(&x, "b")
		defer b.stop()
		time.Sleep(time.Second)
		var v visitor
		leave := v.visit(b, "")
		a.Cut(errCut)
		for range 300 {
			a.call()
		}
		time.Sleep(time.Second)
		a.stop()
		leave()
		b.Cut(errCut)
		a = openWith(&x, "a", path, 1<<20)
		defer func() { a.stop() }()
		time.Sleep(2 * settleTime)
		if there(path) {
			t.Fatal("it is not delivered")
		}
		b.Cut(nil)
		defer v.visit(b, "")()
		time.Sleep(2 * settleTime)
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.told) != 300 || v.told[0] != "a-1" || v.told[299] != "a-300" {
			t.Errorf("told of %d", len(v.told))
		}
	})
}

// A spool that is full says how many events it has no room for, and all are told of what
// is lost.
func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := listen(&x)
		a := openWith(&x, "a", path, 1000)
		defer a.stop()
		time.Sleep(time.Second)
		a.Cut(errCut)
		for range 1000 {
			a.call()
			time.Sleep(time.Millisecond)
		}
		kept := 1000 - a.Counts().Lost
		if kept < 3 || kept > 10 {
			t.Errorf("%d are kept", kept)
		}
		a.Cut(nil)
		time.Sleep(2 * settleTime)
		a.call()
		time.Sleep(time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		var missing uint64
		var others []string
		for _, s := range p.told {
			var n uint64
			if fmt.Sscanf(s, "a lost %d", &n); n > 0 {
				missing += n
			} else {
				others = append(others, s)
			}
		}
		var want []string
		for i := range kept {
			want = append(want, fmt.Sprint("a-", i+1))
		}
		want = append(want, "a-1001")
		if missing != 1000-kept || !slices.Equal(others, want) || p.told[len(p.told)-1] != "a-1001" {
			t.Errorf("%d are missing of %d; told %s", missing, 1000-kept, strings.Join(p.told, ", "))
		}
	})
}

// A spool that was full, and that somebody has emptied, has room at the next outage.
func TestFullAndEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := listen(&x)
		a := openWith(&x, "a", path, 1000)
		defer a.stop()
		time.Sleep(time.Second)
		a.Cut(errCut)
		for range 100 {
			a.call()
		}
		time.Sleep(time.Second)
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		a.Cut(nil)
		time.Sleep(time.Minute)
		p.mu.Lock()
		p.told = nil
		p.mu.Unlock()
		a.Cut(errCut)
		a.call()
		time.Sleep(time.Second)
		a.Cut(nil)
		time.Sleep(time.Minute)
		p.expect(t, "a-101")
	})
}

// Without a spool, or with one that cannot be written, the newest wait in memory.
func TestNoSpool(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "none", "spool")} {
		synctest.Test(t, func(t *testing.T) {
			var x bus.Exchange
			p := listen(&x)
			a := openWith(&x, "a", path, 1<<20)
			defer a.stop()
			time.Sleep(time.Second)
			a.Cut(errCut)
			for range Kept + 10 {
				a.call()
			}
			time.Sleep(time.Minute)
			a.Cut(nil)
			time.Sleep(2 * settleTime)
			p.mu.Lock()
			defer p.mu.Unlock()
			if n := len(p.told); n != Kept+1 || p.told[0] != "a lost 10" || p.told[1] != "a-11" || p.told[n-1] != fmt.Sprint("a-", Kept+10) || a.Counts().Lost != 10 {
				t.Errorf("with %q, told of %d, %.3q; %+v", path, n, p.told, a.Counts())
			}
		})
	}
}

// The process that replaces another has the spool, and what is in it.
func TestYield(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := listen(&x)
		a := openWith(&x, "a", path, 1<<20)
		defer a.stop()
		time.Sleep(time.Second)
		a.Cut(errCut)
		a.call()
		time.Sleep(time.Second)
		heir := openWith(&x, "a", path, 1<<20)
		defer heir.stop()
		time.Sleep(time.Second)
		p.expect(t)
		a.Yield()
		a.call() // waits in memory
		time.Sleep(2 * againTime)
		p.expect(t, "a-1")
		a.Cut(nil)
		time.Sleep(time.Second)
		p.expect(t, "a-2")
	})
}
