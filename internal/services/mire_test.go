package services

import (
	"strings"
	"testing"

	"moip/videotex"
)

func TestCards(t *testing.T) {
	visits(t, Options{}, "mire", func(c *caller) {
		for i, card := range []struct {
			name string
			most int
		}{{"couleurs", 750}, {"attributs", 550}, {"caracteres", 500}, {"mosaiques", 700}, {"geometrie", 600}, {"drcs", 450}} {
			if i > 0 {
				c.types("<Suite>")
			}
			n := c.sent()
			t.Logf("%s: %d bytes", card.name, n)
			if n > card.most {
				t.Errorf("%s has %d bytes", card.name, n)
			}
			c.golden("mire-" + card.name)
		}
		c.types("<Suite>")
		c.shows("couleurs 1/6")
	})
}

// The redefined characters are loaded only if the caller asks for it, and leave
// nothing behind.
func TestRedefined(t *testing.T) {
	visits(t, Options{}, "mire", func(c *caller) {
		c.types("<Suite><Suite><Suite><Suite><Suite>")
		c.shows("Le vôtre : Minitel 1B Telic-Alcatel", "il n'en a pas.")
		c.end.Send([]byte("\x01Bv9\x04"))
		c.types("<Correction>")
		c.shows("Le vôtre : Minitel 2 Philips", "il en a.")
		if c.screen.Glyph(videotex.Drcs0, 'A') != (videotex.Glyph{}) {
			t.Error("they are loaded before Envoi")
		}
		c.types("<Envoi>")
		c.golden("mire-drcs-2")
		for i, cell := range []struct{ row, column int }{{7, 18}, {7, 21}, {8, 18}, {8, 21}} {
			if c := c.screen.Cell(cell.row, cell.column); c.Set != videotex.Drcs0 {
				t.Errorf("%d: %+v", i, c)
			}
		}
		var got strings.Builder
		for _, row := range []string{"ABCD", "EFGH"} {
			for y := range 10 {
				for _, code := range []byte(row) {
					for bit := byte(0x80); bit > 0; bit >>= 1 {
						got.WriteByte(" #"[btoi(c.screen.Glyph(videotex.Drcs0, code)[y]&bit != 0)])
					}
				}
				got.WriteByte('\n')
			}
		}
		want := ""
		for _, row := range drawing {
			for bit := 31; bit >= 0; bit-- {
				want += " #"[row>>bit&1 : row>>bit&1+1]
			}
			want += "\n"
		}
		if got.String() != want {
			t.Errorf("the drawing is\n%s", &got)
		}
		c.types("<Suite>")
		c.golden("mire-couleurs")
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestMasked(t *testing.T) {
	visits(t, Options{}, "mire", func(c *caller) {
		c.types("<Suite>")
		if strings.Contains(c.screen.String(), "lisible") {
			t.Error("what is masked shows")
		}
		c.types("<Guide>")
		c.shows("lisible si l'on démasque")
		c.types("<Guide>")
		if c.screen.Revealed() {
			t.Error("still revealed")
		}
	})
}
