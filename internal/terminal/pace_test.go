package terminal

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// At 1200 bit/s, a second brings 120 characters, and a line that was idle has
// saved up nothing.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1200)
		for range 2 {
			time.Sleep(time.Minute)
			p.add(bytes.Repeat([]byte{'a'}, 300))
			for _, want := range []int{0, 120, 120, 60, 0} {
				if got := len(p.take()); got != want {
					t.Errorf("%d characters come, want %d", got, want)
				}
				time.Sleep(time.Second)
			}
		}
	})
}

// What comes while something waits is delivered behind it.
func TestPaceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(9600)
		p.add(bytes.Repeat([]byte{'a'}, 960))
		time.Sleep(500 * time.Millisecond)
		p.take()
		p.add(bytes.Repeat([]byte{'b'}, 960))
		time.Sleep(time.Second)
		if got := p.take(); bytes.Count(got, []byte{'a'}) != 480 || bytes.Count(got, []byte{'b'}) != 480 {
			t.Errorf("there come %d: %q", len(got), got)
		}
	})
}

func TestPaceHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1200)
		p.add(make([]byte, 1000))
		p.hurry()
		if got := len(p.take()); got != 1000 {
			t.Errorf("%d come", got)
		}
		p.add(make([]byte, 1000)) // and after that it goes on
		time.Sleep(time.Second)
		if got := len(p.take()); got != 120 {
			t.Errorf("%d come", got)
		}
	})
}

// A line without a speed delivers at once.
func TestPaceless(t *testing.T) {
	p := newPace(0)
	p.add(make([]byte, maxWaiting))
	if !p.full() {
		t.Error("it is not full")
	}
	if got := len(p.take()); got != maxWaiting || !p.empty() {
		t.Errorf("%d come", got)
	}
	if p.tick() != nil {
		t.Error("it ticks")
	}
}
