package videotex

// An Answer is a kind of answer that a terminal gives by itself. Answers are
// not keys: they go to whoever put the question.
type Answer byte

// The answers. Those of the protocol layer are named by the byte that tells
// them apart, acknowledgements by the byte after SEP plus 80h.
const (
	Identity     Answer = SOH  // SOH maker type version EOT
	RAM          Answer = ENQ  // SOH up to 16 characters EOT; some terminals have none
	Cursor       Answer = US   // US row column
	Routing      Answer = 0x63 // PRO3
	Terminal     Answer = 0x71 // PRO2
	Functions    Answer = 0x73 // PRO2; PRO3 for the keyboard and the like
	Speed        Answer = 0x75 // PRO2
	Protocol     Answer = 0x77 // PRO2
	ToTele       Answer = 'z'  // CSI ? z
	Transparent  Answer = 0x80 | 0x57
	Copied       Answer = 0x80 | 0x5C
	WasReset     Answer = 0x80 | 0x5E
	NowMixte     Answer = 0x80 | 0x70
	NowVideotex  Answer = 0x80 | 0x71
	acknowledged        = 0x80
)

// Question returns the answer that a terminal gives to the sequence s, 0 if it
// gives none.
func Question(s []byte) Answer {
	if s[0] == ENQ {
		return RAM
	}
	if len(s) < 2 || s[0] != ESC {
		return 0
	}
	switch s[1] {
	case 0x61:
		return Cursor
	case 0x39, 0x3A, 0x3B:
		if len(s) == int(s[1])-0x36 { // else it stands where PRO is not obeyed
			return order(s[1], s[2:])
		}
	case 0x5B:
		if string(s[2:]) == "?{" {
			return WasReset
		}
	}
	return 0
}

// order returns the answer to PRO1, PRO2 or PRO3 with the arguments a.
func order(pro byte, a []byte) Answer {
	switch pro {
	case 0x39:
		switch a[0] {
		case 0x7B:
			return Identity
		case 0x78, 0x79, 0x7A:
			return RAM
		case 0x70, 0x72, 0x74, 0x76:
			return Answer(a[0] + 1)
		case 0x7F:
			return WasReset
		}
	case 0x3A:
		switch a[0] {
		case 0x72:
			return Functions
		case 0x69, 0x6A:
			if a[1] >= 0x43 && a[1] <= 0x45 {
				return Functions
			}
		case 0x62:
			return Routing
		case 0x64, 0x65:
			if a[1] == 0x5A || a[1] == 0x5B {
				return Protocol
			}
		case 0x66:
			return Transparent
		case 0x6B:
			return Speed
		case 0x7C:
			return Copied
		case 0x31, 0x32:
			return standard(a[0], a[1])
		}
	case 0x3B:
		switch a[0] {
		case 0x69, 0x6A:
			return Functions
		case 0x60, 0x61:
			return Routing
		}
	}
	return 0
}

// standard returns the answer to an order to change standard.
func standard(a, b byte) Answer {
	switch string([]byte{a, b}) {
	case "\x31\x7D":
		return ToTele
	case "\x32\x7D":
		return NowMixte
	case "\x32\x7E":
		return NowVideotex
	}
	return 0
}

// AnswerOf returns the kind of answer that key is, 0 if it can only be a key. An
// Identity may also be a short block of RAM.
func AnswerOf(key []byte) Answer {
	n := len(key)
	switch {
	case n < 2:
	case key[0] == SOH && key[n-1] == EOT && n == 5:
		return Identity
	case key[0] == SOH && key[n-1] == EOT:
		return RAM
	case key[0] == US && n == 3:
		return Cursor
	case string(key) == "\x1B\x5B?z":
		return ToTele
	case key[0] == ESC && (key[1] == 0x3A && n == 4 || key[1] == 0x3B && n == 5):
		return Answer(key[2])
	case key[0] == SEP && n == 2:
		switch a := Answer(acknowledged | key[1]); a {
		case Transparent, Copied, WasReset, NowMixte, NowVideotex:
			return a
		}
	}
	return 0
}
