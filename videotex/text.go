package videotex

import "strings"

// accents maps a letter to the letter and the diacritical mark that draw it
// (SS2 4/x, then the letter). The terminal has these and no others.
var accents = map[rune]string{
	'à': "\x41a", 'è': "\x41e", 'ù': "\x41u", 'é': "\x42e",
	'â': "\x43a", 'ê': "\x43e", 'î': "\x43i", 'ô': "\x43o", 'û': "\x43u",
	'ä': "\x48a", 'ë': "\x48e", 'ï': "\x48i", 'ö': "\x48o", 'ü': "\x48u", 'ç': "\x4Bc",
	'£': "\x23", '§': "\x27", '←': "\x2C", '↑': "\x2D", '→': "\x2E", '↓': "\x2F", '°': "\x30", '±': "\x31",
	'÷': "\x38", '¼': "\x3C", '½': "\x3D", '¾': "\x3E", 'Œ': "\x6A", 'œ': "\x7A", 'ß': "\x7B",
}

// plain replaces what the terminal has no form of.
var plain = strings.NewReplacer(
	"À", "A", "Â", "A", "Ä", "A", "Ç", "C", "É", "E", "È", "E", "Ê", "E", "Ë", "E", "Î", "I", "Ï", "I",
	"Ô", "O", "Ö", "O", "Ù", "U", "Û", "U", "Ü", "U", "’", "'", "‘", "'", "«", "\"", "»", "\"", "“", "\"", "”", "\"",
	"–", "-", "—", "-", "…", "...", "€", "EUR", "\u00A0", " ", "\u202F", " ", "æ", "ae", "Æ", "AE",
)

// Encode returns text as a terminal shows it in the sets G0 and G2. Capitals
// lose their accents, as on a Minitel. A character that the terminal has no
// form of becomes a question mark, and so does a control character: text can
// hold no sequence.
func Encode(text string) []byte {
	p := make([]byte, 0, len(text)+8)
	for _, r := range plain.Replace(text) {
		switch a, ok := accents[r]; {
		case ok:
			p = append(append(p, SS2), a...)
		case r >= 0x20 && r < 0x7F && !strings.ContainsRune("^`{|}~", r):
			p = append(p, byte(r))
		default:
			p = append(p, '?')
		}
	}
	return p
}

// Width returns how many columns text takes as Encode has it: more than it has
// characters where the terminal has no form of one, as of €.
func Width(text string) int {
	n := 0
	for _, r := range text {
		if shown := Encode(string(r)); shown[0] == SS2 { // a letter and its accent, or a sign of G2
			n++
		} else {
			n += len(shown)
		}
	}
	return n
}

// Mosaic returns the character of G1 with the given blocks lit, by the bits 0 to
// 5 of a Cell's code (2-2-1-2-2).
func Mosaic(blocks byte) byte { return 0x20 | blocks&0x1F | blocks>>5<<6 }

// Decode returns the character that a key of the sets G0 or G2 is, as a
// keyboard sends it: one byte, or SS2 and what follows. It is 0 if the key is no
// character.
func Decode(key []byte) rune {
	switch {
	case len(key) == 1 && key[0] >= 0x20 && key[0] < 0x7F:
		return rune(key[0])
	case len(key) < 2 || key[0] != SS2:
		return 0
	}
	if r, ok := characters[string(key[1:])]; ok || len(key) == 2 {
		return r
	}
	return Decode(key[2:]) // no terminal has that accent on that letter
}

// characters is accents the other way round.
var characters = func() map[string]rune {
	m := make(map[string]rune, len(accents))
	for r, s := range accents {
		m[s] = r
	}
	return m
}()
