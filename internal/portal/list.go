package portal

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"moip/internal/directory"
	"moip/minitel"
	"moip/videotex"
)

// list is a page of the directory.
type list struct {
	*desk
	back     page
	category string
	services []directory.Service
	number   minitel.Field
	first    int
}

const listed = 8 // services on a page, of two rows each

func newList(d *desk, back page, category string) *list {
	return &list{
		desk: d, back: back, category: category, services: d.Book.Directory().In(category),
		number: minitel.Field{Row: 21, Column: 30, Length: 5},
	}
}

func (l *list) field() *minitel.Field { return &l.number }

func (l *list) Draw(t *minitel.Terminal) {
	name := l.category
	if name == "" {
		name = "TOUS LES SERVICES"
	}
	title(t, name, pages(l.first, listed, len(l.services)))
	for i := l.first; i < min(l.first+listed, len(l.services)); i++ {
		l.entry(t, 4+2*(i-l.first), i)
	}
	if len(l.services) == 0 {
		t.At(4, 2).Text("Aucun service en ce moment")
	}
	choice(t, "fiche N°")
	l.number.Draw(t)
}

// entry shows the service i on two rows.
func (l *list) entry(t *minitel.Terminal, row, i int) {
	s := l.services[i]
	numbered(t, row, i+1, videotex.Green, s.Name, price(s.Tariff, 32-len(s.Name)))
	state, color := l.condition(s)
	width := minitel.Width(state)
	t.At(row+1, 6).Text(minitel.Fit(s.Title, 33-width)).At(row+1, 40-width).Attr(color).Text(state)
}

func (l *list) Key(t *minitel.Terminal, k minitel.Key) {
	switch k {
	case minitel.Envoi, minitel.Guide:
		n, ok := chosen(t, &l.number, len(l.services))
		switch {
		case !ok && k == minitel.Guide && l.number.String() == "":
			l.show(t, &guide{l.desk, l})
		case !ok:
			l.say(t, "Tapez un numéro de la liste")
		case k == minitel.Guide:
			l.show(t, &sheet{l.desk, l, l.services[n]})
		default:
			l.connect(t, l.services[n].Name, "")
		}
	case minitel.Suite:
		l.turn(t, l.first+listed)
	case minitel.Retour:
		if l.first == 0 {
			l.show(t, l.back)
		} else {
			l.turn(t, l.first-listed)
		}
	default:
		l.number.Key(t, k)
	}
}

func (l *list) turn(t *minitel.Terminal, first int) {
	if first >= len(l.services) {
		t.Bell()
		return
	}
	l.first = first
	l.show(t, l)
}

// sheet tells all about a service.
type sheet struct {
	*desk
	back    page
	service directory.Service
}

const stateRow = 20

func (s *sheet) field() *minitel.Field { return nil }

func (s *sheet) Draw(t *minitel.Terminal) {
	title(t, s.service.Name, s.service.Category)
	t.At(4, 2).Attr(videotex.DoubleHeight).Text(s.service.Title)
	row := stateRow
	for _, line := range slices.Backward(prices(s.service.Tariff, 30)) {
		row--
		t.At(row, 10).Attr(videotex.Yellow).Text(line)
	}
	t.At(row, 2).Text("Tarif :")
	for i, line := range wrap(s.service.Description, 38) {
		if 6+i < row {
			t.At(6+i, 2).Text(line)
		}
	}
	state, color := s.condition(s.service)
	if state == unknown {
		state = "inconnu"
	}
	t.At(stateRow, 2).Text("État  : ").Attr(color).Text(state)
	if s.service.Unverified {
		t.At(stateRow+1, 2).Attr(videotex.Magenta).Text("Service non vérifié")
	}
	t.At(keysRow, 2).Text("Connexion")
	key(t, keysRow, 12, "Envoi")
	t.At(keysRow, 23).Text("Liste")
	key(t, keysRow, 29, "Retour")
	t.HideCursor()
}

func (s *sheet) Key(t *minitel.Terminal, k minitel.Key) {
	switch k {
	case minitel.Envoi:
		s.connect(t, s.service.Name, "")
	case minitel.Retour, minitel.Annulation, minitel.Guide:
		s.show(t, s.back)
	default:
		t.Bell()
	}
}

// unknown is the state of a service that nobody has tried.
const unknown = "?"

// condition tells how a service was when it was last tried, and in which
// colour.
func (d *desk) condition(s directory.Service) (string, byte) {
	switch state := d.Book.State(s.Name); {
	case directory.IsInside(s.Route), state.Known && state.Up:
		return "ouvert", videotex.Green
	case state.Known:
		return "fermé " + since(state.Since), videotex.Red
	}
	return unknown, videotex.Blue
}

// since writes a moment that is past in at most 5 columns.
func since(at time.Time) string {
	if at = at.Local(); time.Since(at) < 20*time.Hour {
		return at.Format("15h04")
	}
	return at.Format("02/01")
}

// choice asks for a number of a list, and names the keys.
func choice(t *minitel.Terminal, guide string) {
	t.At(21, 2).Text("Tapez un numéro, et Envoi :")
	key(t, keysRow, 2, "Suite")
	key(t, keysRow, 10, "Retour")
	at := 39 - minitel.Width(guide)
	key(t, keysRow, at-8, "Guide")
	t.At(keysRow, at).Text(guide)
}

// chosen reads the number of one of n, counted from 1 on the page and from 0
// here, and clears the field.
func chosen(t *minitel.Terminal, f *minitel.Field, n int) (int, bool) {
	i, err := strconv.Atoi(f.String())
	if err != nil || i < 1 || i > n {
		return 0, false
	}
	f.Key(t, minitel.Annulation)
	return i - 1, true
}

// pages tells which page of a list is shown.
func pages(first, each, n int) string {
	return fmt.Sprintf("%d/%d", first/each+1, max(1, (n+each-1)/each))
}
