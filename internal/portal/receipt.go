package portal

import (
	"fmt"
	"strings"

	"moip/minitel"
	"moip/videotex"
)

// receipt is the last page: where the caller has been, and what it cost.
type receipt struct{ *desk }

func (r *receipt) field() *minitel.Field { return nil }

// Key is for a page that answers none: the line is closed.
func (r *receipt) Key(*minitel.Terminal, minitel.Key) {}

const receiptRows = 16 // visits and totals shown

func (r *receipt) Draw(t *minitel.Terminal) {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	t.At(2, 2).Attr(videotex.DoubleHeight).Text("Merci de votre visite")
	row := 4
	totals := []string{r.v.total.String()}
	if minitel.Width(totals[0]) > 30 { // one row for each currency
		totals = strings.Split(totals[0], " + ")
		totals = totals[:min(len(totals), receiptRows/2)]
	}
	past, more := r.v.past, r.v.more
	if n := len(past) + len(totals) - receiptRows; n > 0 {
		past, more = past[n:], more+n
	}
	if more > 0 {
		row++
		t.At(row, 2).Text(plural(more, "visite") + " avant celles-ci")
	}
	for _, v := range past {
		row++
		t.At(row, 2).Text(spread(v.name, fmt.Sprintf("%s %11s", duration(v.lasted()), v.price("")), 38))
	}
	if len(past) > 0 {
		row += 2
		t.At(row, 2).Attr(videotex.Yellow).Text("Total")
		for i, total := range totals {
			t.At(row+i, 10).Attr(videotex.Yellow).Text(spread("", total, 30))
		}
	}
	t.At(23, 2).Text("Au revoir")
	t.HideCursor()
}
