package videotex

// A Glyph is the form of a redefinable character: ten rows from the top, bit 7
// on the left.
type Glyph [10]byte

// Glyph returns the form of the character with the given code, 21 to 7E, of
// Drcs0 or Drcs1; a blank if there is none.
func (s *Screen) Glyph(set Set, code byte) Glyph {
	if set != Drcs0 && set != Drcs1 || !redefinable(code) {
		return Glyph{}
	}
	return s.drcs[set-Drcs0][code-0x21]
}

// A loader follows the definition of redefinable characters.
type loader struct {
	state  loaderState
	header byte // bytes of the header seen
	set    byte // 0 for G'0, 1 for G'1
	code   byte // of the character being defined
	bits   byte // of it defined so far, six at a time
}

type loaderState uint8

const (
	lost      loaderState = iota // what comes is ignored up to the next US
	inHeader                     // US 2/3 2/0 has been seen, four bytes follow
	announced                    // US 2/3 and the code: 3/0 starts the definition
	defining
	located // US has been seen
	opened  // US 2/3 has been seen
)

// open takes the byte after US 2/3.
func (l *loader) open(b byte) {
	if b == 0x20 {
		l.state, l.header = inHeader, 0
	} else {
		l.state, l.code = announced, b
	}
}

// load takes bytes of the region that US 2/3 opens.
func (s *Screen) load(q []byte) {
	for _, b := range q {
		if b != NUL {
			s.define(b)
		}
	}
	if s.parser.region != loading {
		s.locate(s.parser.tail[:])
	}
}

func (s *Screen) define(b byte) {
	l := &s.loader
	if b == US {
		l.state = located
		return
	}
	switch l.state {
	case located:
		l.state = lost
		if b == 0x23 {
			l.state = opened
		}
	case opened:
		l.open(b)
	case inHeader:
		l.header++
		if l.header == 3 { // 2/0 2/0 4/2 4/9, or 4/3
			l.set = b & 1
		}
	case announced, defining:
		if b != 0x30 {
			s.pattern(b)
			return
		}
		if l.state == defining && l.code < 0x7F { // beyond are none
			l.code++
		}
		l.state, l.bits = defining, 0
	}
}

// pattern takes six more bits of the character being defined.
func (s *Screen) pattern(b byte) {
	l := &s.loader
	if l.state != defining || !redefinable(l.code) || l.bits >= 80 {
		return
	}
	g := &s.drcs[l.set][l.code-0x21]
	if l.bits == 0 {
		*g = Glyph{}
	}
	for bit := byte(0x20); bit > 0 && l.bits < 80; bit >>= 1 {
		if b&bit != 0 {
			g[l.bits/8] |= 0x80 >> (l.bits % 8)
		}
		l.bits++
	}
}
