package minitel

import (
	"unicode"

	"moip/videotex"
)

// A Field is where a caller types a line. It echoes and edits as people are
// used to: Correction takes the last character back, Annulation all of them,
// and it beeps when it is full. Keys for a page that is not drawn yet are not
// echoed: its Draw shows the field.
type Field struct {
	Row, Column int  // of its first character
	Length      int  // characters, 1 to 40
	Fill        byte // shows what is free, '.' if 0
	Capitals    bool // letters become capitals

	text []rune
}

// String returns what was typed.
func (f *Field) String() string { return string(f.text) }

// Clear forgets what was typed, and does not show it.
func (f *Field) Clear() { f.text = nil }

// Draw shows the field, with the cursor in it.
func (f *Field) Draw(t *Terminal) {
	if free := f.Length - len(f.text); free > 0 {
		t.At(f.Row, f.Column+len(f.text)).Repeat(f.fill(), free)
	}
	if len(f.text) > 0 {
		t.At(f.Row, f.Column).Text(string(f.text))
		t.Write([]byte{videotex.CON})
		t.focus = f
		return
	}
	f.Focus(t)
}

func (f *Field) fill() byte {
	if f.Fill == 0 {
		return '.'
	}
	return f.Fill
}

// Focus puts the cursor where the next character goes, and shows it.
func (f *Field) Focus(t *Terminal) {
	t.At(f.Row, f.Column+len(f.text)).Write([]byte{videotex.CON})
	t.focus = f
}

// Key edits the field. It reports whether k was for it.
func (f *Field) Key(t *Terminal, k Key) bool {
	switch {
	case k == Annulation:
		if f.text = nil; t.IsDrawn() {
			f.Draw(t)
		}
	case k == Correction:
		f.correct(t)
	case k.IsCharacter():
		f.typed(t, rune(k))
	default:
		return false
	}
	return true
}

func (f *Field) correct(t *Terminal) {
	if len(f.text) == 0 {
		t.Bell()
		return
	}
	f.text = f.text[:len(f.text)-1]
	f.echo(t, []byte{videotex.BS, f.fill(), videotex.BS}, len(f.text)+1)
}

func (f *Field) typed(t *Terminal, r rune) {
	if f.Capitals {
		r = unicode.ToUpper(r)
	}
	shown := videotex.Encode(string(r)) // É is E, as on a Minitel
	switch {
	case len(f.text) == f.Length:
		t.Bell()
	case len(shown) == 1:
		f.text = append(f.text, rune(shown[0]))
		f.echo(t, shown, len(f.text)-1)
	case shown[0] == videotex.SS2:
		f.text = append(f.text, r)
		f.echo(t, shown, len(f.text)-1)
	}
}

// echo writes p at the place of the character n.
func (f *Field) echo(t *Terminal, p []byte, n int) {
	if !t.IsDrawn() {
		return
	}
	if t.focus != f {
		t.At(f.Row, f.Column+n).Write([]byte{videotex.CON})
	}
	t.Write(p)
	t.focus = f
}
