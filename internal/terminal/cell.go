package terminal

import (
	"github.com/gdamore/tcell/v3"

	"moip/videotex"
)

// palette returns how ink and paper are told to a terminal that has so many
// colours.
func palette(colors int) func(ink, paper videotex.Color) tcell.Style {
	if colors < 8 {
		return monochrome
	}
	tell := func(c videotex.Color) tcell.Color { return tcell.PaletteColor(int(c)) } // the order is ANSI's
	switch {
	case colors > 256:
		tell = func(c videotex.Color) tcell.Color {
			red, green, blue := primaries(c)
			return tcell.NewRGBColor(255*red, 255*green, 255*blue)
		}
	case colors == 256: // not the first sixteen, which themes change
		tell = func(c videotex.Color) tcell.Color {
			red, green, blue := primaries(c)
			return tcell.PaletteColor(int(16 + 5*(36*red+6*green+blue)))
		}
	case colors >= 16: // the bright ones
		tell = func(c videotex.Color) tcell.Color { return tcell.PaletteColor(int(c + min(c, 1)*8)) }
	}
	return func(ink, paper videotex.Color) tcell.Style {
		return tcell.StyleDefault.Foreground(tell(ink)).Background(tell(paper))
	}
}

// primaries returns whether red, green and blue are in a colour, as 0 or 1.
func primaries(c videotex.Color) (red, green, blue int32) {
	return int32(c & 1), int32(c >> 1 & 1), int32(c >> 2 & 1)
}

// shades are the greys of a monochrome Minitel, from dark to light: black, blue,
// red, magenta, green, cyan, yellow, white.
var shades = [8]int{0, 2, 4, 6, 1, 3, 5, 7}

// monochrome is the style where there are no colours.
func monochrome(ink, paper videotex.Color) tcell.Style {
	return tcell.StyleDefault.Reverse(shades[paper&7] > shades[ink&7])
}

// look returns how the cell c of s is shown.
func (v *view) look(c videotex.Cell, s *videotex.Screen) (rune, tcell.Style) {
	ink, paper := c.Ink, c.Paper
	inverted := c.Attr&videotex.Inverted != 0
	if inverted {
		ink, paper = paper, ink
	}
	masked := c.Attr&videotex.Masked != 0 && !s.Revealed()
	// What is inverted flashes in the opposite phase.
	if masked || c.Attr&videotex.Flashing != 0 && v.dark != inverted {
		return ' ', v.style(ink, paper)
	}
	style := v.style(ink, paper)
	upper := c.Attr&(videotex.Tall|videotex.Bottom) == videotex.Tall
	if c.Attr&videotex.Lined != 0 && !upper {
		style = style.Underline(true)
	}
	switch c.Set {
	case videotex.G1:
		return v.blocks.mosaic(c.Code, c.Attr&videotex.Separated != 0), style
	case videotex.Drcs0, videotex.Drcs1:
		return v.blocks.mosaic(reduce(s.Glyph(c.Set, c.Code), c.Attr), false), style
	}
	// Of a large character, the lower left cell shows all.
	if c.Attr&videotex.Right != 0 || upper {
		return ' ', style
	}
	return c.Rune(), style.Bold(c.Attr&(videotex.Wide|videotex.Tall|videotex.Bold) != 0)
}

// reduce returns the mosaic that comes nearest to a glyph, or to the part of it
// that a cell shows. The strokes of glyphs are thin: a block is lit from a third
// of its pixels on, and a glyph that is not blank does not become so.
func reduce(g videotex.Glyph, size videotex.Attr) (code byte) {
	var lit, pixels [6]int
	for y := range 10 {
		for x := range 8 {
			block := (y+1)/4*2 + x/4 // rows of 3, 4 and 3 pixels
			pixels[block]++
			if pixel(g, x, y, size) {
				lit[block]++
			}
		}
	}
	most := 0
	for block := range lit {
		if lit[block]*3 >= pixels[block] {
			code |= 1 << block
		}
		if lit[block] > lit[most] {
			most = block
		}
	}
	if code == 0 && lit[most] > 0 {
		code = 1 << most
	}
	return code
}

// pixel returns the pixel x, y of a cell that shows g, or a part of it in double
// size. At double height the circuit shows the top row three times and the last
// once.
func pixel(g videotex.Glyph, x, y int, size videotex.Attr) bool {
	if size&videotex.Right != 0 {
		x += 8
	}
	if size&(videotex.Wide|videotex.Right) != 0 {
		x /= 2
	}
	if size&videotex.Bottom != 0 {
		y += 10
	}
	if size&(videotex.Tall|videotex.Bottom) != 0 {
		y = max(y-1, 0) / 2
	}
	return g[y]<<x&0x80 != 0
}
