package portal

import (
	"fmt"

	"moip/minitel"
	"moip/videotex"
)

// guide tells how the portal works.
type guide struct {
	*desk
	back page
}

func (g *guide) field() *minitel.Field { return nil }

var howto = []struct{ key, text string }{
	{"Envoi", "demande le service tapé,\nou le numéro choisi"},
	{"Suite", "données pour le service ;\npage suivante"},
	{"Retour", "revient à la page d'avant"},
	{"Répétition", "affiche la page à nouveau"},
	{"Correction", "efface une lettre"},
	{"Annulation", "efface toute la ligne"},
	{"Sommaire", "montre ou cache le coût"},
	{"Cx/Fin", "quitte le service ;\nici, termine l'appel"},
}

func (g *guide) Draw(t *minitel.Terminal) {
	title(t, "MODE D'EMPLOI", "")
	t.At(4, 2).Text("Tapez le code d'un service, comme")
	t.At(5, 2).Attr(videotex.Green).Text("SALON").Attr(videotex.White).Text(", puis la touche Envoi.")
	row := 7
	for _, h := range howto {
		key(t, row, 2, h.key)
		for _, line := range wrap(h.text, 25) {
			t.At(row, 15).Text(line)
			row++
		}
	}
	t.At(keysRow, 2).Text("Annuaire")
	key(t, keysRow, 11, "Suite")
	t.At(keysRow, 24).Text("Revenir")
	key(t, keysRow, 32, "Retour")
	t.HideCursor()
}

func (g *guide) Key(t *minitel.Terminal, k minitel.Key) {
	switch k {
	case minitel.Suite, minitel.Envoi:
		g.show(t, newCategories(g.desk))
	case minitel.Retour, minitel.Guide, minitel.Annulation:
		g.show(t, g.back)
	default:
		t.Bell()
	}
}

// categories is the first page of the directory.
type categories struct {
	*desk
	paging
	names []string // "" first, for all
}

func newCategories(d *desk) *categories {
	names := append([]string{""}, d.Book.Directory().Categories()...)
	return &categories{d, newPaging(15, len(names), 4), names}
}

func (c *categories) Draw(t *minitel.Terminal) {
	title(t, "ANNUAIRE DES SERVICES", c.which())
	list := c.Book.Directory()
	for row, i := range c.shown() {
		name := c.names[i]
		if name == "" {
			name = "Tous, par ordre alphabétique"
		}
		numbered(t, 4+row, i+1, videotex.White, name, fmt.Sprint(len(list.In(c.names[i]))))
	}
	choice(t, "mode d'emploi")
	c.number.Draw(t)
}

func (c *categories) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Envoi:
		n, ok := c.chosen(t)
		if !ok {
			c.say(t, "Tapez un numéro de la liste")
			return
		}
		c.show(t, newList(c.desk, c, c.names[n]))
	case c.turn(k):
		c.show(t, c)
	case k == minitel.Retour:
		c.show(t, &guide{c.desk, c.home})
	case k == minitel.Guide:
		c.show(t, &guide{c.desk, c})
	case !c.number.Key(t, k):
		t.Bell()
	}
}
