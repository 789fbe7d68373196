package serial

import "math/bits"

// A decoder makes of the bytes of a port the characters of the line.
//
// Where marks is set, the system puts FF 00 before a character that came with
// wrong parity or without its stop bit, FF 00 00 in place of a break, and FF FF
// in place of FF (PARMRK). Such a mark may be torn by the end of a read.
type decoder struct {
	parity Parity
	marks  bool
	seen   int // bytes of a mark: 1 after FF, 2 after FF 00
}

// decode works in place, tells how many characters b now begins with, and how
// many of them are wrong: those from 0x80.
func (d *decoder) decode(b []byte) (n, wrong int) {
	for _, c := range b {
		bad := false
		switch {
		case d.seen == 2:
			d.seen, bad = 0, true
		case d.seen == 1 && c == 0:
			d.seen = 2
			continue
		case d.seen == 1:
			// FF, or the rest of what a Discard has torn.
			d.seen = 0
		case d.marks && c == 0xFF:
			d.seen = 1
			continue
		}
		if d.parity != ParityNone {
			// An adapter that only claims to do 7E1 gives the parity in bit 7.
			bad = bad || d.parity == ParityLine && c >= 0x80 || d.parity == ParitySoftware && even(c) != c
			c &= 0x7F
		}
		if bad {
			c |= 0x80
			wrong++
		}
		b[n] = c
		n++
	}
	return n, wrong
}

// even is the character c with bit 7 such that the number of ones is even.
func even(c byte) byte {
	return c&0x7F | byte(bits.OnesCount8(c&0x7F)&1)<<7
}

// withParity is a copy of b with even parity.
func withParity(b []byte) []byte {
	sent := make([]byte, len(b))
	for i, c := range b {
		sent[i] = even(c)
	}
	return sent
}
