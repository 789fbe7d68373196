package portal

import (
	"fmt"

	"moip/minitel"
	"moip/videotex"
)

// receipt is the last page: where the caller has been, and what it cost.
type receipt struct{ *desk }

func (r *receipt) field() *minitel.Field { return nil }

// Key is for a page that answers none: the line is closed.
func (r *receipt) Key(*minitel.Terminal, minitel.Key) {}

const receiptRows = 14 // visits shown

func (r *receipt) Draw(t *minitel.Terminal) {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	t.At(2, 4).Attr(videotex.DoubleHeight).Text("Merci de votre visite")
	row := 4
	past, more := r.v.past, r.v.more
	if n := len(past) - receiptRows; n > 0 {
		past, more = past[n:], more+n
	}
	if more > 0 {
		row++
		t.At(row, 4).Text(plural(more, "visite") + " avant celles-ci")
	}
	for _, v := range past {
		row++
		t.At(row, 4).Attr(videotex.Green).Text(fmt.Sprintf("%-14.14s", v.name)).Attr(videotex.White).
			Text(spread(duration(v.lasted()), v.price(), 22))
	}
	if len(past) > 0 {
		t.At(row+2, 4).Attr(videotex.Yellow).Text(spread("Total", r.v.total.String(), 36))
	}
	t.At(23, 4).Text("Au revoir")
	t.HideCursor()
}
