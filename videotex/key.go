package videotex

import "bytes"

// The function keys, the byte after SEP (1-5-3-1-1 for those of the modem).
const (
	Envoi        = 0x41
	Retour       = 0x42
	Repetition   = 0x43
	Guide        = 0x44
	Annulation   = 0x45
	Sommaire     = 0x46
	Correction   = 0x47
	Suite        = 0x48
	ConnexionFin = 0x49
	// LineReleased is what the socket of a Minitel says when the line is
	// taken or released; some terminals send it for Connexion/Fin.
	LineReleased = 0x59
)

// maxKey bounds a key: the longest are identifications.
const maxKey = 18

// A KeyReader divides what a terminal sends into whole keys and answers. It
// changes no byte, and loses none.
type KeyReader struct {
	held [maxKey]byte
	n    int8
}

// Next returns the first key of p and what follows it. A run of plain
// characters counts as one key. The key is nil once the rest of p is held back
// as the head of a key. It is valid until the next call.
func (r *KeyReader) Next(p []byte) (key, rest []byte) {
	for i, b := range p {
		if r.n == 0 && !starts(b) {
			n := 1
			for b >= 0x20 && i+n < len(p) && p[i+n] >= 0x20 {
				n++
			}
			return p[i : i+n], p[i+n:]
		}
		// A control character resynchronises, but EOT ends an identification
		// and CR may end a key (Connexion/Fin in Téléinformatique).
		if r.n > 0 && b < 0x20 && !(b == EOT && r.held[0] == SOH) && !(b == CR && r.held[0] == ESC && r.n == 3) {
			return r.Flush(), p[i:]
		}
		r.held[r.n] = b
		r.n++
		if s := r.held[:r.n]; wholeKey(s) {
			r.n = 0
			return s, p[i+1:]
		}
	}
	return nil, nil
}

// Flush returns what is held back, as a key: its other half has not come.
func (r *KeyReader) Flush() []byte {
	s := r.held[:r.n]
	r.n = 0
	return s
}

// Held returns what is held back. A lone SEP is worth waiting for its letter
// for 200 ms, a bare ESC for 150 ms: it may be a key of its own.
func (r *KeyReader) Held() []byte { return r.held[:r.n] }

// starts reports whether b starts a key of several bytes.
func starts(b byte) bool {
	switch b {
	case SOH, SEP, SS2, ESC, US:
		return true
	}
	return false
}

// wholeKey reports whether s, which begins a key, is all of it.
func wholeKey(s []byte) bool {
	n, last := len(s), s[len(s)-1]
	if n == maxKey {
		return true
	}
	switch s[0] {
	case SEP:
		return n == 2
	case SS2:
		return n == 3 || n == 2 && last&0xF0 != 0x40
	case US:
		return n == 3
	case SOH:
		return last == EOT
	}
	switch {
	case n == 1:
		return false
	case s[1] == 0x5B:
		return n > 2 && last >= 0x40
	case s[1] == 0x4F:
		return n == 3
	case s[1] >= 0x39 && s[1] <= 0x3B:
		return n == int(s[1])-0x36
	case string(s[1:]) == "\x29\x34":
		return false
	case s[1] >= 0x20 && s[1] <= 0x2F:
		return last >= 0x30 || last == CR
	}
	return true
}

// Function returns the function key that key is, 0 if it is none.
func Function(key []byte) byte {
	if len(key) == 2 && key[0] == SEP {
		return key[1]
	}
	return 0
}

// IsFin reports whether key is Connexion/Fin: SEP 4/9 from the line, SEP 5/9
// from the socket of a terminal that releases the line, ESC 2/9 3/4 CR in
// Téléinformatique.
func IsFin(key []byte) bool {
	f := Function(key)
	return f == ConnexionFin || f == LineReleased || bytes.Equal(key, []byte{ESC, 0x29, 0x34, CR})
}
