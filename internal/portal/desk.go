package portal

import (
	"errors"
	"strings"
	"time"

	"moip/internal/directory"
	"moip/internal/session"
	"moip/minitel"
)

// A page is one of the portal's. Its Draw leaves the cursor in its field.
type page interface {
	minitel.Page
	field() *minitel.Field // nil for none
}

// A desk serves one caller: it shows the portal's pages, puts the caller through
// to services and writes what they cost on row 00. As all pages it has the keys
// in common.
type desk struct {
	*Portal
	call session.ID
	v    *visitor

	page    page
	home    *home
	message [2]string     // on rows 22 and 23
	hidden  bool          // the caller does not want to see the cost
	bill    string        // on row 00
	held    []minitel.Key // typed after an order, and not yet anybody's
}

const (
	messageRow = 22
	keysRow    = 24
	row00      = 32              // columns; behind them it is shown that a call is recorded (session), and then what is the terminal's
	billEvery  = 5 * time.Second // the cost is shown anew, if it has changed
	maxHeld    = 256
)

func newDesk(p *Portal, call session.ID, v *visitor) *desk {
	d := &desk{Portal: p, call: call, v: v}
	d.home = newHome(d)
	d.page = d.home
	return d
}

func (d *desk) Draw(t *minitel.Terminal) {
	for i, text := range d.message {
		if text != "" {
			t.At(messageRow+i, 2).Text(minitel.Fit(text, 38))
		}
	}
	d.page.Draw(t)
}

func (d *desk) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case d.v.isAway():
		// The gateway had not yet obeyed when this was typed. It is for the
		// service, which the portal cannot reach; or, if that fails, for us.
		if len(d.held) < maxHeld {
			d.held = append(d.held, k)
		}
	case k == minitel.ConnexionFin:
		d.show(t, &receipt{d})
		t.Hangup()
	case k == minitel.Sommaire:
		d.hidden = d.bill != ""
		d.showTotal(t)
	case k == minitel.Repetition:
		t.Redraw()
	default:
		d.page.Key(t, k)
	}
}

// Notice learns what has happened to the call.
func (d *desk) Notice(t *minitel.Terminal) {
	d.v.identify(t.Identity())
	d.v.mu.Lock()
	away, back, ask := d.v.away, d.v.back, d.v.ask
	var ended visit
	if d.v.visit != nil {
		ended = *d.v.visit
	}
	d.v.back, d.v.ask = false, false
	d.v.mu.Unlock()
	if ask {
		t.Identify()
	}
	switch {
	case away && ended.reached():
		d.held = nil
		d.charge(t, &ended)
	case away:
	case back:
		d.welcomeBack(t, &ended)
	default:
		d.home.refresh(t)
	}
}

// charge shows what the visit under way costs.
func (d *desk) charge(t *minitel.Terminal, v *visit) {
	cost := v.tariff.Cost(time.Since(v.from)).Format(v.tariff.Currency)
	if v.tariff.IsFree() {
		cost = "gratuit"
	} else {
		t.Alarm(billEvery)
	}
	bill := spread(strings.TrimSpace(v.name+"  "+v.tariff.Palier), cost, row00)
	if !d.hidden && bill != d.bill {
		d.article(t, bill)
	}
}

// article shows the bill on row 00.
func (d *desk) article(t *minitel.Terminal, bill string) {
	d.bill = bill
	t.Article(bill)
}

// showTotal shows, or hides, what the call has cost, whatever others have written
// there.
func (d *desk) showTotal(t *minitel.Terminal) {
	if d.hidden {
		d.article(t, "")
		return
	}
	what, total := "Coût de l'appel", d.total()
	if minitel.Width(what+" "+total) > row00 {
		what = "Coût"
	}
	if minitel.Width(what+" "+total) > row00 {
		total = "en plusieurs monnaies"
	}
	d.article(t, spread(what, total, row00))
}

func (d *desk) total() string {
	d.v.mu.Lock()
	defer d.v.mu.Unlock()
	return d.v.total.String()
}

// welcomeBack draws the page that the caller left, with how the visit ended.
func (d *desk) welcomeBack(t *minitel.Terminal, v *visit) {
	t.Alarm(0)
	d.home.clear()
	d.message = [2]string{of(v.name, " : "+ending[v.reason])}
	if v.reached() {
		d.message[1] = "Durée " + duration(v.lasted()) + ", " + v.price("coût ")
	}
	d.showTotal(t)
	t.Redraw()
	held := d.held
	d.held = nil
	for _, k := range held {
		d.Key(t, k)
	}
}

// price is what the visit has cost, behind a word for that unless it is free.
func (v *visit) price(cost string) string {
	if v.tariff.IsFree() {
		return "gratuit"
	}
	return cost + v.cost.Format(v.tariff.Currency)
}

// show goes to a page of the portal.
func (d *desk) show(t *minitel.Terminal, p page) {
	d.page, d.message = p, [2]string{}
	t.Redraw()
}

// say shows a message of one or two lines on the page.
func (d *desk) say(t *minitel.Terminal, lines ...string) {
	d.message = [2]string{}
	copy(d.message[:], lines)
	if !t.IsDrawn() {
		return
	}
	for i, text := range d.message {
		t.Line(messageRow+i, 2, minitel.Fit(text, 38))
	}
	if f := d.page.field(); f != nil {
		f.Focus(t)
	}
}

// connect puts the caller through to the service of that name, if it is still
// there: the page that lists it may be old.
func (d *desk) connect(t *minitel.Terminal, name, data string) {
	s, ok := d.Book.Directory().Lookup(name)
	if !ok {
		d.say(t, of(name, " a quitté l'annuaire"))
		return
	}
	route, err := s.With(data)
	switch {
	case errors.Is(err, directory.ErrNoData):
		d.say(t, of(s.Name, " ne prend pas de données"))
		return
	case err != nil:
		d.say(t, of(s.Name, " ne prend pas ces données"))
		return
	case !d.reaches(s):
		d.say(t, "Sans passerelle, pas de connexion", "à "+s.Name)
		return
	}
	d.say(t, "Connexion à "+s.Name+"...", price(s.Tariff, 38))
	d.held = nil
	if err := d.Board.Redirect(d.call, route); err != nil {
		d.Log.Warn("portal: redirection refused", "call", d.call, "to", s.Name, "error", err)
		d.say(t, of(s.Name, " : connexion impossible"), "Réessayez dans un instant")
	}
}

// reaches reports whether the caller can be put through to s.
func (d *desk) reaches(s directory.Service) bool {
	d.v.mu.Lock()
	defer d.v.mu.Unlock()
	return d.v.linked || directory.IsInside(s.Route)
}

// ending tells how a visit ended.
var ending = map[session.Reason]string{
	session.ReasonFin:       "visite terminée",
	session.ReasonRecalled:  "retour demandé",
	session.ReasonClosed:    "le service a raccroché",
	session.ReasonLost:      "liaison rompue",
	session.ReasonRefused:   "service inaccessible",
	session.ReasonTimeout:   "pas de réponse",
	session.ReasonForbidden: "service non autorisé",
	session.ReasonStalled:   "le service est bloqué",
	session.ReasonVisit:     "durée maximale atteinte",
}

// unheard tells that there is no service of that code, and which there are.
func (d *desk) unheard(t *minitel.Terminal, code string) {
	guess := ""
	for near := d.Book.Directory().Near(code); len(near) > 0; near = near[:len(near)-1] {
		guess = "Peut-être " + strings.Join(near, ", ") + " ?"
		if minitel.Width(guess) <= 38 {
			break
		}
	}
	d.say(t, "Service inconnu : "+code, guess)
}
