package videotex

// terminal is what the protocol layer of a terminal knows and tells. Each
// status is as it is told, bit 6 included.
type terminal struct {
	identity [3]byte // maker, type, version
	lower    bool    // the keyboard gives small letters
	corrects bool    // errors are corrected, the host believes
	screen   byte    // status: bit 0 goes dark when it is idle
	keyboard byte    // status: bit 0 extended, bit 2 cursor keys as C0
	protocol byte    // status: bits 0 and 1, no news for the modem, for the socket; bit 2, no acknowledgement for the modem
	routes   [4]byte // status of screen, keyboard, modem, socket: bit n, hears the nth of them
	replies  []byte
}

// minitel1B is a Minitel 1B by Telic that is called by a host.
var minitel1B = terminal{
	identity: [3]byte{0x43, 0x75, 0x3C},
	screen:   0x41,
	keyboard: 0x40,
	protocol: 0x43,
	routes:   [4]byte{0x45, 0x42, 0x4E, 0x4C},
}

// maxReplies bounds what waits for Replies. A host that asks more than is
// fetched gets no answer.
const maxReplies = 256

// Identify sets what the terminal answers to ENQROM; by default it is a
// Minitel 1B. A Minitel 2, 5 or 12 gives some other answers than that, too.
func (s *Screen) Identify(maker, kind, version byte) {
	s.terminal.identity = [3]byte{maker, kind, version}
}

// later reports whether the terminal is a Minitel 2, 5 or 12.
func (t *terminal) later() bool {
	return t.identity[1] == 'v' || t.identity[1] == 'y' || t.identity[1] == 'z'
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

// acknowledge replies unless the host does not want to know (2-6-4).
func (s *Screen) acknowledge(p ...byte) {
	if s.terminal.protocol&(1<<2) == 0 {
		s.reply(p...)
	}
}

// order obeys the sequence q of the protocol layer.
func (s *Screen) order(q []byte) {
	switch q[1] {
	case 0x61:
		s.reply(US, 0x40+byte(s.pen.row), (0x40+byte(s.pen.column))&0x7F)
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
		s.reply(ESC, 0x3A, 0x73, s.functions())
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
		if status, ok := t.route(d); ok {
			s.reply(ESC, 0x3B, 0x63, d, status)
		}
	case 0x64, 0x65:
		s.news(d, c == 0x65)
	case 0x66:
		s.reply(SEP, 0x57)
	case 0x69, 0x6A:
		s.start(d, c == 0x69)
	case 0x72:
		switch {
		case d == 0x59:
			s.reply(ESC, 0x3B, 0x73, d, t.keyboard)
		case d == 0x58 && t.later():
			s.reply(ESC, 0x3B, 0x73, d, t.screen)
		case d == 0x5A && t.later():
			s.reply(ESC, 0x3B, 0x73, d, 0x40)
		}
	case 0x7C:
		if d == 0x6A || d == 0x6B { // a copy on a printer that takes no time
			s.reply(SEP, 0x5C, SEP, 0x5C)
		}
	}
}

// news sets whether the modem (5/10) or the socket (5/11) hears what others
// order, or whether the host hears what becomes of its own orders (5/2).
func (s *Screen) news(d byte, wanted bool) {
	t := &s.terminal
	switch d {
	case 0x5A, 0x5B:
		set(&t.protocol, d-0x5A, !wanted)
	case 0x52:
		set(&t.protocol, 2, !wanted)
		if !wanted {
			return
		}
	default:
		return
	}
	s.reply(ESC, 0x3A, 0x77, t.protocol)
}

func (s *Screen) pro3(c, d, e byte) {
	t := &s.terminal
	switch c {
	case 0x60, 0x61:
		if d < 0x58 || d > 0x5B || e < 0x50 || e > 0x53 {
			return
		}
		if routable[d-0x58]&(1<<(e-0x50)) != 0 {
			set(&t.routes[d-0x58], e-0x50, c == 0x61)
		}
		s.acknowledge(ESC, 0x3B, 0x63, d, t.routes[d-0x58])
	case 0x69, 0x6A:
		switch {
		case d == 0x59 && (e == 0x41 || e == 0x43):
			set(&t.keyboard, e-0x41, c == 0x69)
			s.acknowledge(ESC, 0x3B, 0x73, d, t.keyboard)
		case d == 0x58 && e == 0x41 && t.later():
			set(&t.screen, 0, c == 0x69)
			s.acknowledge(ESC, 0x3B, 0x73, d, t.screen)
		}
	}
}

// routable has the routes that can be changed, as routes has those there are: a
// module's own bit says that it is not blocked (2-6-3-1).
var routable = [4]byte{0x0F, 0x02, 0x0E, 0x0E}

// set sets one bit of a status.
func set(status *byte, bit byte, on bool) {
	*status &^= 1 << bit
	if on {
		*status |= 1 << bit
	}
}

// start starts or stops a function: 4/3 scrolling, 4/4 error correction, 4/5
// small letters, 4/6 and 4/7 the magnifier, which only older terminals have.
// Errors do not come this far: those who start their correction are told so, but
// what they send is not taken for blocks.
func (s *Screen) start(function byte, on bool) {
	switch function {
	case 0x43:
		s.roll = on
	case 0x44:
		s.terminal.corrects = on
		s.reply(ESC, 0x3A, 0x73, s.functions()) // wanted or not (2-6-4-1)
		return
	case 0x45:
		s.terminal.lower = on
	case 0x46, 0x47:
		if s.terminal.later() {
			return
		}
	default:
		return
	}
	s.acknowledge(ESC, 0x3A, 0x73, s.functions())
}

// functions returns the status of the functions.
func (s *Screen) functions() byte {
	status := byte(0x40)
	set(&status, 0, s.width == 80)
	set(&status, 1, s.roll)
	set(&status, 2, s.terminal.corrects)
	set(&status, 3, s.terminal.lower)
	return status
}

// route returns which modules the module d hears, by its code as a receiver, or
// which ones hear it, by its code as a sender. What is told is all there is to
// it: the screen hears the host whatever the routes.
func (t *terminal) route(d byte) (status byte, ok bool) {
	switch {
	case d >= 0x58 && d <= 0x5B:
		return t.routes[d-0x58], true
	case d >= 0x50 && d <= 0x53:
		status = 0x40
		for receiver, senders := range t.routes {
			set(&status, byte(receiver), senders&(1<<(d-0x50)) != 0)
		}
		return status, true
	}
	return 0, false
}

// standard prepares the terminal for the standard that its parser follows
// (2-2-1-2-2, 2-2-2-2-3-1, 2-6-12).
func (s *Screen) standard() {
	columns80 := s.parser.mode != Videotex
	s.width = 40
	if columns80 {
		s.width = 80
	}
	for column := range s.cells[0] {
		s.cells[0][column] = space
	}
	s.erase(1, 24)
	s.pen, s.kept = home, home
	s.cursor, s.roll, s.insert, s.revealed = columns80, columns80, false, columns80
	s.chosen = [2]bool{}
	s.terminal.lower = columns80
	s.terminal.keyboard = 0x40
	set(&s.terminal.keyboard, 0, columns80)
}

// reset brings all but what is shown, and where, back to what it was at
// power-on (2-6-13-2).
func (s *Screen) reset() {
	t := s.terminal
	s.terminal = minitel1B
	s.terminal.identity, s.terminal.corrects, s.terminal.replies = t.identity, t.corrects, t.replies
	if s.pen.row == 0 {
		s.pen = s.page
	}
	row, column := s.pen.row, s.pen.column
	s.pen = home
	s.pen.row, s.pen.column = row, column
	s.cursor, s.roll, s.insert, s.revealed = false, false, false, false
}
