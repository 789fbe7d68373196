package videotex

// terminal is what the protocol layer of a terminal knows and tells. Each
// status is as it is told, bit 6 included.
type terminal struct {
	identity [3]byte // maker, type, version
	lower    bool    // the keyboard gives small letters
	keyboard byte    // status: bit 0 extended, bit 2 cursor keys as C0
	protocol byte    // status: bits 0 and 1, no news for the modem, for the socket
	routes   [4]byte // status of screen, keyboard, modem, socket: bit n, hears the nth of them
	replies  []byte
}

// minitel1B is a Minitel 1B by Telic that is called by a host.
var minitel1B = terminal{
	identity: [3]byte{0x43, 0x75, 0x3C},
	keyboard: 0x40,
	protocol: 0x43,
	routes:   [4]byte{0x45, 0x42, 0x4E, 0x4C},
}

// maxReplies bounds what waits for Replies. A host that asks more than is
// fetched gets no answer.
const maxReplies = 256

// Identify sets what the terminal answers to ENQROM; by default it is a
// Minitel 1B.
func (s *Screen) Identify(maker, kind, version byte) {
	s.terminal.identity = [3]byte{maker, kind, version}
}

// Replies returns what the terminal has answered since the last call. It is
// valid until the next Write.
func (s *Screen) Replies() []byte {
	r := s.terminal.replies
	s.terminal.replies = r[:0]
	return r
}

func (s *Screen) reply(p ...byte) {
	if t := &s.terminal; len(t.replies)+len(p) <= maxReplies {
		t.replies = append(t.replies, p...)
	}
}

// order obeys the sequence q of the protocol layer.
func (s *Screen) order(q []byte) {
	switch q[1] {
	case 0x61:
		s.reply(US, 0x40+byte(s.pen.row), 0x40+byte(s.pen.column))
	case 0x39:
		s.pro1(q[2])
	case 0x3A:
		s.pro2(q[2], q[3])
	case 0x3B:
		s.pro3(q[2], q[3], q[4])
	}
}

func (s *Screen) pro1(c byte) {
	t := &s.terminal
	switch c {
	case 0x70:
		s.reply(ESC, 0x3A, 0x71, 0x5A) // connected, 1200 bit/s from the host
	case 0x72:
		s.functions()
	case 0x74:
		s.reply(ESC, 0x3A, 0x75, 0x64) // 1200 bit/s both ways
	case 0x76:
		s.reply(ESC, 0x3A, 0x77, t.protocol)
	case 0x7B:
		s.reply(SOH, t.identity[0], t.identity[1], t.identity[2], EOT)
	case 0x7F:
		s.reset()
		s.reply(SEP, 0x5E)
	}
}

func (s *Screen) pro2(c, d byte) {
	t := &s.terminal
	switch c {
	case 0x31:
		if d == 0x7D {
			s.reply(ESC, 0x5B, 0x3F, 0x7A)
		}
	case 0x32:
		if d == 0x7D || d == 0x7E {
			s.pen = home
			s.reply(SEP, d-0x0D)
		}
	case 0x62:
		s.route(d)
	case 0x64, 0x65:
		if d == 0x5A || d == 0x5B {
			set(&t.protocol, d-0x5A, c == 0x64)
			s.reply(ESC, 0x3A, 0x77, t.protocol)
		}
	case 0x66:
		s.reply(SEP, 0x57)
	case 0x69, 0x6A:
		s.start(d, c == 0x69)
	case 0x72:
		if d == 0x59 {
			s.reply(ESC, 0x3B, 0x73, d, t.keyboard)
		}
	}
}

func (s *Screen) pro3(c, d, e byte) {
	t := &s.terminal
	switch c {
	case 0x60, 0x61:
		if d >= 0x58 && d <= 0x5B && e >= 0x50 && e <= 0x53 {
			set(&t.routes[d-0x58], e-0x50, c == 0x61)
			s.route(d)
		}
	case 0x69, 0x6A:
		if d == 0x59 && (e == 0x41 || e == 0x43) {
			set(&t.keyboard, e-0x41, c == 0x69)
			s.reply(ESC, 0x3B, 0x73, d, t.keyboard)
		}
	}
}

// set sets one bit of a status.
func set(status *byte, bit byte, on bool) {
	*status &^= 1 << bit
	if on {
		*status |= 1 << bit
	}
}

// start starts or stops a function: 4/3 scrolling, 4/5 small letters; 4/4 error
// correction and 4/6, 4/7 the magnifier, which are not to be had here.
func (s *Screen) start(function byte, on bool) {
	switch function {
	case 0x43:
		s.roll = on
	case 0x45:
		s.terminal.lower = on
	case 0x44, 0x46, 0x47:
	default:
		return
	}
	s.functions()
}

// functions tells the status of the functions.
func (s *Screen) functions() {
	status := byte(0x40)
	set(&status, 0, s.parser.mode != Videotex)
	set(&status, 1, s.roll)
	set(&status, 3, s.terminal.lower)
	s.reply(ESC, 0x3A, 0x73, status)
}

// route tells which modules the module d hears. What is told is all there is
// to it: the screen hears the host whatever the routes.
func (s *Screen) route(d byte) {
	if d >= 0x58 && d <= 0x5B {
		s.reply(ESC, 0x3B, 0x63, d, s.terminal.routes[d-0x58])
	}
}

// standard prepares the screen for the standard that the parser has changed to.
func (s *Screen) standard() {
	columns80 := s.parser.mode != Videotex
	s.pen = home
	s.erase(1, 24)
	s.cursor, s.roll, s.insert, s.revealed = columns80, columns80, false, columns80
}

// reset brings all but what is shown back to what it was at power-on.
func (s *Screen) reset() {
	t := s.terminal
	s.terminal = minitel1B
	s.terminal.identity, s.terminal.replies = t.identity, t.replies
	s.pen = home
	s.cursor, s.roll, s.insert, s.revealed = false, false, false, false
}
