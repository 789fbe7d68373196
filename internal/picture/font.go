package picture

import (
	_ "embed"
	"strings"
	"sync"

	"moip/videotex"
)

// drawing is the font as it was drawn, a # for each dot of ink: capitals stand
// on row 7 and are seven dots high, small letters five, with accents on rows 0
// and 1 and tails down to row 9, where a lining goes. Letters keep clear of the
// right edge and mostly of the left, rules go from edge to edge.
//
//go:embed font.txt
var drawing string

// font is the font: 96 characters of G0, then 32 of G2.
var font = sync.OnceValue(func() (all [128]videotex.Glyph) {
	row := 0 // of dots, in the whole drawing
	for line := range strings.Lines(drawing) {
		fields := strings.Fields(line)
		if len(fields) == 0 || len(fields[0]) != 8 {
			continue // a heading
		}
		for i, dots := range fields {
			all[row/10*8+i][row%10] = dotted(dots)
		}
		row++
	}
	return all
})

// dotted reads a row of a glyph, its left dot first.
func dotted(dots string) (row byte) {
	for i := range dots {
		if dots[i] == '#' {
			row |= 0x80 >> i
		}
	}
	return row
}

// Glyph returns the form of a character: of G0, codes 20 to 7F, of G2, codes 00
// to 1F, or of G1, codes 00 to 3F; see videotex.Cell. Other codes and sets have
// none and are blank: redefinable characters are the screen's.
func Glyph(set videotex.Set, code byte) videotex.Glyph {
	switch {
	case set == videotex.G0 && code >= 0x20 && code < 0x80:
		return font()[code-0x20]
	case set == videotex.G2 && code < 0x20:
		return font()[96+code]
	case set == videotex.G1 && code < 0x40:
		return mosaic(code)
	}
	return videotex.Glyph{}
}

// FontData returns the font in its shortest form, for other programs to draw
// with: the 96 glyphs of G0 and the 32 of G2, ten bytes each from the top, bit 7
// on the left.
func FontData() []byte {
	p := make([]byte, 0, 1280)
	for _, g := range font() {
		p = append(p, g[:]...)
	}
	return p
}

// mosaic returns six blocks, of two columns and three rows: four dots wide, and
// three, four and three dots high.
func mosaic(blocks byte) (g videotex.Glyph) {
	for y := range g {
		pair := blocks >> ((y + 1) / 4 * 2)
		g[y] = pair&1*0xF0 | pair>>1&1*0x0F
	}
	return g
}

// separated takes from each block of a mosaic its left column and its bottom row.
func separated(g videotex.Glyph) videotex.Glyph {
	for y := range g {
		g[y] &= 0x77
	}
	g[2], g[6], g[9] = 0, 0, 0
	return g
}

// taller returns the upper or the lower half of g at double height: the display
// circuit shows its first row three times, its last once, and all others twice.
func taller(g videotex.Glyph, lower bool) (half videotex.Glyph) {
	for y := range half {
		at := y
		if lower {
			at += 10
		}
		half[y] = g[max(at-1, 0)/2]
	}
	return half
}

// wider returns the left or the right half of g at double width.
func wider(g videotex.Glyph, right bool) videotex.Glyph {
	for y := range g {
		half := g[y] >> 4
		if right {
			half = g[y] & 0x0F
		}
		g[y] = 0
		for bit := range 4 {
			g[y] |= half >> bit & 1 * 3 << (2 * bit)
		}
	}
	return g
}

// letters are the characters of the font by their meaning in Unicode.
var letters = sync.OnceValue(func() map[rune]videotex.Glyph {
	all := map[rune]videotex.Glyph{}
	for code := range byte(32) {
		all[videotex.Cell{Set: videotex.G2, Code: code}.Rune()] = Glyph(videotex.G2, code)
	}
	for code := byte(0x20); code < 0x80; code++ {
		all[videotex.Cell{Set: videotex.G0, Code: code}.Rune()] = Glyph(videotex.G0, code)
	}
	return all
})

// letter returns the form of a character, that of "?" if the font has none.
func letter(r rune) videotex.Glyph {
	if g, ok := letters()[r]; ok {
		return g
	}
	return letters()['?']
}
