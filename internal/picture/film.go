package picture

import (
	"bytes"
	"image"
	"image/gif"

	"moip/videotex"
)

// A phase of flashing lasts about a second on a Minitel. Times are those of
// GIF: hundredths of a second.
const phase = 100

// A film has at most ten frames a second, and of the drawing mostFrames; where
// they are large, so many that they have mostPixels if each is a whole picture.
const (
	shortestFrame = 10
	mostFrames    = 600
	mostPixels    = 128 << 20
)

// Still returns a picture of the screen as a GIF: of one frame, or where
// something flashes, or the cursor shows, of the two that alternate.
func Still(s *videotex.Screen, o Options) *gif.GIF {
	f := newFilm(s.Columns() == 80, o)
	for _, dark := range []bool{false, true} {
		f.show(s, dark)
		f.now += phase
	}
	return f.end()
}

// Film returns the drawing of the stream p on the screen of a terminal that has
// just been switched on, at the given speed of the line, in bit/s, ten for a
// byte. What comes out is then there for some seconds, before it starts again.
//
// Frames have only what has changed. However long the stream is, the drawing has
// at most 600 of them, and fewer at a large scale.
func Film(p []byte, speed int, o Options) *gif.GIF {
	speed = max(speed, 1)
	wide := false
	play(p, 1, func(s *videotex.Screen, _ int) { wide = wide || s.Columns() == 80 })
	f := newFilm(wide, o)
	frames := min(mostFrames, mostPixels/(f.size.X*f.size.Y))
	step := max(len(p)/frames, speed*shortestFrame/1000) + 1
	last := play(p, step, func(s *videotex.Screen, sent int) {
		f.now = int(int64(sent) * 1000 / int64(speed))
		f.show(s, f.now/phase%2 == 1)
	})
	for range 4 {
		f.show(last, f.now/phase%2 == 1)
		f.now += phase
	}
	return f.end()
}

// play writes p on a new screen, step bytes at a time, and calls see before and
// after each with what has been sent so far.
func play(p []byte, step int, see func(s *videotex.Screen, sent int)) *videotex.Screen {
	s := videotex.NewScreen()
	see(s, 0)
	for sent := 0; sent < len(p); {
		next := min(sent+step, len(p))
		s.Write(p[sent:next])
		sent = next
		see(s, sent)
	}
	return s
}

// A film is a GIF that is being made.
type film struct {
	o     Options
	size  image.Point
	now   int             // the time that the next frame starts
	shown *image.Paletted // the dots of the last frame
	since int             // when it started
	made  gif.GIF
}

func newFilm(wide bool, o Options) *film {
	f := &film{o: o, size: frame(wide, o)}
	f.made.Config = image.Config{ColorModel: o.palette(), Width: f.size.X, Height: f.size.Y}
	return f
}

// show adds a frame with what the screen shows now, unless that is shown already.
func (f *film) show(s *videotex.Screen, dark bool) {
	f.o.Dark = dark
	m := dots(s, f.o)
	changed := m.Rect
	if f.shown != nil && f.shown.Rect == m.Rect {
		changed = difference(f.shown, m)
	}
	if changed.Empty() {
		return
	}
	f.lasts()
	f.made.Image = append(f.made.Image, enlarged(m, changed, f.size))
	f.made.Delay = append(f.made.Delay, 0)
	f.made.Disposal = append(f.made.Disposal, gif.DisposalNone)
	f.shown, f.since = m, f.now
}

// lasts notes how long the last frame has been shown. GIF has 16 bits for that.
func (f *film) lasts() {
	if n := len(f.made.Delay); n > 0 {
		f.made.Delay[n-1] = min(f.now-f.since, 0xFFFF)
	}
}

// end returns the film, which starts again when it is over, if it moves.
func (f *film) end() *gif.GIF {
	f.lasts()
	if len(f.made.Image) == 1 {
		f.made.LoopCount = -1
	}
	return &f.made
}

// difference returns the smallest rectangle outside of which a and b, of the
// same size, are alike.
func difference(a, b *image.Paletted) (r image.Rectangle) {
	for y := range a.Rect.Dy() {
		p, q := a.Pix[y*a.Stride:][:a.Stride], b.Pix[y*b.Stride:][:b.Stride]
		if bytes.Equal(p, q) {
			continue
		}
		first, last := 0, len(p)-1
		for p[first] == q[first] {
			first++
		}
		for p[last] == q[last] {
			last--
		}
		r = r.Union(image.Rect(first, y, last+1, y+1))
	}
	return r
}
