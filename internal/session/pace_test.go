package session

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"moip/videotex"
)

// longest is the longest run of bytes that is sent as one: a sequence that is
// longer than it should be.
const longest = 64

// A page takes the time that it takes on a line, whatever it is made of, however
// it comes and however fast the line is: as long as it is drawn, what has been sent
// is what the line has delivered, or will have after the sequence that is under
// way, but for what waits for the next cut.
func TestPaceKeepsTheLinesTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		speed := rapid.SampledFrom(Speeds).Draw(rt, "speed")
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
			"x", "\x1BA", "\x1FAA", "\x12\x50", "\x19Be", "\x1B[12;34H", strings.Repeat("y", 200), strings.Repeat("\x1B;iYA", 20), "\x0E*\x0F",
		}), 1, 60).Draw(rt, "pieces")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 30), len(pieces), len(pieces)).Draw(rt, "pauses, ms")
		var fault string
		playAt(t, speed, func(r *rig) { fault = r.drawn(speed, pieces, pauses) })
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// drawn has the portal say pieces, with a pause of some milliseconds after each,
// and returns what is wrong with the times at which they come.
func (r *rig) drawn(speed int, pieces []string, pauses []int) (fault string) {
	each := ByteTime(speed)
	cut := min(max(int(cutTime/each), 1), maxCut)
	began := time.Now()
	written, sent := 0, 0
	var free time.Duration // when the line is that has been given all that was written
	check := func() {
		now := time.Since(began)
		sent += len(r.caller.got())
		waits := max(0, int((free-now)/each))
		switch ahead := sent - (written - waits); {
		case ahead > longest:
			fault = fmt.Sprintf("after %v, %d bytes are ahead of the line", now, ahead)
		case ahead < -cut-longest:
			fault = fmt.Sprintf("after %v, %d bytes are behind the line", now, -ahead)
		case now > free+each && sent != written:
			fault = fmt.Sprintf("%d of %d bytes after %v, want all after %v", sent, written, now, free)
		}
	}
	for i, piece := range pieces {
		r.portal.say(piece)
		synctest.Wait()
		free = max(free, time.Since(began)) + time.Duration(len(piece))*each
		written += len(piece)
		for check(); pauses[i] > 0; pauses[i]-- {
			r.sleep(time.Millisecond)
			check()
		}
	}
	for fault == "" && sent < written {
		r.sleep(each)
		check()
	}
	return fault
}

// The end of a page comes, too, when the machine takes longer to send what is before it
// than the line takes for all of it.
func TestPaceOnASlowMachine(t *testing.T) {
	playAt(t, 9600, func(r *rig) {
		r.caller.mu.Lock()
		r.caller.takes = 5 * time.Millisecond
		r.caller.mu.Unlock()
		r.portal.say("xyz")
		r.sleep(time.Second)
		if got := r.caller.got(); got != "xyz" {
			t.Errorf("a second later the caller has got %q", got)
		}
	})
}

// Connexion/Fin is heard while a page is drawn, and what waits is dropped.
func TestFinOnASlowLine(t *testing.T) {
	playAt(t, 1200, func(r *rig) {
		r.visits("up")
		r.service.say(strings.Repeat("x", 6000)) // 50 s
		r.sleep(time.Second)
		r.caller.got()
		r.types("k")
		r.expect("service", r.service, "k")
		r.types(fin)
		r.expectEvents("began", "redirecting", "redirected", "returned fin")
		r.portal.say("\x0cpage")
		r.sleep(time.Second)
		if got := r.caller.got(); len(got) > 120 || !strings.HasSuffix(got, "\x0cpage") {
			t.Errorf("a second later the caller has got %q", got)
		}
	})
}

// A slow line slows its service, which then shows at the speed of the route, and
// no other caller.
func TestSpeedOfARoute(t *testing.T) {
	for speed, want := range map[int]int{0: 480, 1200: 120, 9600: 480} {
		playAt(t, speed, func(r *rig) {
			r.follows(Route{Name: "up", Speed: 4800})
			r.service.say(strings.Repeat("x", 4000))
			r.sleep(time.Second)
			if n := len(r.caller.got()); n < want || n > want+1 {
				t.Errorf("a caller at %d bit/s got %d bytes in a second, want %d", speed, n, want)
			}
			r.types(fin)
			r.sleep(10 * time.Second)
			r.caller.got()
			r.portal.say(strings.Repeat("x", 4000))
			r.sleep(time.Second)
			if n := len(r.caller.got()); speed == 0 && n != 4000 {
				t.Errorf("at the portal, which has no speed, it got %d bytes", n)
			}
		})
	}
}

// The order that changes the speed of a line changes the pace; a caller without a
// speed is none the slower for it.
func TestOrderedSpeed(t *testing.T) {
	const order = "\x1B:k"
	for speed, want := range map[int]int{0: 2000, 1200: 480} {
		playAt(t, speed, func(r *rig) {
			r.portal.say(order + "\x76") // 4800
			r.sleep(time.Second)
			r.caller.got()
			r.portal.say(strings.Repeat("x", 2000))
			r.sleep(time.Second)
			if n := len(r.caller.got()); n < want || n > want+1 {
				t.Errorf("from %d bit/s, it got %d bytes in a second, want %d", speed, n, want)
			}
			r.sleep(time.Minute)
			r.caller.got()
			r.portal.say(order + "\x40") // no speed at all
			r.sleep(time.Second)
			r.caller.got()
			r.portal.say(strings.Repeat("x", 2000))
			r.sleep(time.Second)
			if n := len(r.caller.got()); n < want || n > want+1 {
				t.Errorf("after a wrong order, it got %d bytes in a second, want %d", n, want)
			}
		})
	}
}

// The portal's last page is shown to the end, at the speed of the line.
func TestFarewellOnASlowLine(t *testing.T) {
	playAt(t, 300, func(r *rig) {
		r.portal.say(strings.Repeat("x", 300) + "receipt.") // 10 s
		synctest.Wait()
		r.portal.leave(io.EOF)
		r.sleep(time.Second)
		if r.caller.closed() {
			t.Fatal("the line is closed before the page is drawn")
		}
		r.sleep(10 * time.Second)
		if got := r.caller.got(); !strings.HasSuffix(got, "receipt.") {
			t.Errorf("the caller got %q", got)
		}
		if !r.caller.closed() {
			t.Error("the line is not closed")
		}
	})
}

// An article goes out while a page is drawn, and does not slow it by more than its
// own length.
func TestArticleOnASlowLine(t *testing.T) {
	playAt(t, 1200, func(r *rig) {
		r.visits("up")
		r.service.say(strings.Repeat("x", 240))
		r.sleep(time.Second / 2)
		r.portal.say(string(videotex.Article("0,12 F")))
		r.sleep(time.Second / 2)
		got := r.caller.got()
		if !strings.Contains(got, "0,12 F") {
			t.Errorf("the article waits for the page: %q", got)
		}
		r.sleep(2 * time.Second)
		got += r.caller.got()
		if n := strings.Count(got, "x"); n != 240 {
			t.Errorf("%d bytes of the page came", n)
		}
	})
}
