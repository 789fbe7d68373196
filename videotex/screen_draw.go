package videotex

// run shows the characters that p starts with, up to the end of the row, if
// they are plain text, as most are. It returns how many it has shown. What it
// leaves is for step.
func (s *Screen) run(p []byte) int {
	pen := &s.pen
	if !s.plain || s.parity {
		return 0
	}
	if s.width == 80 {
		return s.runISO(p)
	}
	if s.parser.Mosaics() || s.chosen[0] || s.insert || pen.zone || pen.attr&(Wide|Tall) != 0 {
		return 0
	}
	c := Cell{Set: G0, Ink: pen.ink, Attr: pen.attr & (Flashing | Inverted)}
	cells := s.cells[pen.row][pen.column-1 : 40]
	n := 0
	for n < len(p) && n < len(cells) && p[n]&0x7F >= 0x20 {
		cells[n] = c
		cells[n].Code = p[n] & 0x7F
		n++
	}
	if n > 0 {
		s.last = cells[n-1].Code
		s.advance(n)
	}
	return n
}

// single marks a character that SS2 brought: it is text, also when REP shows it
// among mosaics.
const single = 0x80

// show shows the character with the given code, with or without single: if it is
// less than 20, of the set G2, otherwise of the current set.
func (s *Screen) show(code byte) {
	s.last = code
	switch c := code &^ single; {
	case c < 0x20:
		s.text(G2, c)
	case c == code && s.parser.Mosaics():
		s.mosaic(c)
	case c == 0x20 && s.pen.zone:
		s.delimit()
	case s.redefined() && redefinable(c):
		s.text(Drcs0, c)
	default:
		s.text(G0, c)
	}
}

// redefined reports whether G'0 stands for G0. On row 00 it does not.
func (s *Screen) redefined() bool { return s.chosen[0] && s.pen.row > 0 }

// redefinable reports whether the sets G'0 and G'1 have a character for code.
func redefinable(code byte) bool { return code > 0x20 && code < 0x7F }

func (s *Screen) text(set Set, code byte) {
	p := &s.pen
	s.draw(Cell{Set: set, Code: code, Ink: p.ink, Attr: p.attr & (Flashing | Inverted | Wide | Tall)})
}

// mosaic shows a mosaic. It takes its background and separation at once, so
// that only masking is left to wait for a space (2-2-1-2-4-3). The display
// circuit has no room to keep the separation of a redefinable one.
func (s *Screen) mosaic(code byte) {
	s.pen.zone = s.pen.masks
	s.draw(s.mosaicCell(code))
}

func (s *Screen) mosaicCell(code byte) Cell {
	p := &s.pen
	c := Cell{Set: G1, Code: code&0x1F | code&0x40>>1, Ink: p.ink, Paper: p.paper, Attr: p.attr & Flashing}
	switch {
	case s.chosen[1] && redefinable(code) && p.row > 0:
		c.Set, c.Code = Drcs1, code
	case p.attr&Lined != 0:
		c.Attr |= Separated
	}
	return c
}

// delimit shows the space that starts a zone. Like other spaces it has the
// colour of the paper or, inverted, that of the ink. The display circuit shows
// it as an inverted blank, so that it is its ink that shows.
func (s *Screen) delimit() {
	p := &s.pen
	c := Cell{Set: Delimiter, Ink: p.paper, Paper: p.paper}
	if p.attr&Inverted != 0 {
		c.Ink = p.ink
	}
	c.Attr = Inverted | p.attr&(Masked|Lined|Wide|Tall)
	p.zone, p.masks = false, false
	s.draw(c)
}

// draw puts c, of the size its attributes ask for, at the cursor and moves on.
func (s *Screen) draw(c Cell) {
	p := &s.pen
	if p.row <= 1 && c.Attr&Tall != 0 {
		c.Attr &^= Tall | Wide // there is no room above; VT brought it here
	}
	if p.column == s.width {
		c.Attr &^= Wide
	}
	width := 1
	if c.Attr&Wide != 0 {
		width = 2
	}
	if s.insert && p.row > 0 {
		s.shiftRight(width)
	}
	s.put(c, int(p.row), int(p.column)-1, width)
	s.advance(width)
}

// put sets all cells that c covers alike, as the display circuit wants it. It
// knows delimiters in one size only.
func (s *Screen) put(c Cell, row, x, width int) {
	tall := c.Attr&Tall != 0
	if c.Set == Delimiter {
		c.Attr &^= Tall | Wide
	}
	for i := x; i < x+width; i++ {
		s.cells[row][i] = c
		if tall {
			s.cells[row-1][i] = c
		}
	}
}

// fill obeys CAN: spaces up to the end of the row, none of which starts a zone.
// The cursor stays (2-2-1-2-5-2).
func (s *Screen) fill() {
	c := Cell{Code: ' ', Ink: s.pen.ink, Attr: s.pen.attr & (Flashing | Inverted)}
	if s.parser.Mosaics() {
		c = s.mosaicCell(' ')
	}
	for x := s.pen.column - 1; x < s.width; x++ {
		s.cells[s.pen.row][x] = c
	}
}

// repeat obeys REP: the last character shown, with the attributes and in the
// set of the moment.
func (s *Screen) repeat(n byte) {
	if s.last == 0 || n < 0x40 {
		return
	}
	for range n - 0x40 {
		s.show(s.last)
	}
}

// shift obeys SS2 and what follows it: nothing, while mosaics are shown.
func (s *Screen) shift(q []byte) {
	code, ok := shifted[string(q)]
	accented := len(q) == 2
	switch {
	case len(q) == 0:
	case ok && !(accented && s.redefined()):
		s.show(single | code)
	case accented: // not with this letter, or this set: the letter alone
		s.show(single | q[1])
	default:
		s.show(single | '_')
	}
}

// shifted maps what follows SS2 to the code of the character it shows: those
// that Encode sends, and some that have a shorter form.
var shifted = map[string]byte{" ": ' ', "$": '$', "\x26": '#', "\x2D": 0x5E, "\x7F": 0x7F}

func init() {
	for code, r := range g2 {
		if q, ok := accents[r]; ok {
			shifted[q] = byte(code)
		}
	}
}
