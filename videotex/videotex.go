// Package videotex knows how bytes become keys, sequences and screens.
//
// Numbers such as 2-2-1-2-5-3 are clauses of the STUM 1B, the terminal's
// specification (France Télécom, 1986). Where genuine firmware differs from it,
// firmware is followed.
package videotex

// The control characters that shape a sequence, or that a gateway sends.
const (
	NUL = 0x00 // padding
	SOH = 0x01 // starts an identification
	EOT = 0x04 // ends it
	ENQ = 0x05 // asks for one
	BEL = 0x07
	BS  = 0x08
	HT  = 0x09
	LF  = 0x0A
	VT  = 0x0B
	FF  = 0x0C
	CR  = 0x0D
	SO  = 0x0E // mosaics, G1
	SI  = 0x0F // text, G0
	CON = 0x11 // cursor on
	REP = 0x12 // repeat the last character shown
	SEP = 0x13 // function key, or news of the terminal
	COF = 0x14 // cursor off
	SYN = 0x16 // same as SS2
	CAN = 0x18 // clear to the end of the row
	SS2 = 0x19 // one character of the accented set, G2
	SUB = 0x1A // a block, shown for a character that came damaged
	ESC = 0x1B
	SS3 = 0x1D
	RS  = 0x1E // home
	US  = 0x1F // locate, or start of a sub-article
)
