package services

import (
	"strings"

	"moip/minitel"
	"moip/videotex"
)

// What all services have in common: a name in large letters over a rule at the
// top, and at the bottom what the keys do.

// title draws the name of a service, in colour, and what it is about. It takes
// rows 1 to 3.
func title(t *minitel.Terminal, color byte, name, about string) {
	t.At(2, 2).Attr(color, videotex.DoubleSize).Text(name)
	t.At(2, 40-minitel.Width(about)).Text(about)
	t.At(3, 1).Attr(color).Write([]byte{videotex.SO}).Repeat(0x23, 40) // the upper third of each cell
}

// keys tells on row 24 what keys do: the name of each, and its effect, which
// may be empty.
func keys(t *minitel.Terminal, pairs ...string) {
	t.At(24, 1)
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			t.Text(" ")
		}
		t.Attr(videotex.Inverse).Text(" " + pairs[i] + " ").Attr(videotex.Positive)
		if pairs[i+1] != "" {
			t.Text(" " + pairs[i+1])
		}
	}
}

// below returns the row where the next line goes, in a window of which the last
// row is followed by the first.
func below(row, first, last int) int {
	if row >= last {
		return first
	}
	return row + 1
}

// others obeys what keys do everywhere, unless a page makes use of them.
func others(t *minitel.Terminal, k minitel.Key) {
	switch k {
	case minitel.Sommaire, minitel.ConnexionFin:
		t.Hangup()
	case minitel.Repetition:
		t.Redraw()
	default:
		t.Bell()
	}
}

// last is the page of callers who leave a service that has written on row 00. It
// undoes what else the service has done to the terminal.
type last []byte

func (l last) Draw(t *minitel.Terminal) {
	t.Write(l)
	t.Article("")
}

func (last) Key(*minitel.Terminal, minitel.Key) {}

// fit returns text in exactly n columns, cut or with blanks behind.
func fit(text string, n int) string {
	text = minitel.Fit(text, n)
	return text + strings.Repeat(" ", n-minitel.Width(text))
}

// center returns text in the middle of n columns.
func center(text string, n int) string {
	return fit(strings.Repeat(" ", max(0, n-minitel.Width(text))/2)+text, n)
}
