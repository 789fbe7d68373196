package videotex

// A Page is a stream under construction, drawn from its methods in order. The
// zero Page is empty.
type Page []byte

// Clear clears rows 1 to 24, hides the cursor and goes to row 1, column 1.
func (p Page) Clear() Page { return append(p, COF, FF) }

// At goes to row 0 to 24, column 1 to 40. That resets all attributes.
func (p Page) At(row, column int) Page {
	return append(p, US, 0x40+byte(row), 0x40+byte(column))
}

// Text writes text; see Encode.
func (p Page) Text(text string) Page { return append(p, Encode(text)...) }

// Attr sends the attributes a, as the byte that follows ESC: 4/0 to 4/7 ink,
// 5/0 to 5/7 background, and so on.
func (p Page) Attr(a ...byte) Page {
	for _, b := range a {
		p = append(p, ESC, b)
	}
	return p
}

// Repeat shows the character b n times, 1 to 64.
func (p Page) Repeat(b byte, n int) Page {
	if n > 1 {
		return append(p, b, REP, 0x40+byte(n-1))
	}
	return append(p, b)
}

// The attributes that follow ESC (2-2-1-2-6-2).
const (
	Black, Red, Green, Yellow, Blue, Magenta, Cyan, White = 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47

	Flash, Steady                                     = 0x48, 0x49
	NormalSize, DoubleHeight, DoubleWidth, DoubleSize = 0x4C, 0x4D, 0x4E, 0x4F

	// Background plus a colour is that colour behind the text, from the
	// next space on: 0x10 + Blue.
	Background        = 0x10
	Positive, Inverse = 0x5C, 0x5D
)
