package videotex

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// seen returns what an Afterimage makes of a stream that comes in pieces of n bytes.
func seen(p []byte, n int) *Afterimage {
	var a Afterimage
	for len(p) > 0 {
		n := min(n, len(p))
		a.Write(p[:n])
		p = p[n:]
	}
	return &a
}

// checkSeen compares it with the screen itself, all that decides how more would show
// included.
func checkSeen(t *testing.T, p []byte, n int) {
	t.Helper()
	want := NewScreen()
	want.Write(p)
	want.terminal.replies = nil
	got := seen(p, n).Screen()
	got.parser, want.parser = forgetful(got.parser), forgetful(want.parser)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%.60q in pieces of %d:\n%s\n%s", p, n, got, want)
	}
}

func TestAfterimage(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.vdt")
	var all []byte
	for _, file := range files {
		p, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p...)
		for _, n := range []int{1, 7, maxSince, maxSince + 1, maxFirst, maxFirst + 1, len(p)} {
			checkSeen(t, p, n)
			checkSeen(t, all, n)
		}
	}
	checkSeen(t, nil, 1)
}

// TestAfterimageSize checks the room that pages of our own take, and that a call that
// goes on takes no more of it.
func TestAfterimageSize(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.vdt")
	for _, file := range files {
		p, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a := seen(append(p, strings.Repeat("\n", maxFirst)...), 60)
		if size := cap(a.still.cells) + cap(a.since); size > 2500 {
			t.Errorf("%s: %d bytes", file, size)
		} else {
			t.Logf("%s: %d bytes", filepath.Base(file), size)
		}
		if n := testing.AllocsPerRun(10, func() { a.Write(p) }); n > 1 && a.still.drcs == nil && !raceEnabled { // whose pools forget
			t.Errorf("%s: %v allocations", file, n)
		}
	}
}

// TestAfterimagePages checks that of pages that clear the screen the last is kept as it
// was sent, and takes no more room for that.
func TestAfterimagePages(t *testing.T) {
	page := colours()
	all := bytes.Repeat(page, 4)
	for _, n := range []int{60, 300, 1000, 1024, 1500, len(all)} {
		checkSeen(t, all, n)
		checkSeen(t, append(all, "\x1f\x45\x41bonjour"...), n)
	}
	a := seen(all, len(page))
	if string(a.since) != string(page[1:]) {
		t.Errorf("kept as it was sent: %.60q", a.since)
	}
	if size := cap(a.still.cells) + cap(a.since); size > 1500 {
		t.Errorf("%d bytes", size)
	}
	if n := testing.AllocsPerRun(10, func() { a.Write(page) }); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAfterimage(f *testing.F) {
	f.Add([]byte("\x1F\x23\x41\x30\x7F\x1F@AA\n\x1FAA\x1B:2}\x1F@A\x1B:2~\x1B:1}\x1B[?{"), uint16(3))
	f.Add([]byte("\x1B:2}\x1B[24;79HABC\x1B[4hD\x1B[99@\x1B[99P\x1BM\x1B7\x1F@\x7Fé\x0C\n\x1B8\x0E{\x1B[1;99m\x18\x0B\x1Bc\x1B9\x7F"), uint16(9))
	f.Add([]byte("abc\x12\x48\x0cde\x1f\x23\x41\x0c\x1b\x39\x0c\x1f@Ar0\x0cfg\x1b\x3a\x66\x03\x0c\x0eA\x0c"), uint16(290))
	f.Fuzz(func(t *testing.T, p []byte, n uint16) {
		p = append(p, strings.Repeat("\x1B:\x7F", maxFirst/3)...) // so that there is a still, of the screen between two bytes
		checkSeen(t, p[:len(p)-3*int(n%300)], int(n)+1)
	})
}

func BenchmarkAfterimage(b *testing.B) {
	p, err := os.ReadFile("testdata/accueil.vdt")
	if err != nil {
		b.Fatal(err)
	}
	var a Afterimage
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		for q := p; len(q) > 0; q = q[min(60, len(q)):] {
			a.Write(q[:min(60, len(q))])
		}
	}
}

// BenchmarkAfterimageColours is of a page that is sent at once.
func BenchmarkAfterimageColours(b *testing.B) {
	page := colours()
	var a Afterimage
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		a.Write(page)
	}
}
