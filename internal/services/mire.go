package services

import (
	"bytes"
	"fmt"

	"moip/minitel"
	"moip/videotex"
)

// A mire shows test cards, one for each thing that a terminal can do.
type mire struct {
	card     int
	revealed bool // what is masked shows
	loaded   bool // the redefined characters may be used
}

// cards draw the body of each, rows 5 to 22.
var cards = []struct {
	about string
	draw  func(*mire, *minitel.Terminal)
}{
	{"couleurs", (*mire).colors},
	{"attributs", (*mire).attributes},
	{"caractères", (*mire).characters},
	{"mosaïques", (*mire).mosaics},
	{"géométrie", (*mire).geometry},
	{"DRCS", (*mire).redefined},
}

func (m *mire) Draw(t *minitel.Terminal) {
	m.revealed = false
	t.Write([]byte(hide))
	if m.card == 0 && t.Identity() == [3]byte{} {
		t.Identify() // the last card wants to know
	}
	if m.loaded {
		t.Write(define(drawing)).Write(videotex.Page{}.Clear()) // of what some terminals show of it
	}
	card := cards[m.card]
	if m.card != geometryCard {
		title(t, videotex.White, "MIRE", fmt.Sprintf("%s %d/%d", card.about, m.card+1, len(cards)))
		keys(t, "Suite", "", "Retour", "cartes", "Sommaire", "fin")
	}
	card.draw(m, t)
	t.Article("MIRE : ceci est la rangée 00")
}

func (m *mire) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Suite:
		m.turn(t, (m.card+1)%len(cards))
	case k == minitel.Retour && m.card > 0:
		m.turn(t, m.card-1)
	case k == minitel.Guide && m.card == attributesCard:
		m.revealed = !m.revealed
		if m.revealed {
			t.Write([]byte(reveal))
		} else {
			t.Write([]byte(hide))
		}
	case k == minitel.Envoi && m.card == redefinedCard && !m.loaded:
		m.loaded = true
		t.Redraw()
	case k == minitel.Sommaire, k == minitel.Retour, k == minitel.ConnexionFin:
		t.Show(last(hide))
		t.Hangup()
	default:
		others(t, k)
	}
}

func (m *mire) turn(t *minitel.Terminal, card int) {
	m.card, m.loaded = card, false
	t.Redraw()
}

const (
	attributesCard = 1
	geometryCard   = 4
	redefinedCard  = 5
)

// Attributes beside those that package videotex names (2-2-1-2-6-2). Outside
// mosaics they are, as a background is, for the zone that the next space starts.
const (
	masked  = 0x58
	unlined = 0x59
	lined   = 0x5A // separated, for mosaics
)

// What hides and what shows that which is masked, on the whole screen
// (2-2-1-2-4-4).
const (
	hide   = "\x1b\x23\x20\x58"
	reveal = "\x1b\x23\x20\x5F"
)

// scale is the order of the colours by their grey on a Minitel without any.
var scale = [...]byte{videotex.Black, videotex.Blue, videotex.Red, videotex.Magenta,
	videotex.Green, videotex.Cyan, videotex.Yellow, videotex.White}

var colorNames = map[byte]string{
	videotex.Black: "noir", videotex.Blue: "bleu", videotex.Red: "roug", videotex.Magenta: "mage",
	videotex.Green: "vert", videotex.Cyan: "cyan", videotex.Yellow: "jaun", videotex.White: "blan",
}

// colors shows bars, then each colour as ink and as background.
func (m *mire) colors(t *minitel.Terminal) {
	t.At(5, 1).Write([]byte{videotex.SO})
	for range 8 {
		for _, c := range scale {
			t.Attr(c).Repeat(0x7F, 5)
		}
	}
	m.stairs(t)
	t.At(17, 1).Text("encre")
	t.At(18, 1)
	for _, c := range scale {
		t.Attr(c).Text(" " + colorNames[c])
	}
	t.At(20, 1).Text("fond")
	t.At(21, 1)
	for i, c := range scale {
		ink := byte(videotex.White)
		if i >= 4 {
			ink = videotex.Black
		}
		t.Attr(ink, videotex.Background+c).Text(" " + colorNames[c])
	}
}

// stairs goes through the greys again, the other way and in halves of cells, so
// that each meets its neighbours.
func (m *mire) stairs(t *minitel.Terminal) {
	t.At(14, 1).Write([]byte{videotex.SO})
	for range 2 {
		for i, c := range scale {
			t.Attr(c, videotex.Background+scale[len(scale)-1-i]).Repeat(0x35, 5) // the left half
		}
	}
}

// attributes shows what text may have.
func (m *mire) attributes(t *minitel.Terminal) {
	t.At(5, 2).Text("normal  ").Attr(videotex.Flash).Text("clignotant").
		Attr(videotex.Steady).Text("  ").Attr(videotex.Inverse).Text(" inversé ").
		Attr(videotex.Flash).Text(" les 2 ")
	t.At(7, 2).Text("un").Attr(lined).Text(" mot souligné").Attr(unlined).Text(" puis un autre")
	t.At(9, 2).Text("double").Attr(videotex.DoubleHeight).Text(" hauteur ").
		Attr(videotex.DoubleWidth).Text("largeur")
	t.At(12, 2).Attr(videotex.DoubleSize).Text("taille ").Attr(videotex.Inverse, videotex.Flash).Text("double")
	t.At(14, 2).Attr(videotex.Cyan, lined, videotex.DoubleHeight).Text(" souligné double")
	t.At(16, 2).Attr(videotex.Yellow, videotex.Background+videotex.Blue).Text(" jaune sur bleu").
		Attr(videotex.Background + videotex.Black).Text(" ").
		Attr(videotex.Inverse).Text(" jaune inversé ")
	t.At(18, 2).Text("masqué :").Attr(masked).Text(" lisible si l'on démasque")
	t.At(20, 2).Text("Masquer ou démasquer  ").Attr(videotex.Inverse).Text(" Guide ")
}

// characters shows the sets G0 and G2, of which the second has accents.
func (m *mire) characters(t *minitel.Terminal) {
	t.At(5, 2).Attr(videotex.Yellow).Text("G0")
	for i := range 3 {
		var row []byte
		for c := byte(0x20 + i*0x20); c < byte(0x40+i*0x20); c++ {
			row = append(row, c)
		}
		t.At(6+i, 5).Write(row)
	}
	t.At(10, 2).Attr(videotex.Yellow).Text("G2")
	t.At(11, 5).Text("à è ù  é  â ê î ô û  ä ë ï ö ü  ç")
	t.At(13, 5).Text("£ § ° ± ÷  ¼ ½ ¾  ← ↑ → ↓  Œ œ ß")
	t.At(16, 5).Attr(videotex.DoubleSize).Text("à é ï ô ü ç")
	t.At(19, 2).Text("À Noël déjà, où l'île reçoit la forêt,")
	t.At(20, 2).Text("le maïs mûr côtoie l'ambiguë ciguë.")
}

// mosaics shows the set G1, contiguous and separated, and in colour.
func (m *mire) mosaics(t *minitel.Terminal) {
	m.set(t, 5, "jointives")
	m.set(t, 11, "disjointes", lined)
	m.set(t, 17, "colorées", videotex.Yellow, videotex.Background+videotex.Blue, lined)
}

// set shows all 64 mosaics with attributes, below their name.
func (m *mire) set(t *minitel.Terminal, row int, name string, attributes ...byte) {
	t.At(row, 2).Attr(videotex.Yellow).Text(name)
	for i := range 4 {
		t.At(row+1+i, 5).Write([]byte{videotex.SO}).Attr(attributes...)
		for blocks := byte(16 * i); blocks < byte(16*i+16); blocks++ {
			t.Write([]byte{videotex.Mosaic(blocks), 0x20})
		}
	}
}

// geometry shows the edges of the page, and a grid for the tube.
func (m *mire) geometry(t *minitel.Terminal) {
	const left, right, top, bottom, between = 0x35, 0x6A, 0x23, 0x70, 7
	t.At(1, 1).Write([]byte{videotex.SO})
	for row := range 24 { // each ends where the next begins
		edge := byte(' ')
		switch {
		case row%4 == 0:
			edge = top
		case row == 23:
			edge = bottom
		}
		for range 4 {
			t.Write([]byte{left | edge}).Repeat(edge, between)
		}
		t.Write([]byte{left | edge}).Repeat(edge, between-1).Write([]byte{right | edge})
	}
	t.At(12, 12).Attr(videotex.Inverse, videotex.DoubleHeight).Text(" Suite ou Retour ")
}

// redefined shows characters of our own, if the caller wants them: a terminal
// that has none shows their definitions as text.
func (m *mire) redefined(t *minitel.Terminal) {
	if !m.loaded {
		m.warn(t)
		return
	}
	t.At(5, 2).Text("Ce dessin est fait de 8 caractères.")
	for i, row := range []string{"ABCD", "EFGH"} {
		t.At(7+i, 18).Attr(videotex.Yellow).Write(redefinedText(row))
	}
	t.At(13, 14).Attr(videotex.Cyan, videotex.DoubleSize).Write(redefinedText("ABCD"))
	t.At(15, 14).Attr(videotex.Cyan, videotex.DoubleSize).Write(redefinedText("EFGH"))
	t.At(18, 2).Text("Si vous lisez ABCD et EFGH, ce")
	t.At(19, 2).Text("terminal n'a pas de DRCS.")
}

func (m *mire) warn(t *minitel.Terminal) {
	t.At(6, 2).Text("Caractères redéfinissables (DRCS) :")
	t.At(7, 2).Text("les Minitel 2, 5 et 12 en ont, et les")
	t.At(8, 2).Text("émulateurs. Un Minitel 1B n'en a pas,")
	t.At(9, 2).Text("et affiche un instant n'importe quoi.")
	t.At(16, 2).Text("Les charger  ").Attr(videotex.Inverse).Text(" Envoi ")
	m.Notice(t)
}

// Notice tells the caller what to expect, once the terminal has told who it is.
func (m *mire) Notice(t *minitel.Terminal) {
	name := videotex.TerminalName(t.Identity())
	if name == "" || m.card != redefinedCard || m.loaded {
		return
	}
	has := " n'en a pas."
	if bytes.IndexByte([]byte("gpvyz"), t.Identity()[1]) >= 0 {
		has = " en a."
	}
	t.Line(12, 2, "Le vôtre : "+minitel.Fit(name, 26)).Line(13, 2, "En principe, il"+has)
}

// drawing is a Minitel, 32 by 20 points: the characters A to D over E to H.
var drawing = [20]uint32{
	0x03FFFFC0, 0x04000020, 0x08000010, 0x09FFFF90, 0x09000090,
	0x09554A90, 0x09000090, 0x094AA490, 0x09000090, 0x09552890,
	0x09000090, 0x09FFFF90, 0x08000010, 0x04000020, 0x03FFFFC0,
	0x0C000030, 0x12AAAA48, 0x25555524, 0x4AAAAA92, 0xFFFFFFFF,
}

// define returns the definition of eight characters of the set G'0, from A on:
// a header, then fourteen bytes each, of six points. The cursor has to be sent
// to the page again, else the load would go on.
func define(rows [20]uint32) []byte {
	p := []byte("\x1f\x23\x20\x20\x20\x42\x49\x1f\x23A\x30")
	for i := range 8 {
		var character [10]byte
		for y := range character {
			character[y] = byte(rows[i/4*10+y] >> (24 - i%4*8))
		}
		p = append(append(p, sixes(character)...), 0x30)
	}
	return append(p, videotex.US, 0x41, 0x41)
}

// sixes divides the 80 points of a character into fourteen bytes of six.
func sixes(character [10]byte) (p []byte) {
	bits, n := uint(0), 0
	for _, b := range character {
		bits, n = bits<<8|uint(b), n+8
		for ; n >= 6; n -= 6 {
			p = append(p, 0x40|byte(bits>>(n-6))&0x3F)
		}
	}
	return append(p, 0x40|byte(bits<<(6-n))&0x3F)
}

// redefinedText selects G'0 for text, and G0 again, which no page would expect
// to have lost.
func redefinedText(text string) []byte {
	return []byte("\x1b\x28\x20\x42" + text + "\x1b\x28\x40")
}
