// Package picture shows what is on a videotex screen: as a picture made of the
// dots of a font of our own, as a film of how it is drawn, as a sheet of many, as
// text, with the colours of a terminal, and as a page of the web.
package picture

import (
	"image"
	"image/color"

	"moip/videotex"
)

// Options say how a screen is shown.
type Options struct {
	Scale  int  // pixels for a dot, 1 to 8; what is less is 1, what is more is 8
	Grey   bool // in the greys of a Minitel, instead of colours
	Dark   bool // in a picture that keeps still, when what flashes is not seen
	Cursor bool // with the cursor, if it shows
}

// Colors are the colours of a screen by their numbers, those of a set that has
// them: each component is there in full, or not at all.
var Colors = palette([8][3]byte{
	{}, {255, 0, 0}, {0, 255, 0}, {255, 255, 0}, {0, 0, 255}, {255, 0, 255}, {0, 255, 255}, {255, 255, 255},
})

// Greys are what most Minitels show for the colours: 0, 40, 50, 60, 70, 80, 90 and
// 100 % of white for black, blue, red, magenta, green, cyan, yellow and white.
var Greys = palette([8][3]byte{
	{}, {128, 128, 128}, {179, 179, 179}, {230, 230, 230}, {102, 102, 102}, {153, 153, 153}, {204, 204, 204}, {255, 255, 255},
})

func palette(all [8][3]byte) (p color.Palette) {
	for _, c := range all {
		p = append(p, color.RGBA{c[0], c[1], c[2], 255})
	}
	return p
}

func (o Options) palette() color.Palette {
	if o.Grey {
		return Greys
	}
	return Colors
}

// Image returns a picture of the screen. The palette's first eight colours are
// those of the screen by their numbers.
//
// It has 320 x 250 dots, each a square of Scale pixels. With 80 columns they are
// 640 x 250, and as the tube is no wider, each is half as wide as it is high:
// Scale by twice Scale pixels. So the picture has the size that one with 40
// columns has at twice the scale. (The terminal makes do with six dots for such
// a character; we have a font of eight.)
func Image(s *videotex.Screen, o Options) *image.Paletted {
	m := dots(s, o)
	return enlarged(m, m.Rect, frame(s.Columns() == 80, o))
}

// frame returns the size of pictures, in pixels: of all that have to have the
// same size, if there is one with 80 columns among them.
func frame(wide bool, o Options) image.Point {
	size := image.Pt(320, 250).Mul(min(max(o.Scale, 1), 8))
	if wide {
		return size.Mul(2)
	}
	return size
}

// dots draws the screen, a pixel for each dot.
func dots(s *videotex.Screen, o Options) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, 8*s.Columns(), 250), o.palette())
	for row := range 25 {
		for x, c := range cells(s, row) {
			form, ink, paper := look(s, c, o.Dark)
			stamp(m, image.Pt(8*x, 10*row), form, uint8(ink), uint8(paper))
		}
	}
	if row, column, on := s.Cursor(); on && o.Cursor && !o.Dark {
		cell := image.Rect(8*column-8, 10*row, 8*column, 10*row+10)
		if s.Columns() == 80 {
			cell.Min.Y += 9 // a dash
		}
		complement(m, cell)
	}
	return m
}

// cells returns the cells of a row.
func cells(s *videotex.Screen, row int) []videotex.Cell {
	if s.Columns() == 40 {
		all := s.Row(row) // the work of one Cell
		return all[:]
	}
	all := make([]videotex.Cell, s.Columns())
	for x := range all {
		all[x] = s.Cell(row, x+1)
	}
	return all
}

// look returns what a cell looks like: its dots, the colour of those set and of
// the others. An inverted cell that flashes is dark when the others are not.
func look(s *videotex.Screen, c videotex.Cell, dark bool) (form videotex.Glyph, ink, paper videotex.Color) {
	inverted := c.Attr&videotex.Inverted != 0
	hidden := c.Attr&videotex.Flashing != 0 && dark != inverted
	if !hidden && !masked(s, c) {
		form = shape(s, c)
	}
	if inverted {
		return form, c.Paper & 7, c.Ink & 7
	}
	return form, c.Ink & 7, c.Paper & 7
}

func masked(s *videotex.Screen, c videotex.Cell) bool {
	return c.Attr&videotex.Masked != 0 && !s.Revealed()
}

// shape returns the dots that are set in a cell.
func shape(s *videotex.Screen, c videotex.Cell) (g videotex.Glyph) {
	switch c.Set {
	case videotex.Drcs0, videotex.Drcs1:
		g = s.Glyph(c.Set, c.Code)
	default:
		g = Glyph(c.Set, c.Code)
	}
	if c.Attr&videotex.Separated != 0 && c.Set == videotex.G1 {
		g = separated(g)
	}
	if c.Attr&videotex.Bold != 0 {
		for y := range g {
			g[y] |= g[y] >> 1
		}
	}
	lower, right := c.Attr&videotex.Bottom != 0, c.Attr&videotex.Right != 0
	if c.Attr&videotex.Tall != 0 {
		g = taller(g, lower)
	}
	switch {
	case c.Attr&videotex.Wide != 0:
		g = wider(g, right)
	case right: // the circuit goes on with the other half, at its own pace
		for y := range g {
			g[y] <<= 4
		}
	}
	if c.Attr&videotex.Lined != 0 && (lower || c.Attr&videotex.Tall == 0) {
		g[9] = 0xFF
	}
	return g
}

// stamp draws a cell.
func stamp(m *image.Paletted, at image.Point, form videotex.Glyph, ink, paper uint8) {
	for y, row := range form {
		line := m.Pix[m.PixOffset(at.X, at.Y+y):][:8]
		for x := range line {
			line[x] = paper
			if row<<x&0x80 != 0 {
				line[x] = ink
			}
		}
	}
}

// complement turns the colours in r into their opposites, as the cursor does.
func complement(m *image.Paletted, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		line := m.Pix[m.PixOffset(r.Min.X, y):][:r.Dx()]
		for x := range line {
			line[x] ^= 7
		}
	}
}

// enlarged returns the part r of m as it is when all of m is as large as size, a
// multiple of it. The picture lies where r then is.
func enlarged(m *image.Paletted, r image.Rectangle, size image.Point) *image.Paletted {
	wide, high := size.X/m.Rect.Dx(), size.Y/m.Rect.Dy() // of a dot
	to := image.NewPaletted(image.Rect(r.Min.X*wide, r.Min.Y*high, r.Max.X*wide, r.Max.Y*high), m.Palette)
	for y := range r.Dy() {
		from := m.Pix[m.PixOffset(r.Min.X, r.Min.Y+y):][:r.Dx()]
		line := to.Pix[y*high*to.Stride:][:to.Stride]
		for x, c := range from {
			for i := range wide {
				line[x*wide+i] = c
			}
		}
		for i := 1; i < high; i++ {
			copy(to.Pix[(y*high+i)*to.Stride:], line)
		}
	}
	return to
}
