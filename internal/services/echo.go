package services

import (
	"moip/minitel"
	"moip/videotex"
)

// An echo shows what its caller types.
type echo struct{ row, column int }

func (e *echo) Draw(t *minitel.Terminal) {
	title(t, videotex.Green, "ECHO", "tapez, je répète")
	keys(t, "Répétition", "effacer", "Sommaire", "quitter")
	e.row, e.column = 5, 1
	t.At(e.row, e.column).Write([]byte{videotex.CON})
}

func (e *echo) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k.IsCharacter():
		e.show(t, string(rune(k)))
	case k == minitel.Sommaire, k == minitel.ConnexionFin:
		t.Hangup()
	case k == minitel.Repetition:
		t.Redraw()
	default:
		e.show(t, "<"+videotex.KeyName([]byte{videotex.SEP, byte(k)})+">")
	}
}

// show writes text where it fits: on this row or the next, and after the last on
// the first again.
func (e *echo) show(t *minitel.Terminal, text string) {
	n := minitel.Width(text)
	if e.column+n > 40 {
		e.row, e.column = e.row+1, 1
		if e.row > 22 {
			e.row = 5
		}
		t.Line(e.row, e.column, "")
	}
	t.Text(text)
	e.column += n
}
