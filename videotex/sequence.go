package videotex

// A Parser divides a stream bound for a terminal into sequences and knows,
// after each byte, where the terminal stands: between sequences or in one, on
// row 00, loading a character set, and so on.
//
// It has the two layers of a terminal. The protocol layer takes PRO1, PRO2,
// PRO3 and ESC 6/1 out of the stream wherever they stand, also in the middle
// of a sequence of the layer above, which then carries on. The screen layer
// gets the rest; there a control character abandons the sequence that is under
// way and is obeyed itself (2-2-1-2-8), and NUL is padding.
//
// The zero Parser is that of a terminal just switched on. Bit 7 is not part of
// a code and is ignored.
type Parser struct {
	seq [maxSequence]byte // the screen's sequence under way, without padding
	n   int8
	pro [5]byte // the protocol layer's, or an ESC that may become one
	np  int8
	raw [2]byte // what a region was given last

	region region
	tail   [2]byte // what came last in the region, see endsRegion
	opaque uint8   // bytes left of a PRO2 TRANSPARENCE
	mode   Mode
	row0   bool
	g1     bool
	saved  bool // g1 before row 00

	suspended region // to go on with after row 00: loading, or none
}

// A Mode is one of the standards a terminal can follow.
type Mode uint8

const (
	Videotex         Mode = iota // 40 columns
	Mixte                        // 80 columns
	Teleinformatique             // 80 columns, no protocol layer
)

// maxSequence bounds a sequence. What is longer can only be a CSI or an ESC
// with absurdly many parameters; those beyond are forgotten.
const maxSequence = 24

// A region is a part of a stream in which nothing may be let in, whatever it
// contains.
type region uint8

const (
	open     region = iota
	deaf            // ESC 2/5: the screen ignores all until ESC 2/5 4/0 or ESC 2/15 3/15
	loading         // US 2/3: a redefinable set, until US sends the cursor to a row of the page
	external        // US 3/12, US 3/14: card reader and the like, until CR
)

// Step takes the next byte. It returns the sequence that the byte completes,
// without padding and with bit 7 clear, or nil; inside a region, the bytes
// that passed. The slice is valid until the next Step.
func (p *Parser) Step(b byte) []byte {
	b &= 0x7F
	if p.opaque > 0 {
		if b != NUL { // not counted on the line (2-6-5)
			p.opaque--
		}
		return p.screen(b)
	}
	switch {
	case p.np > 1:
		p.pro[p.np] = b
		p.np++
		// The second byte tells the length: 3/9 PRO1, 3/10 PRO2, 3/11 PRO3.
		if p.np < int8(p.pro[1]-0x36) {
			return nil
		}
		s := p.pro[:p.np]
		p.np = 0
		p.protocol(s)
		return s
	case p.np == 1:
		return p.escaped(b)
	case b == ESC && p.region != external:
		p.pro[0], p.np = ESC, 1
		return nil
	}
	return p.screen(b)
}

// next takes the sequence that q starts with, if that is clear at a glance, and
// otherwise a byte. It returns what Step does, and how many bytes it has taken.
func (p *Parser) next(q []byte) (s []byte, n int) {
	if n = p.glance(q); n == 0 {
		return p.Step(q[0]), 1
	}
	p.obey(q[:n])
	return q[:n], n
}

// run returns how many characters q starts with that stand for themselves. Step
// would return each alone, and change nothing.
func (p *Parser) run(q []byte) int {
	if !p.plain() {
		return 0
	}
	for n, b := range q {
		if b&0x7F < 0x20 {
			return n
		}
	}
	return len(q)
}

// glance returns the length of the sequence that q starts with, as Step would
// return it and obey take it, without padding, parity or another inside. It
// returns 0 for what is rare, or not whole: only Step can tell.
func (p *Parser) glance(q []byte) int {
	if !p.plain() {
		return 0
	}
	n := int(lengths[q[0]])
	switch {
	case len(q) < 2:
	case q[0] == SS2 || q[0] == SYN:
		if p.g1 {
			n = 1
		} else if q[1]&0xF0 == 0x40 {
			n = 3
		}
	case q[0] == ESC && (q[1] < 0x40 || q[1] > 0x5F || q[1] == 0x5B): // no attribute
		return 0
	case q[0] == US && (q[1] == 0x3C || q[1] == 0x3E):
		return 0
	}
	if n > len(q) {
		return 0
	}
	for _, b := range q[min(n, 1):n] {
		if b < 0x20 || b > 0x7F {
			return 0
		}
	}
	return n
}

// lengths are those of the sequences that glance knows, by their first bytes.
var lengths = func() (l [256]uint8) {
	for b := range 0x80 {
		l[b] = 1
	}
	l[NUL], l[SEP], l[SS3] = 0, 0, 0
	l[REP], l[SS2], l[SYN], l[ESC], l[US] = 2, 2, 2, 2, 3
	return l
}()

// plain reports whether a character stands for itself.
func (p *Parser) plain() bool { return p.Between() && p.region == open && p.opaque == 0 }

// escaped takes the byte after an ESC.
func (p *Parser) escaped(b byte) []byte {
	switch {
	case b == NUL && p.region != loading:
		return nil
	case b == ESC:
		p.screen(ESC) // the first is abandoned
		return nil
	case p.mode == Teleinformatique:
	case b == 0x61:
		p.np = 0
		p.pro[1] = b
		return p.pro[:2]
	case b >= 0x39 && b <= 0x3B:
		p.pro[1], p.np = b, 2
		return nil
	}
	p.np = 0
	if p.region != open {
		p.endsRegion(ESC)
		p.endsRegion(b)
		p.raw = [2]byte{ESC, b}
		return p.raw[:2]
	}
	p.screen(ESC)
	return p.screen(b)
}

// screen is the screen layer's Step.
func (p *Parser) screen(b byte) []byte {
	if p.region != open {
		p.endsRegion(b)
		p.raw[0] = b
		return p.raw[:1]
	}
	if b == NUL {
		return nil
	}
	if b < 0x20 {
		p.n = 0
	}
	if p.n < maxSequence {
		p.seq[p.n] = b
		p.n++
	} else {
		p.seq[maxSequence-1] = b
	}
	s := p.seq[:p.n]
	if !p.whole(s) {
		return nil
	}
	p.n = 0
	p.obey(s)
	return s
}

// whole reports whether s, which begins a sequence, is all of it.
func (p *Parser) whole(s []byte) bool {
	n, last := len(s), s[len(s)-1]
	switch s[0] {
	case REP, SEP, SS3:
		return n == 2
	case SS2, SYN:
		// Ignored while mosaics are shown, and takes no argument then.
		return p.g1 || n == 3 || n == 2 && last&0xF0 != 0x40
	case US:
		return n == 3 || n == 2 && (last == 0x3C || last == 0x3E)
	case ESC:
		switch {
		case n == 1:
			return false
		case s[1] == 0x5B: // CSI: parameters, intermediates, final
			return n > 2 && last >= 0x40
		case s[1] == 0x25 && !p.iso():
			return true
		case s[1] < 0x30: // intermediates, final
			return n > 2 && last >= 0x30 && last < 0x7F
		case s[1] >= 0x35 && s[1] <= 0x37:
			return n == 3 || p.iso() // ESC 3/7 keeps the cursor there
		}
	}
	return true
}

// obey notes what the whole sequence s of the screen layer does.
func (p *Parser) obey(s []byte) {
	switch s[0] {
	case SO:
		p.g1 = p.mode == Videotex
	case SI:
		p.g1 = false
	case LF:
		if p.row0 {
			p.row0, p.g1 = false, p.saved
			p.region, p.suspended = p.suspended, open
		}
	case FF, RS:
		if p.mode == Videotex { // elsewhere only LF leaves row 00 (2-2-2-2-3-4)
			p.row0, p.g1, p.suspended = false, false, open
		}
	case US:
		p.locate(s[1:])
	case ESC:
		switch {
		case s[1] == 0x25 && len(s) == 2:
			p.enter(deaf)
		case string(s[1:]) == "\x5B?{" && p.mode == Teleinformatique:
			p.reset(Videotex)
		}
	}
}

// iso reports whether the screen follows ISO 6429, as it does on rows 01 to 24
// of a standard with 80 columns.
func (p *Parser) iso() bool { return p.mode != Videotex && !p.row0 }

// locate obeys US and what follows it.
func (p *Parser) locate(at []byte) {
	switch {
	case at[0] == 0x23 && p.mode == Videotex:
		// A header starts with 2/0 and has four more bytes: they are taken
		// as part of the load that it announces.
		p.enter(loading)
		return
	case at[0] == 0x3C, at[0] == 0x3E:
		p.enter(external)
		return
	}
	row, ok := Place(at[0], at[1], p.mode)
	switch {
	case !ok:
	case row == 0:
		if !p.row0 {
			p.row0, p.saved = true, p.g1
		}
		p.g1 = false
	case p.mode == Videotex || !p.row0:
		p.row0, p.g1, p.suspended = false, false, open
	}
}

// Place returns the row that US a b names. Bytes that name no place on the
// screen do nothing at all.
func Place(a, b byte, m Mode) (row int, ok bool) {
	last := byte(0x68)
	if m != Videotex {
		last = 0x7F // column 63, in row 00
	}
	switch {
	case a >= 0x40 && a <= 0x58 && b >= 0x41 && b <= last:
		return int(a - 0x40), true
	case a >= 0x30 && a <= 0x32 && b >= 0x30 && b <= 0x39: // two digits, obsolete
		row = int(a-0x30)*10 + int(b-0x30)
		return row, row <= 24
	}
	return 0, false
}

func (p *Parser) enter(r region) { p.region, p.tail = r, [2]byte{} }

// endsRegion takes a byte of a region and notes if it is the last.
func (p *Parser) endsRegion(b byte) {
	if b == NUL {
		return
	}
	switch p.region {
	case deaf:
		// Right after ESC 2/5, a 4/0 ends what has just begun.
		if p.tail == [2]byte{ESC, 0x25} && b == 0x40 || p.tail == [2]byte{ESC, 0x2F} && b == 0x3F ||
			p.tail == [2]byte{} && b == 0x40 {
			p.region = open
		}
	case loading:
		// US that does not announce another character ends it, wherever it
		// sends the cursor; row 00 only suspends it.
		if p.tail[0] == US && p.tail[1] >= 0x20 && p.tail[1] != 0x23 && b >= 0x20 {
			p.region = open
			p.locate([]byte{p.tail[1], b})
			if p.row0 {
				p.suspended = loading
			}
		}
	case external:
		if b == CR {
			p.region = open
		}
	}
	p.tail = [2]byte{p.tail[1], b}
}

// protocol notes what the PRO sequence s does.
func (p *Parser) protocol(s []byte) {
	switch string(s[1:]) {
	case "\x39\x7F":
		p.reset(Videotex)
		if p.region == deaf { // 2-6-13-2
			p.region = open
		}
	case "\x3A\x32\x7D":
		p.reset(Mixte)
	case "\x3A\x32\x7E":
		p.reset(Videotex)
	case "\x3A\x31\x7D":
		p.reset(Teleinformatique)
	default:
		if s[1] == 0x3A && s[2] == 0x66 {
			p.opaque = s[3]
		}
	}
}

func (p *Parser) reset(m Mode) { p.mode, p.row0, p.g1, p.suspended = m, false, false, open }

// Between reports whether the last byte was the last of its sequence.
func (p *Parser) Between() bool { return p.n == 0 && p.np == 0 }

// AtRest reports whether another stream may be let in here.
func (p *Parser) AtRest() bool { return p.free() && p.mode != Teleinformatique }

// free is AtRest whatever the standard.
func (p *Parser) free() bool { return p.plain() && !p.row0 }

// Loading reports whether the terminal loads redefinable characters: what Step returns
// are bytes of them.
func (p *Parser) Loading() bool { return p.region == loading }

// Deaf reports whether the screen ignores what Step returns, or something beside it is
// meant: what is hidden by ESC 2/5, or goes to a card reader and the like.
func (p *Parser) Deaf() bool { return p.region == deaf || p.region == external }

// Mosaics reports whether characters are shown as mosaics, G1.
func (p *Parser) Mosaics() bool { return p.g1 }

// Row0 reports whether the terminal writes on row 00.
func (p *Parser) Row0() bool { return p.row0 }

// Mode returns the standard the terminal follows.
func (p *Parser) Mode() Mode { return p.mode }

// Rest appends to dst what brings the terminal from where it stands to rest,
// in Vidéotex mode, so that another stream may take over.
func (p *Parser) Rest(dst []byte) []byte {
	start := len(dst)
	if p.np > 1 {
		// An unknown order is swallowed by the terminal.
		for i := p.np; i < int8(p.pro[1]-0x36); i++ {
			dst = append(dst, NUL)
		}
	}
	if p.n > 0 || p.np == 1 {
		dst = append(dst, COF) // a control character abandons the rest
	}
	for range p.opaque {
		dst = append(dst, COF)
	}
	switch p.region {
	case deaf:
		dst = append(dst, ESC, 0x25, 0x40)
	case loading:
		dst = append(dst, US, 0x41, 0x41)
	case external:
		dst = append(dst, CR)
	}
	if p.row0 {
		dst = append(dst, LF)
		if p.suspended == loading {
			dst = append(dst, US, 0x41, 0x41)
		}
	}
	switch p.mode {
	case Mixte:
		dst = append(dst, ESC, 0x3A, 0x32, 0x7E)
	case Teleinformatique:
		dst = append(dst, ESC, 0x5B, '?', '{')
	}
	for _, b := range dst[start:] {
		p.Step(b)
	}
	return dst
}
