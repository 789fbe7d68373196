package picture

import (
	"fmt"
	"image/color"
	"strings"

	"moip/videotex"
)

// Text returns what is on the screen as 25 lines of text, without the spaces
// that end them. Mosaics are there as Unicode's sextants; a character of double
// size stands in its lower left cell; what is masked is left out.
func Text(s *videotex.Screen) string {
	var b strings.Builder
	for line := range strings.Lines(s.String()) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// Depth says how many colours a terminal knows.
type Depth int

const (
	Depth256  Depth = iota // those numbered from 16 to 255, which are the same everywhere
	DepthTrue              // all
)

// ANSI returns what is on the screen as 25 lines for a terminal of our days, with
// its colours and attributes by SGR of ECMA-48. What flashes is left to flash by
// itself; of the options, Grey alone counts.
func ANSI(s *videotex.Screen, depth Depth, o Options) string {
	var b strings.Builder
	colors := o.palette()
	for row := range 25 {
		last := ""
		for _, c := range cells(s, row) {
			if r := depth.rendition(c, colors); r != last {
				b.WriteString(r)
				last = r
			}
			b.WriteRune(sign(s, c))
		}
		b.WriteString("\x1B[0m\n")
	}
	return b.String()
}

// rendition returns SGR for a cell, which leaves nothing of what was before.
func (d Depth) rendition(c videotex.Cell, colors color.Palette) string {
	ink, paper := c.Ink&7, c.Paper&7
	if c.Attr&videotex.Inverted != 0 {
		ink, paper = paper, ink
	}
	r := "\x1B[0"
	for _, a := range []struct {
		attr  videotex.Attr
		digit string
	}{{videotex.Bold, ";1"}, {videotex.Lined, ";4"}, {videotex.Flashing, ";5"}} {
		if c.Attr&a.attr != 0 {
			r += a.digit
		}
	}
	return r + ";38;" + d.color(colors[ink]) + ";48;" + d.color(colors[paper]) + "m"
}

// color returns what follows 38 or 48 for a colour.
func (d Depth) color(c color.Color) string {
	v := color.RGBAModel.Convert(c).(color.RGBA)
	switch {
	case d == DepthTrue:
		return fmt.Sprintf("2;%d;%d;%d", v.R, v.G, v.B)
	case v.R == v.G && v.G == v.B && v.R > 0 && v.R < 255:
		return fmt.Sprintf("5;%d", 232+(int(v.R)-3)/10) // from 8 to 238 in steps of ten
	}
	return fmt.Sprintf("5;%d", 16+36*(int(v.R)/51)+6*(int(v.G)/51)+int(v.B)/51) // a cube of six by six by six
}

// sign returns the character that stands in the place of a cell.
func sign(s *videotex.Screen, c videotex.Cell) rune {
	const large = videotex.Tall | videotex.Bottom
	if masked(s, c) || c.Attr&videotex.Right != 0 || c.Attr&large == videotex.Tall {
		return ' '
	}
	return c.Rune()
}

// spoken returns the words on the screen, for those who have them read out: no
// pictures, no gaps, and characters of double width side by side.
func spoken(s *videotex.Screen) string {
	var b strings.Builder
	for row := range 25 {
		var line strings.Builder
		for _, c := range cells(s, row) {
			r := sign(s, c)
			switch {
			case c.Attr&videotex.Right != 0:
				continue
			case c.Set != videotex.G0 && c.Set != videotex.G2, strings.ContainsRune("_─▏▕▔█", r):
				r = ' '
			}
			line.WriteRune(r)
		}
		if words := strings.Fields(line.String()); len(words) > 0 {
			b.WriteString(strings.Join(words, " "))
			b.WriteByte('\n')
		}
	}
	return b.String()
}
