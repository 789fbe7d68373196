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

// ANSI returns what is on the screen as 25 lines for a terminal of our days, with
// its colours and attributes by SGR of ECMA-48. What flashes is left to flash by
// itself; of the options, Grey alone counts.
//
// Colours are those numbered from 16 to 255, which are the same everywhere. A
// screen's are among them, and its greys nearly.
func ANSI(s *videotex.Screen, o Options) string {
	var b strings.Builder
	colors := o.palette()
	for row := range 25 {
		last := ""
		for _, c := range cells(s, row) {
			if masked(s, c) || upper(c) {
				c.Attr &^= videotex.Lined
			}
			if r := rendition(c, colors); r != last {
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
func rendition(c videotex.Cell, colors color.Palette) string {
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
	return fmt.Sprintf("%s;38;5;%d;48;5;%dm", r, number(colors[ink]), number(colors[paper]))
}

// number returns the number that terminals have for a colour.
func number(c color.Color) int {
	v := color.RGBAModel.Convert(c).(color.RGBA)
	if v.R == v.G && v.G == v.B && v.R > 0 && v.R < 255 {
		return 232 + (int(v.R)-3)/10 // greys from 8 to 238 in steps of ten
	}
	return 16 + 36*(int(v.R)/51) + 6*(int(v.G)/51) + int(v.B)/51 // a cube of six by six by six
}

// upper reports whether a cell is the upper half of a character.
func upper(c videotex.Cell) bool { return c.Attr&(videotex.Tall|videotex.Bottom) == videotex.Tall }

// sign returns the character that stands in the place of a cell.
func sign(s *videotex.Screen, c videotex.Cell) rune {
	if masked(s, c) || c.Attr&videotex.Right != 0 || upper(c) {
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
