package minitel

import (
	"iter"
	"unicode/utf8"

	"moip/videotex"
)

// A Key is what a caller pressed: a character, or one of the function keys.
type Key rune

// The function keys. On a keyboard that lacks them, Return is Envoi, Backspace
// is Correction, and the arrows up and down are Retour and Suite.
const (
	Envoi        = function + videotex.Envoi
	Retour       = function + videotex.Retour
	Repetition   = function + videotex.Repetition
	Guide        = function + videotex.Guide
	Annulation   = function + videotex.Annulation
	Sommaire     = function + videotex.Sommaire
	Correction   = function + videotex.Correction
	Suite        = function + videotex.Suite
	ConnexionFin = function + videotex.ConnexionFin

	function Key = 0xE000 // private use: no character
)

// IsCharacter reports whether k is a character, which a Field takes.
func (k Key) IsCharacter() bool { return k < function }

// pressed returns the keys that a sequence of the terminal stands for.
func (t *Terminal) pressed(sequence []byte) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		if k, ok := named(sequence); ok {
			if k != 0 {
				yield(k)
			}
			return
		}
		for len(sequence) > 0 {
			k := t.plain(sequence[0])
			n := 1
			if sequence[0] > 0x7F { // not from a Minitel
				k, n = eightBit(sequence)
			}
			t.enter = sequence[0] == videotex.CR
			sequence = sequence[n:]
			if k != 0 && !yield(k) {
				return
			}
		}
	}
}

// eightBit returns the character at the head of s, and its length: one of UTF-8,
// as telnet programs send it, or of Latin-1, as browsers' characters arrive.
func eightBit(s []byte) (Key, int) {
	if r, n := utf8.DecodeRune(s); r != utf8.RuneError && Key(r) < function {
		return Key(r), n
	}
	if s[0] >= 0xA0 {
		return Key(s[0]), 1
	}
	return 0, 1
}

// named returns the key that a sequence of several bytes is, 0 if it is none
// that we know.
func named(s []byte) (k Key, ok bool) {
	switch f := videotex.Function(s); {
	case videotex.IsFin(s):
		return ConnexionFin, true
	case f >= videotex.Envoi && f <= videotex.Suite:
		return function + Key(f), true
	case s[0] == videotex.SS2:
		return Key(videotex.Decode(s)), true
	case string(s) == "\x1b[A":
		return Retour, true
	case string(s) == "\x1b[B":
		return Suite, true
	}
	return 0, s[0] < 0x20 && len(s) > 1
}

// plain returns the key of a single byte, 0 if it is none.
func (t *Terminal) plain(b byte) Key {
	switch {
	case b >= 0x20 && b < 0x7F:
		return Key(b)
	case b == videotex.CR:
		return Envoi
	case b == videotex.BS, b == 0x7F:
		return Correction
	case b == videotex.LF && !t.enter: // an arrow of the Minitel, not the end of CR LF
		return Suite
	case b == 0x0B:
		return Retour
	}
	return 0
}
