package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"strings"
	"testing"
)

// whole returns the picture that a film ends with, and the time it takes, in
// hundredths of a second.
func whole(film *gif.GIF) (last *image.Paletted, lasts int) {
	last = image.NewPaletted(film.Image[0].Rect, film.Image[0].Palette)
	for i, m := range film.Image {
		for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
			copy(last.Pix[last.PixOffset(m.Rect.Min.X, y):], m.Pix[m.PixOffset(m.Rect.Min.X, y):][:m.Rect.Dx()])
		}
		lasts += film.Delay[i]
	}
	return last, lasts
}

// reread writes a film and reads it back.
func reread(t *testing.T, film *gif.GIF) *gif.GIF {
	t.Helper()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, film); err != nil {
		t.Fatal(err)
	}
	read, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestStill(t *testing.T) {
	if n := len(Still(screenOf("A\x11"), Options{}).Image); n != 1 {
		t.Errorf("%d frames of a page that does not flash", n)
	}
	if n := len(Still(screenOf("A\x11"), Options{Cursor: true}).Image); n != 2 {
		t.Errorf("%d frames of a cursor", n)
	}
	s := screenOf(specimen())
	film := Still(s, Options{Scale: 2})
	if len(film.Image) != 2 {
		t.Fatalf("%d frames of a page that flashes", len(film.Image))
	}
	if at, same := equal(film.Image[0], Image(s, Options{Scale: 2})); !same {
		t.Errorf("the first frame differs at %v", at)
	}
	if r := film.Image[1].Rect; r.Min.Y < 420 {
		t.Errorf("the second frame has more than what flashes: %v", r)
	}
	last, lasts := whole(reread(t, film))
	if at, same := equal(last, Image(s, Options{Scale: 2, Dark: true})); !same {
		t.Errorf("the second picture differs at %v", at)
	}
	if lasts != 200 {
		t.Errorf("it lasts %d", lasts)
	}
}

// counted returns a page that is never the same for long.
func counted(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d ", i)
	}
	return b.String()
}

func TestFilm(t *testing.T) {
	long := strings.Repeat("MoIP ", 200)
	for _, test := range []struct {
		name, stream string
		speed        int
		o            Options
		frames       int // at most
	}{
		{"nothing", "", 1200, Options{}, 1},
		{"a letter", "A", 9600, Options{}, 2},
		{"a page", long, 1200, Options{Grey: true}, 85},
		{"quick", long, 9600, Options{Scale: 2}, 13},
		{"long", counted(20000), 300, Options{}, 606},
		{"large", long, 75, Options{Scale: 8}, 31},
		{"flashes", "\x1BHA", 1200, Options{}, 10},
		{"80 columns, for a while", long + "\x1B:2}" + long + "\x1B:2~" + "B", 1200, Options{}, 180},
		{"80 columns, for a moment", "A\x1B:2}\x1B:2~" + long, 1200, Options{}, 80},
		{"80 columns", long + "\x1B:2}" + long, 1200, Options{}, 180},
	} {
		film := Film([]byte(test.stream), test.speed, test.o)
		if n := len(film.Image); n == 0 || n > test.frames {
			t.Errorf("%s: %d frames, want at most %d", test.name, n, test.frames)
		}
		if film.Image[0].Rect.Size() != image.Pt(film.Config.Width, film.Config.Height) {
			t.Errorf("%s: the first frame is %v", test.name, film.Image[0].Rect)
		}
		if again := film.LoopCount == 0; again != (len(film.Image) > 1) {
			t.Errorf("%s: of %d frames, starts again: %v", test.name, len(film.Image), again)
		}
		if len(film.Image) < 100 && test.o.Scale == 0 {
			film = reread(t, film) // of the others, it takes long
		}
		last, lasts := whole(film)
		s := screenOf(test.stream)
		o := test.o
		drawn := len(test.stream) * 1000 / test.speed
		o.Dark = (drawn+3*phase)/phase%2 == 1
		m := dots(s, o)
		if want := enlarged(m, m.Rect, last.Rect.Size()); !bytes.Equal(last.Pix, want.Pix) {
			t.Errorf("%s: the last picture differs", test.name)
		}
		if want := drawn + 4*phase; lasts != want {
			t.Errorf("%s: lasts %d, want %d", test.name, lasts, want)
		}
	}
}
