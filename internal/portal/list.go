package portal

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"moip/internal/directory"
	"moip/minitel"
	"moip/videotex"
)

// A paging is what lists have in common: they are shown page by page, and an entry
// is chosen by its number.
type paging struct {
	number minitel.Field
	first  int // entry on the page
	each   int // entries on a page
	n      int // entries
}

// newPaging shows n entries, each on a page, and takes numbers of so many digits.
func newPaging(each, n, digits int) paging {
	return paging{number: minitel.Field{Row: 21, Column: 30, Length: digits}, each: each, n: n}
}

func (p *paging) field() *minitel.Field { return &p.number }

// shown returns the entries on the page, by their places on it.
func (p *paging) shown() iter.Seq2[int, int] {
	return func(yield func(place, entry int) bool) {
		for i := p.first; i < min(p.first+p.each, p.n) && yield(i-p.first, i); i++ {
		}
	}
}

// turn obeys Suite and Retour. It reports false if there is no such page, or k is
// another key.
func (p *paging) turn(k minitel.Key) bool {
	switch {
	case k == minitel.Suite && p.first+p.each < p.n:
		p.first += p.each
	case k == minitel.Retour && p.first > 0:
		p.first -= p.each
	default:
		return false
	}
	return true
}

// chosen reads the number typed, counted from 1 on the page and from 0 here, and
// clears the field.
func (p *paging) chosen(t *minitel.Terminal) (int, bool) {
	i, err := strconv.Atoi(p.number.String())
	if err != nil || i < 1 || i > p.n {
		return 0, false
	}
	p.number.Key(t, minitel.Annulation)
	return i - 1, true
}

// which tells which page is shown, and of how many.
func (p *paging) which() string {
	return fmt.Sprintf("%d/%d", p.first/p.each+1, max(1, (p.n+p.each-1)/p.each))
}

// list is a page of the directory.
type list struct {
	*desk
	paging
	back     page
	category string
	services []directory.Service
}

func newList(d *desk, back page, category string) *list {
	services := d.Book.Directory().In(category)
	return &list{d, newPaging(8, len(services), 5), back, category, services}
}

func (l *list) Draw(t *minitel.Terminal) {
	name := l.category
	if name == "" {
		name = "TOUS LES SERVICES"
	}
	title(t, name, l.which())
	for place, i := range l.shown() {
		l.entry(t, 4+2*place, i)
	}
	if l.n == 0 {
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
	switch {
	case k == minitel.Envoi, k == minitel.Guide:
		n, ok := l.chosen(t)
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
	case l.turn(k):
		l.show(t, l)
	case k == minitel.Retour:
		l.show(t, l.back)
	case !l.number.Key(t, k):
		t.Bell()
	}
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
