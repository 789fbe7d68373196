package recording

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/session"
	"moip/internal/testkit/logtest"
	"moip/videotex"
)

const cast = `{"version":3,"term":{"cols":40,"rows":25}}
[1,"o","a"]
[1,"i","typed"]
[2,"o","b"]
[0,"p","of a kind that others may have"]
`

func TestPlayer(t *testing.T) {
	for speed, want := range map[Speed][2]time.Duration{
		AsItWas: {time.Second, 4 * time.Second}, {Factor: 2}: {time.Second / 2, 2 * time.Second},
		{}: {}, {Line: 300}: {0, time.Second / 30},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(cast))
			if err != nil {
				t.Fatal(err)
			}
			p := Play(r, speed)
			began := time.Now()
			for i, data := range []string{"a", "b"} {
				got, err := p.Receive()
				if at := time.Since(began); string(got) != data || err != nil || (at-want[i]).Abs() > time.Millisecond {
					t.Errorf("%v: %q, %v after %v, want %q after %v", speed, got, err, at, data, want[i])
				}
			}
			if _, err := p.Receive(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // closed while it waits
		r, _ := NewReader(strings.NewReader(cast))
		p := Play(r, AsItWas)
		time.AfterFunc(time.Second/2, func() { p.Close(); p.Close() })
		for range 2 {
			if got, err := p.Receive(); err != io.EOF {
				t.Errorf("closed: %q, %v", got, err)
			}
		}
	})
}

// On a line of some speed a page takes its time, in small pieces.
func TestPlayerOnALine(t *testing.T) {
	page := strings.Repeat("x", 1200)
	synctest.Test(t, func(t *testing.T) {
		r, _ := NewReader(strings.NewReader("{\"version\":3}\n[5,\"o\",\"" + page + "\"]\n[5,\"o\",\"y\"]\n"))
		p := Play(r, Speed{Line: 1200})
		began, got := time.Now(), ""
		for {
			data, err := p.Receive()
			if err != nil {
				break
			}
			got += string(data)
			if due := time.Duration(len(got)-len(data)) * time.Second / 120; (time.Since(began) - due).Abs() > time.Millisecond {
				t.Fatalf("after %d bytes it is %v, want %v", len(got)-len(data), time.Since(began), due)
			}
			if len(data) > 24 {
				t.Fatalf("%d bytes at once", len(data))
			}
		}
		if got != page+"y" {
			t.Errorf("it says %d bytes", len(got))
		}
	})
}

func TestSpeed(t *testing.T) {
	for text, want := range map[string]Speed{"1x": AsItWas, "0.5x": {Factor: 0.5}, "1200": {Line: 1200}, "300": {Line: 300}, "max": {}} {
		var s Speed
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "2", "0x", "0.05x", "2000x", "NaNx", "-1x", "x", "1201", "MAX"} {
		if err := new(Speed).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a speed", text)
		}
	}
}

func TestRoute(t *testing.T) {
	for url, want := range map[string]struct {
		path  string
		speed Speed
	}{
		"replay:a.cast": {"a.cast", AsItWas}, "replay:/a b?speed=1200": {"/a b", Speed{Line: 1200}},
		"replay:a:b?speed=max": {"a:b", Speed{}}, "replay:C:\\a?speed=2x": {"C:\\a", Speed{Factor: 2}},
	} {
		path, speed, err := ParseRoute(url)
		if path != want.path || speed != want.speed || err != nil || !IsRoute(url) {
			t.Errorf("%s: %q, %v, %v", url, path, speed, err)
		}
	}
	for url, want := range map[string]string{
		"replay:": "names no file", "replay:?speed=max": "names no file",
		"replay:a?speed=3": `"3" is no speed`, "replay:a?spee=3": "?spee=3 is unknown", "replay:a?": "? is unknown",
	} {
		if _, _, err := ParseRoute(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
	below := func(path string) string { return "/etc/" + path }
	for url, want := range map[string]string{"replay:a?speed=2x": "replay:/etc/a?speed=2x", "replay:a": "replay:/etc/a", "ws://a": "ws://a"} {
		if got := ResolveRoute(url, below); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}

// A show is what a Player says, on a screen.
type show struct {
	*testing.T
	*Player
	screen *videotex.Screen
	said   string
}

func sees(t *testing.T, p *Projector, url string) *show {
	t.Helper()
	e, err := p.Dial(context.Background(), 1, session.Route{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return &show{t, e.(*Player), videotex.NewScreen(), ""}
}

// next expects what is said next, but for what clears the screen, and when.
func (s *show) next(want string, after time.Duration) {
	s.Helper()
	began := time.Now()
	s.says(want)
	if took := time.Since(began); took != after {
		s.Errorf("it says %q after %v, want it after %v", s.said, took, after)
	}
}

// says is next, at any time.
func (s *show) says(want string) {
	s.Helper()
	s.said = ""
	for s.said == "" {
		got, err := s.Receive()
		if err != nil {
			s.Fatalf("%v, want %q", err, want)
		}
		s.screen.Write(got)
		s.said = strings.ReplaceAll(string(got), cleared, "")
	}
	if s.said != want {
		s.Errorf("it says %q, want %q", s.said, want)
	}
}

const cleared = "\x1F@A\x18\n\x14\x0C"

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A folder is played in the order of its names, for ever, with a pause and a clear
// screen between two. What is added is played in the next round, and what cannot be
// played is logged once.
func TestFolderPlays(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/2.CAST", cast)
	write(t, dir+"/1.vdt", "page\x19") // in mid-sequence
	write(t, dir+"/.hidden.cast", cast)
	write(t, dir+"/notes.txt", "x")
	synctest.Test(t, func(t *testing.T) {
		log := new(logtest.Log)
		p := NewProjector(log.Logger())
		s := sees(t, p, "replay:"+dir)
		for range 3 {
			s.next("page\x19", s.pauseOnce())
			s.next("\x14", between) // brings the terminal to rest
			s.next("a", time.Second)
			s.next("b", 3*time.Second)
		}
		write(t, dir+"/3.cast", cast[:strings.Index(cast, "[2")]+"nonsense\n")
		write(t, dir+"/4.cast", "nonsense")
		if err := os.Mkdir(dir+"/5.cast", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("nowhere", dir+"/6.cast"); err != nil {
			t.Fatal(err)
		}
		other := sees(t, p, "replay:"+dir+"?speed=max") // from the beginning
		other.next("page\x19", 0)
		for range 3 {
			s.next("page\x19", between)
			s.next("\x14", between)
			s.next("a", time.Second)
			s.next("b", 3*time.Second)
			s.next("a", between+time.Second)
		}
		if len(log.Lines("passed over")) != 3 || len(log.Lines("3.cast: line 4")) != 1 || len(log.Lines("4.cast")) != 1 || len(log.Lines("6.cast")) != 1 {
			t.Errorf("the log says\n%s", log)
		}
		s.Close()
		other.Close()
	})
}

// pauseOnce returns the pause before the next file: none before the first.
func (s *show) pauseOnce() time.Duration {
	if s.said == "" {
		return 0
	}
	return between
}

// A folder with nothing to play says so, and is looked at again, but not all the
// time.
func TestEmptyFolder(t *testing.T) {
	for _, name := range []string{"", "bad.cast", "empty.cast"} {
		dir := t.TempDir()
		switch name {
		case "bad.cast":
			write(t, filepath.Join(dir, name), "nonsense")
		case "empty.cast":
			write(t, filepath.Join(dir, name), `{"version":3}`)
		}
		synctest.Test(t, func(t *testing.T) {
			s := sees(t, NewProjector(nil), "replay:"+dir+"?speed=max")
			began := time.Now()
			for range 6 {
				s.says(string(nothing))
				if !strings.Contains(s.screen.String(), "Rien à montrer pour le moment") {
					t.Errorf("after %v, the screen is %s", time.Since(began), s.screen)
				}
			}
			if took := time.Since(began); took < 5*between || took > 12*between {
				t.Errorf("%q: it is said six times in %v", name, took)
			}
			write(t, dir+"/x.vdt", "page")
			for s.said != "page" {
				got, err := s.Receive()
				if err != nil {
					t.Fatal(err)
				}
				s.said = string(got)
			}
			s.Close()
		})
	}
}

// One file is played once, to the byte. What is no recording is refused at once.
func TestFilePlays(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/call.cast", cast)
	write(t, dir+"/page.vdt", "page")
	write(t, dir+"/bad.cast", "nonsense")
	synctest.Test(t, func(t *testing.T) {
		p := NewProjector(nil)
		for url, want := range map[string]string{"replay:" + dir + "/call.cast?speed=2x": "ab", "replay:" + dir + "/page.vdt": "page"} {
			s := sees(t, p, url)
			all := ""
			for {
				got, err := s.Receive()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				all += string(got)
			}
			if all != want {
				t.Errorf("%s says %q", url, all)
			}
			s.Close()
		}
		for _, url := range []string{"replay:" + dir + "/bad.cast", "replay:" + dir + "/none.cast", "replay:/dev/zero", "replay:", "replay:" + dir + "?speed=1"} {
			if e, err := p.Dial(context.Background(), 1, session.Route{URL: url}); err == nil {
				e.Close()
				t.Errorf("%s is played", url)
			}
		}
	})
}

// A museum's loop runs for ten days, and takes no more memory or descriptors at the
// end than on the first.
func TestMuseum(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		write(t, fmt.Sprintf("%s/%d.cast", dir, i), cast+"[90,\"o\",\""+strings.Repeat("x", 2000)+"\"]\n")
		write(t, fmt.Sprintf("%s/%d.vdt", dir, i), strings.Repeat("y", 1000))
	}
	write(t, dir+"/bad.cast", "nonsense")
	synctest.Test(t, func(t *testing.T) {
		p := NewProjector(new(logtest.Log).Logger())
		var visitors []*show
		for range 2 {
			visitors = append(visitors, sees(t, p, "replay:"+dir))
		}
		began := time.Now()
		runs := func(until time.Duration) (bytes int) {
			var looking sync.WaitGroup
			counts := make([]int, len(visitors))
			for i, s := range visitors {
				looking.Go(func() {
					for time.Since(began) < until {
						got, err := s.Receive()
						if err != nil {
							t.Error(err)
							return
						}
						counts[i] += len(got)
					}
				})
			}
			looking.Wait()
			return slices.Min(counts)
		}
		const day = 24 * time.Hour
		if runs(day) == 0 {
			t.Error("nothing is shown")
		}
		memory, descriptors := held(t)
		for n := time.Duration(2); n <= 10; n++ {
			if runs(n*day) == 0 {
				t.Errorf("nothing is shown on day %d", n)
			}
		}
		memoryAfter, descriptorsAfter := held(t)
		t.Logf("after a day: %d bytes, %d descriptors; after ten: %d, %d", memory, descriptors, memoryAfter, descriptorsAfter)
		// The runtime itself grows by some 10 to 20 KB, for what it keeps at hand. A few
		// bytes that each showing left behind would be more.
		if grown := memoryAfter - memory; grown > 64<<10 {
			t.Errorf("it has grown by %d bytes", grown)
		}
		if descriptorsAfter > descriptors {
			t.Errorf("it has grown by %d descriptors", descriptorsAfter-descriptors)
		}
		before := descriptorsAfter
		for _, s := range visitors {
			s.Close()
		}
		if _, n := held(t); n > before-1 {
			t.Errorf("%d descriptors stay, of %d", n, before)
		}
	})
}

// held returns the bytes in use, and the descriptors.
func held(t *testing.T) (memory, descriptors int) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return int(m.HeapAlloc), len(open)
}

// A Player that is closed while nobody receives, or while somebody does, leaves no
// file open.
func TestPlayerReleases(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/1.cast", cast)
	_, before := held(t)
	for i := range 50 {
		s := sees(t, NewProjector(nil), "replay:"+dir)
		s.Receive()
		if i%2 == 0 {
			received := make(chan error)
			go func() { _, err := s.Receive(); received <- err }()
			time.Sleep(time.Millisecond)
			s.Close()
			if err := <-received; err != io.EOF {
				t.Errorf("closed: %v", err)
			}
		} else {
			s.Close()
		}
	}
	if _, after := held(t); after > before {
		t.Errorf("there were %d descriptors, and are %d", before, after)
	}
}
