package portal

import (
	"strings"

	"moip/minitel"
	"moip/videotex"
)

// home is the first page: the field for a service's code.
type home struct {
	*desk
	code, data minitel.Field
	open       bool // the field for complementary data is there
	inData     bool // and has the cursor
}

const (
	codeRow   = 11
	dataRow   = 13
	keysFrom  = 15 // the row of the first key explained
	callerRow = 19
)

func newHome(d *desk) *home {
	return &home{
		desk: d,
		code: minitel.Field{Row: codeRow, Column: 13, Length: 20, Capitals: true},
		data: minitel.Field{Row: dataRow, Column: 13, Length: 20},
	}
}

func (h *home) field() *minitel.Field {
	if h.inData {
		return &h.data
	}
	return &h.code
}

// picture is drawn on the banner, two by three blocks a character.
var picture = []string{
	"..##########..",
	".#..........#.",
	".#.########.#.",
	".#.########.#.",
	".#.########.#.",
	".#.########.#.",
	".#..........#.",
	"..##########..",
	".############.",
	".#.#.#.#.#.#.#",
	"#.#.#.#.#.#.##",
	"##############",
}

// banner is the head of the page: a Minitel on blue.
var banner = func() videotex.Page {
	p := videotex.Page{}
	for row := 1; row <= 6; row++ {
		p = p.At(row, 1).Attr(videotex.Background+videotex.Blue).Repeat(' ', 40)
	}
	p = p.At(3, 3).Attr(videotex.White, videotex.DoubleSize).Text("Télétel")
	for y := 0; y < len(picture); y += 3 {
		p = append(p.At(2+y/3, 33), videotex.SO)
		p = p.Attr(videotex.Background + videotex.Blue)
		for x := 0; x < len(picture[y]); x += 2 {
			p = append(p, mosaic(picture[y:y+3], x))
		}
	}
	return p
}()

// mosaic is the character that shows two columns of three rows of blocks, from x
// on.
func mosaic(rows []string, x int) byte {
	var blocks byte
	for i := range 6 {
		if rows[i/2][x+i%2] == '#' {
			blocks |= 1 << i
		}
	}
	return videotex.Mosaic(blocks)
}

func (h *home) Draw(t *minitel.Terminal) {
	services := len(h.Book.Directory().Services())
	t.Write(banner).At(5, 3).Attr(videotex.Cyan).Text(minitel.Fit("Minitel sur IP, "+plural(services, "service"), 30))
	t.At(9, 2).Text("Tapez le code d'un service")
	t.At(codeRow, 2).Attr(videotex.Yellow).Text("Service :")
	key(t, codeRow, 34, "Envoi")
	for i, line := range []struct{ what, key string }{
		{"Mode d'emploi, annuaire", "Guide"},
		{"Données complémentaires", "Suite"},
		{"Voir ou cacher le coût", "Sommaire"},
		{"Quitter", "Connexion/Fin"},
	} {
		t.At(keysFrom+i, 2).Text(line.what)
		key(t, keysFrom+i, 26, line.key)
	}
	h.drawCaller(t)
	if h.open {
		h.drawData(t)
	}
	h.code.Draw(t)
	if h.inData {
		h.data.Focus(t)
	}
	if t.Identity() == [3]byte{} {
		t.Identify()
	}
}

func (h *home) drawData(t *minitel.Terminal) {
	t.At(dataRow, 2).Attr(videotex.Yellow).Text("Données :")
	h.data.Draw(t)
}

// drawCaller shows who calls and by what.
func (h *home) drawCaller(t *minitel.Terminal) {
	h.v.mu.Lock()
	who, linked := h.v.caller, h.v.linked
	h.v.mu.Unlock()
	link := "Passerelle en liaison"
	if !linked {
		link = "Sans passerelle : services locaux"
	}
	name, from := videotex.TerminalName(t.Identity()), address(who)
	if both := name + ", " + from; name != "" && from != "" && minitel.Width(both) <= 38 {
		name, from = "", both
	}
	for i, fact := range []string{name, from, link} {
		t.Line(callerRow+i, 2, "").Attr(videotex.Cyan).Text(minitel.Fit(fact, 39))
	}
}

// refresh shows anew what may have become known.
func (h *home) refresh(t *minitel.Terminal) {
	if h.page == page(h) && t.IsDrawn() {
		h.drawCaller(t)
		h.field().Focus(t)
	}
}

func (h *home) Key(t *minitel.Terminal, k minitel.Key) {
	switch k {
	case minitel.Envoi:
		h.send(t)
	case minitel.Guide:
		h.show(t, &guide{h.desk, h})
	case minitel.Suite:
		if !h.open {
			h.open = true
			h.drawData(t)
		}
		h.enter(t, true)
	case minitel.Retour:
		if !h.inData {
			t.Bell()
		}
		h.enter(t, false)
	default:
		h.field().Key(t, k)
	}
}

// enter puts the cursor in one of the two fields.
func (h *home) enter(t *minitel.Terminal, data bool) {
	h.inData = data
	h.field().Focus(t)
}

// send looks up the code typed and connects.
func (h *home) send(t *minitel.Terminal) {
	code := strings.TrimSpace(h.code.String())
	if code == "" {
		h.inData = false
		h.say(t, "Tapez le code d'un service, puis Envoi", "Guide : la liste des services")
		return
	}
	s, ok := h.Book.Directory().Lookup(code)
	if !ok {
		h.inData = false
		h.unheard(t, code)
		return
	}
	h.connect(t, s.Name, strings.TrimSpace(h.data.String()))
}

// clear empties the page for the next service.
func (h *home) clear() {
	h.code.Clear()
	h.data.Clear()
	h.open, h.inData = false, false
}
