package videotex

import "bytes"

// In 80 columns the screen follows ISO 6429 on rows 01 to 24 (3-2-4), much as a
// VT100 does. Row 00 is still Vidéotex, but plain (2-2-2).

// obeyService does what the sequence q says on row 00: it shows text, and
// nothing but text. The cursor leaves it by LF only.
func (s *Screen) obeyService(q []byte) {
	switch q[0] {
	case FF, RS, SO, SI, CON, COF, ESC:
	default:
		s.obey(q)
	}
}

// obeyISO does what the sequence q says on rows 01 to 24.
func (s *Screen) obeyISO(q []byte) {
	p := &s.pen
	switch c := q[0]; c {
	case BS:
		p.column = max(p.column-1, 1)
	case HT: // to the next of columns 9, 17 and so on
		p.column = min((p.column+7)/8*8+1, 80)
	case LF, VT, FF:
		s.down(1)
	case CR:
		p.column = 1 // in firmware, of the same row
	case SO, SI:
		p.french = c == SO
	case CAN, SUB:
		s.print(0x7F)
	case ESC:
		s.escapeISO(q[1:])
	case US:
		s.locate(q[1:])
	case REP, SEP, SS2, SYN, SS3:
		if c == SEP && s.parser.mode == Mixte {
			return // news of the terminal; elsewhere XOFF
		}
		for _, b := range q[1:] { // it is no sequence here
			s.print(b)
		}
	default:
		if c >= 0x20 {
			s.print(c)
		}
	}
}

// escapeISO obeys ESC and what follows it.
func (s *Screen) escapeISO(q []byte) {
	p := &s.pen
	switch q[0] {
	case '7':
		s.kept = *p
	case '8':
		*p = s.kept
	case 'D':
		s.down(1)
	case 'E':
		p.column = 1
		s.down(1)
	case 'M':
		s.up()
	case 'c':
		s.standard()
	case '[':
		if q[len(q)-1] == 'm' {
			s.rendition(q[1 : len(q)-1])
		} else {
			s.control(q[1:])
		}
	}
}

// rendition obeys CSI m. Of its parameters the first two count (3-2-4-2-2).
func (s *Screen) rendition(q []byte) {
	given, ok := parameters(q)
	if !ok {
		return
	}
	s.render(given[0])
	if bytes.IndexByte(q, ';') >= 0 {
		s.render(given[1])
	}
}

func (s *Screen) render(what int) {
	attr := &s.pen.attr
	switch what {
	case 0:
		*attr = 0
	case 1:
		*attr |= Bold
	case 4:
		*attr |= Lined
	case 5:
		*attr |= Flashing
	case 7:
		*attr |= Inverted
	case 22:
		*attr &^= Bold
	case 24:
		*attr &^= Lined
	case 25:
		*attr &^= Flashing
	case 27:
		*attr &^= Inverted
	}
}

// print shows the character with the given code and moves on, but not beyond
// column 80: what comes next is shown there, too.
func (s *Screen) print(code byte) {
	p := &s.pen
	if s.insert {
		s.shiftRight(1)
	}
	s.cells[p.row][p.column-1] = p.cellISO(code)
	p.column = min(p.column+1, 80)
}

func (p *pen) cellISO(code byte) Cell {
	c := p.national()[code]
	c.Attr = p.attr
	return c
}

// national returns the set of the moment.
func (p *pen) national() *[128]Cell {
	if p.french {
		return &french
	}
	return &american
}

// runISO does in 80 columns what run does in 40.
func (s *Screen) runISO(p []byte) int {
	pen := &s.pen
	if s.insert || pen.row == 0 {
		return 0
	}
	set, attr, cells := pen.national(), pen.attr, s.cells[pen.row][pen.column-1:]
	n := 0
	for n < len(p) && n < len(cells) && p[n]&0x7F >= 0x20 {
		cells[n] = set[p[n]&0x7F]
		cells[n].Attr = attr
		n++
	}
	pen.column = min(pen.column+int8(n), 80)
	return n
}

// The two national sets have for each code a cell without attributes. Changes
// are characters of G0 or, if less than 20, of G2. Those of the tables of 3-2-4-3
// that the display circuit lacks are what comes closest there, too.
var (
	american = national(map[byte]byte{'`': '\'', '{': 0x0B, '}': 0x05, '~': 0x00})
	french   = national(map[byte]byte{
		'#': 0x03, '@': 0x17, '[': 0x10, '\\': 0x15, ']': 0x01, '`': '\'',
		'{': 0x12, '|': 0x08, '}': 0x19, '~': '"',
	})
)

func national(changes map[byte]byte) (set [128]Cell) {
	for code := range set {
		c := Cell{Set: G0, Code: byte(code), Ink: White & 7}
		if change, ok := changes[c.Code]; ok {
			c.Code = change
		}
		if c.Code < 0x20 {
			c.Set = G2
		}
		set[code] = c
	}
	return set
}
