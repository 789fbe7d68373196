package videotex

// A Cell is what one place of the screen shows.
type Cell struct {
	Set        Set
	Code       byte // place in the set
	Ink, Paper Color
	Attr       Attr
}

// A Set is a set of characters.
type Set uint8

const (
	G0        Set = iota // text, codes 20 to 7F
	G2                   // accented letters and signs, by their number in the display circuit, 00 to 1F
	G1                   // mosaics; bits 0 to 5 of the code are the blocks lit, from the top left by rows
	Drcs0                // G'0, redefinable text, codes 21 to 7E
	Drcs1                // G'1, redefinable mosaics, codes 21 to 7E
	Delimiter            // the space that starts a zone: no sign, Inverted
)

// A Color is a colour, or on most terminals a shade of grey: 0 black, 1 red,
// 2 green, 3 yellow, 4 blue, 5 magenta, 6 cyan, 7 white; three bits of Black to
// White.
type Color uint8

// Attr is a set of attributes.
type Attr uint16

const (
	Flashing  Attr = 1 << iota
	Inverted       // ink and paper change places
	Masked         // the sign is not shown while the screen hides what is masked
	Lined          // underlined
	Separated      // the blocks of a mosaic do not touch
	Wide           // half of a character of double width: the left one, unless Right
	Tall           // half of a character of double height: the upper one, unless Bottom
	Right          // without Wide, a right half at single width, see Screen.Row
	Bottom
	Bold // bright, in 80 columns only
)

// blank fills what is erased: a mosaic with no block lit. Row 00 has spaces.
var (
	blank = Cell{Set: G1, Ink: White & 7}
	space = Cell{Set: G0, Code: ' ', Ink: White & 7}
)

// g2 are the characters of the set G2 in the order of the display circuit.
var g2 = [32]rune{
	'~', '§', 'ü', '£', 'â', '}', 'ä', 'ö', 'ù', 'ß', 'Œ', '{', '←', 'î', '→', '↓',
	'°', '±', 'é', 'ë', 'ï', 'ç', 'û', 'à', '÷', 'è', 'œ', 'ê', '¼', '½', '¾', 'ô',
}

// Rune returns the character closest to what the cell shows. A redefinable
// character is shown as a shade, since it can be anything.
func (c Cell) Rune() rune {
	switch c.Set {
	case G0:
		return g0Rune(c.Code)
	case G2:
		return g2[c.Code&0x1F]
	case G1:
		return sextant(c.Code)
	case Drcs0, Drcs1:
		return '▒'
	}
	return ' '
}

func g0Rune(code byte) rune {
	switch code {
	case 0x5E:
		return '↑'
	case 0x60:
		return '─'
	case 0x7B:
		return '▏'
	case 0x7D:
		return '▕'
	case 0x7E:
		return '▔'
	case 0x7F:
		return '█'
	}
	return rune(code)
}

// sextant returns the mosaic with the given blocks lit. Unicode has sixty of
// them in the order of their bits, without those it had already.
func sextant(blocks byte) rune {
	switch b := rune(blocks & 0x3F); {
	case b == 0:
		return ' '
	case b == 0x15:
		return '▌'
	case b == 0x2A:
		return '▐'
	case b == 0x3F:
		return '█'
	case b > 0x2A:
		return 0x1FB00 + b - 3
	case b > 0x15:
		return 0x1FB00 + b - 2
	default:
		return 0x1FB00 + b - 1
	}
}
