package videotex

import "math/bits"

// A Screen is a terminal as its user and its host see it: what it is sent goes
// in by Write, what it shows and answers comes out. Make one with NewScreen.
//
// It shows what the genuine firmware of a Minitel 12 shows, and answers as that
// of a Minitel 1B does on the line, unless Identify says otherwise.
//
// Rows are numbered 0 to 24, columns 1 to 40, or 1 to 80 while the terminal
// follows a standard that has as many. A Screen takes some 16 KiB, whatever is
// written.
type Screen struct {
	registers
	cells [25][80]Cell // as the display circuit holds them, see Row
	drcs  [2][94]Glyph // G'0, G'1
}

// registers are what a Screen knows beside its cells and redefined characters.
type registers struct {
	parser Parser
	plain  bool // the parser is between sequences: a character stands for itself
	parity bool // see CheckParity

	width    int8 // columns in use
	letter   byte // see Indicate
	pen      pen
	page     pen  // the pen to go on with after row 00
	kept     pen  // by ESC 3/7, in 80 columns
	last     byte // the character for REP, as show takes it; 0 before the first
	cursor   bool // shows
	roll     bool // the page scrolls, instead of starting again at its top
	insert   bool // what follows on the row makes room for a new character
	revealed bool // masked characters show

	chosen [2]bool // G'0 stands for G0, G'1 for G1
	loader loader

	terminal terminal
}

// A pen is where and how the next character is shown. Text takes ink, Flashing,
// Inverted and size. Paper, Masked and Lined are for a zone, which the next
// space starts (2-2-1-2-4-3). Mosaics take paper at once, and are Separated if
// the pen is Lined.
type pen struct {
	row, column int8
	ink, paper  Color
	attr        Attr
	zone        bool // a zone waits for its space
	masks       bool // as it begins or ends masking
	french      bool // national set, in 80 columns
}

// home is the pen of a terminal that has just been switched on.
var home = pen{row: 1, column: 1, ink: White & 7}

// NewScreen returns the screen of a terminal that has just been switched on.
func NewScreen() *Screen {
	s := new(Screen)
	s.switchOn()
	return s
}

func (s *Screen) switchOn() {
	*s = Screen{registers: registers{plain: true, terminal: minitel1B}}
	s.standard()
}

// CheckParity sets whether bit 7 is to make the parity of each byte even, as on
// the telephone line. What comes damaged then shows as a block, and the
// terminal answers SUB. By default bit 7 is ignored.
func (s *Screen) CheckParity(on bool) { s.parity = on }

// Indicate sets the letter that the terminal itself shows near the end of row
// 00, over what the host has written there: F if it is not connected, C if it
// is (1-3-2-4-4). By default, 0, there is none.
func (s *Screen) Indicate(letter byte) { s.letter = letter }

// Write obeys p. It takes all of it and never fails.
func (s *Screen) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		n := s.run(p[i:])
		if n == 0 {
			n = s.glance(p[i:])
		}
		if n == 0 {
			s.receive(p[i])
			n = 1
		}
		i += n
	}
	return len(p), nil
}

// glance obeys the sequence that p starts with, if it is clear at a glance, in
// 40 columns. It returns its length; what it leaves is for step.
func (s *Screen) glance(p []byte) int {
	if !s.plain || s.parity || s.parser.mode != Videotex {
		return 0
	}
	n := s.parser.glance(p)
	if n > 0 {
		s.parser.obey(p[:n])
		s.obey(p[:n])
		s.plain = s.parser.plain()
	}
	return n
}

// receive takes one byte, if it came undamaged.
func (s *Screen) receive(b byte) {
	if s.parity && bits.OnesCount8(b)%2 == 1 {
		s.damaged()
	} else {
		s.step(b)
	}
}

// damaged obeys a byte of odd parity: it ends the sequence that it is part of
// and shows as a block, as SUB does (2-2-1-2-8).
func (s *Screen) damaged() {
	s.parser.np = 0 // nor is an order obeyed that lacks a byte (2-6-5)
	s.step(SUB)
	s.reply(SUB)
}

// step takes one byte through the parser and obeys what it completes.
func (s *Screen) step(b byte) {
	region, mode, protocol := s.parser.region, s.parser.mode, s.parser.np > 0
	q := s.parser.Step(b)
	if s.parser.mode != mode {
		s.standard()
	}
	switch {
	case len(q) == 0:
	case protocol && isOrder(q, mode): // not what came by a PRO2 TRANSPARENCE
		s.order(q)
	case region == loading:
		s.load(q)
	case region != open:
	case s.parser.mode != mode: // by CSI ? {
		s.reset()
		s.reply(SEP, 0x5E)
	case mode == Videotex:
		s.obey(q)
	case s.pen.row == 0:
		s.obeyService(q)
	default:
		s.obeyISO(q)
	}
	s.plain = s.parser.plain()
}

// isOrder reports whether the sequence q is for the protocol layer.
func isOrder(q []byte, m Mode) bool {
	if len(q) < 2 || q[0] != ESC || m == Teleinformatique {
		return false
	}
	return q[1] == 0x61 || q[1] >= 0x39 && q[1] <= 0x3B && len(q) > 2
}

// obey does what the sequence q of the screen layer says.
func (s *Screen) obey(q []byte) {
	switch c := q[0]; c {
	case ENQ:
		if s.terminal.later() {
			s.reply(SOH, EOT) // an empty block: ENQROM is what tells
		}
	case BS:
		s.back()
	case HT:
		s.advance(1)
	case LF:
		if s.pen.row == 0 {
			s.pen = s.page // back where it was, 2-2-1-2-5-3
		} else {
			s.down(1)
		}
	case VT:
		if s.pen.row > 0 {
			s.up()
		}
	case FF:
		s.pen = home
		s.erase(1, 24)
	case CR:
		s.pen.column = 1
	case SO, SI:
		// For good: the other does not bring them back. In firmware, SI does
		// this among text as well.
		s.pen.attr &^= Wide | Tall | Inverted | Lined
	case CON:
		s.cursor = true
	case COF:
		s.cursor = false
	case REP:
		s.repeat(q[1])
	case SS2, SYN:
		s.shift(q[1:])
	case CAN:
		s.fill()
	case SUB:
		s.show(0x7F)
	case ESC:
		s.escape(q[1:])
	case RS:
		s.pen = home
	case US:
		s.locate(q[1:])
	default:
		if c >= 0x20 {
			s.show(c)
		}
	}
}

// locate obeys US and what follows it.
func (s *Screen) locate(at []byte) {
	if len(at) < 2 {
		return // card reader and the like
	}
	if at[0] == 0x23 && s.width == 40 {
		s.loader = loader{}
		s.loader.open(at[1])
		return
	}
	row, ok := Place(at[0], at[1], s.parser.mode)
	if !ok || s.width == 80 && row > 0 { // 2-2-2-2-3-4
		return
	}
	if row == 0 && s.pen.row > 0 {
		s.page = s.pen
	}
	s.pen = home
	s.pen.row = int8(row)
	if at[0] >= 0x40 {
		s.pen.column = int8(at[1] - 0x40)
	}
}

// escape obeys ESC and what follows it: an attribute, most often.
func (s *Screen) escape(q []byte) {
	p, mosaics := &s.pen, s.parser.Mosaics()
	switch c := q[0]; {
	case c <= 0x2F:
		s.designate(q)
	case c >= 0x40 && c <= 0x47:
		p.ink = Color(c & 7)
	case c == 0x48:
		p.attr |= Flashing
	case c == 0x49:
		p.attr &^= Flashing
	case c >= 0x4C && c <= 0x4F:
		// On rows 00 and 01 a character cannot grow upwards (2-2-1-2-4-2).
		if size := sizes[c&3]; !mosaics && (p.row > 1 || size&Tall == 0) {
			p.attr = p.attr&^(Tall|Wide) | size
		}
	case c >= 0x50 && c <= 0x57:
		p.paper, p.zone = Color(c&7), true
	case c == 0x58:
		p.attr, p.zone, p.masks = p.attr|Masked, true, true
	case c == 0x5F:
		p.attr, p.zone, p.masks = p.attr&^Masked, true, true
	case c == 0x59:
		p.attr, p.zone = p.attr&^Lined, p.zone || !mosaics
	case c == 0x5A:
		p.attr, p.zone = p.attr|Lined, p.zone || !mosaics
	case c == 0x5B:
		s.control(q[1:])
	case c == 0x5C:
		p.attr &^= Inverted
	case c == 0x5D:
		if !mosaics {
			p.attr |= Inverted
		}
	}
}

// sizes are those of ESC 4/12 to 4/15.
var sizes = [4]Attr{0, Tall, Wide, Tall | Wide}

// designate obeys ESC with intermediates: the choice between G0 and G'0, G1 and
// G'1, and the masking of the whole screen (2-2-1-2-4-4).
func (s *Screen) designate(q []byte) {
	switch string(q) {
	case "\x28\x20\x42":
		s.chosen[0] = true
	case "\x28\x40":
		s.chosen[0] = false
	case "\x29\x20\x43":
		s.chosen[1] = true
	case "\x29\x63":
		s.chosen[1] = false
	case "\x23\x20\x58":
		s.revealed = false
	case "\x23\x20\x5F":
		s.revealed = true
	}
}
