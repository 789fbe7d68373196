package portal_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/directory"
	"moip/internal/portal"
	"moip/internal/session"
	"moip/videotex"
)

// wide is a directory of texts as wide as they may be, and prices as high.
var wide = func() string {
	var s strings.Builder
	for i, currency := range []string{"€", "F", "ABCD", "USD"} {
		fmt.Fprintf(&s, `
[[service]]
code = "ABCDEFGHIJKLMNOPQRS%[1]d"
title = "Où l'été s'achève : 12 € et l'œuvre"
category = "Ans %[1]d à l'été, 9 €"
description = "%[2]s"
url = "tcp://x.example:1"
palier = "PALIER AUX LETTRES %[1]d"
[palier."PALIER AUX LETTRES %[1]d"]
connection = 999.9999
minute = 999.9999
free = "23h59m59s"
currency = "%[3]s"
`, i, strings.Repeat("œ€", 20)+strings.Repeat(" mot", 90), currency)
	}
	s.WriteString("[[service]]\ncode = 'MAGIS'\ntitle = 'Magis'\nurl = 'tcp://x.example:1'\npalier = '36 11'\n")
	s.WriteString("[[service]]\ncode = 'CHER'\nurl = 'tcp://x.example:1'\ntariff = { connection = 999.9999, minute = 999.9999, free = '23h59m59s' }\n")
	return s.String()
}()

// thousands are as many services as a directory may have beside those.
var thousands = func() string {
	var s strings.Builder
	for i := range 9994 {
		fmt.Fprintf(&s, "[[service]]\ncode = 'S%d'\nurl = 'tcp://x.example:1'\ncategory = 'C'\n", i)
	}
	return s.String()
}()

// A guest is a call that the test makes happen to the portal.
type guest struct {
	*testing.T
	portal *portal.Portal
	file   string // the directory
	book   *directory.Book
	desk   session.Endpoint
	screen *videotex.Screen
	line   strict
	asked  []string // to be put through to
}

// greets opens a portal with the directory, and has somebody call.
func greets(t *testing.T, list string) *guest {
	t.Helper()
	g := &guest{T: t, file: filepath.Join(t.TempDir(), "services.toml"), screen: videotex.NewScreen()}
	g.lists(list)
	book, err := directory.Open(directory.Options{Path: g.file})
	if err != nil {
		t.Fatal(err)
	}
	g.book = book
	g.portal = portal.New(portal.Options{Board: g, Book: book, Log: slog.New(slog.DiscardHandler)})
	g.happens(session.Began, "", "")
	if g.desk, err = g.portal.Dial(context.Background(), 1, session.Route{}); err != nil {
		t.Fatal(err)
	}
	g.sees()
	return g
}

func (g *guest) lists(list string) {
	g.Helper()
	if err := os.WriteFile(g.file, []byte(list), 0o666); err != nil {
		g.Fatal(err)
	}
}

// Redirect refuses.
func (g *guest) Redirect(_ session.ID, r session.Route) error {
	g.asked = append(g.asked, r.Name)
	return session.ErrOver
}

func (g *guest) happens(e session.EventType, service string, why session.Reason) {
	g.portal.Event(session.Event{Call: 1, At: time.Now(), Type: e, Route: session.Route{Name: service}, Reason: why,
		Caller: session.Caller{Transport: "ws", Addr: netip.MustParseAddrPort("[fd12:3456:789a:5678:9abc:def0:1234:5678]:1")}})
}

// sees shows what there is to show.
func (g *guest) sees() {
	g.Helper()
	p, err := g.desk.Receive()
	if err != nil {
		g.Fatal(err)
	}
	if fault := g.line.write(g.screen, p); fault != "" {
		g.Errorf("%s:\n%s", fault, g.screen)
	}
}

func (g *guest) types(text string) {
	g.Helper()
	keys, err := videotex.Keys(text)
	if err != nil {
		g.Fatal(err)
	}
	g.desk.Send(keys)
	g.sees()
}

func (g *guest) shows(texts ...string) {
	g.Helper()
	for _, text := range texts {
		if !strings.Contains(g.screen.String(), text) {
			g.Errorf("no %q:\n%s", text, g.screen)
		}
	}
}

// stays has the caller visit a service.
func (g *guest) stays(service string, d time.Duration, why session.Reason) {
	g.Helper()
	g.happens(session.Redirecting, service, "")
	g.happens(session.Redirected, service, "")
	g.sees()
	time.Sleep(d)
	g.happens(session.Returned, service, why)
	g.sees()
}

// strict finds what leaves its row: after column 40 the cursor of a Minitel
// goes on in the next row, and on row 00 there are 38 columns for text.
type strict struct {
	to   int  // bytes of a US that are to come
	left bool // the cursor has left its row by itself
}

func (l *strict) write(s *videotex.Screen, p []byte) (fault string) {
	for i, b := range p {
		row, column, _ := s.Cursor()
		s.Write([]byte{b})
		now, _, _ := s.Cursor()
		switch {
		case b == videotex.US:
			l.to, l.left = 2, false
		case l.to > 0:
			l.to--
		case l.left:
			fault = fmt.Sprintf("%q goes on in row %d", p[max(0, i-60):i+1], row)
		case row == 0 && column > 38 && b >= 0x20:
			fault = fmt.Sprintf("%q is too long for row 00", p[max(0, i-60):i+1])
		default:
			l.left = b >= 0x20 && row > 0 && now != row
		}
	}
	return fault
}

// Nothing leaves its row, whatever is in the directory.
func TestWide(t *testing.T) {
	g := greets(t, wide)
	g.shows(" fd12:3456:789a:5678:9abc:def0:1234:5678")
	for _, keys := range []string{
		"<Guide>", "<Suite>", "2<Envoi>", "<Retour>", "1<Envoi>", "1<Guide>", "<Envoi>", "<Retour>", "1<Envoi>", "5<Guide>",
		"<Retour><Retour><Retour><Retour>ABCDEFGHIJKLMNOPQRSX<Envoi>", "<Annulation>ABCDEFGHIJKLMNOPQRS0<Suite>Paris<Envoi>",
	} {
		g.types(keys)
	}
	g.shows("ABCDEFGHIJKLMN ne prend pas de données")
}

func TestThousandsOfServices(t *testing.T) {
	g := greets(t, wide+thousands)
	g.shows("10000 services🬳🬳")
	g.types("<Guide><Suite>")
	g.shows("   1 Tous, par ordre alphabétique 10000 ")
	g.types("1<Envoi>" + strings.Repeat("<Suite>", 10000/8))
	g.shows(" 10000 S9993                    gratuit ", "1250/1250")
}

func TestPrices(t *testing.T) {
	g := greets(t, wide)
	g.types("<Guide><Suite>1<Envoi>")
	g.shows("CHER                        payant", "MAGIS    gratuit 3 min, 0,37 F/min")
	g.types("5<Guide>")
	g.shows("gratuit 1439 min 59 s,", "999,9999 F + 999,9999 F/min")
	g.types("<Retour>1<Guide>")
	g.shows("PALIER AUX LETTRES 0", "gratuit 1439 min 59 s,", "999,9999 EUR + 999,9999", "EUR/min")
}

// Costs in several currencies have room on row 00 and on the receipt, after
// visits that ended in all ways.
func TestManyCurrencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := greets(t, wide)
		defer g.desk.Close()
		for i, why := range []session.Reason{session.ReasonVisit, session.ReasonRefused, session.ReasonClosed, session.ReasonRecalled} {
			g.stays(fmt.Sprintf("ABCDEFGHIJKLMNOPQRS%d", i), 24*time.Hour+13*time.Minute, why)
		}
		g.stays("wss://an.example.org/that/the/operator/has/found/and/that/is/in/no/directory/of/ours", time.Minute, session.ReasonLost)
		for range 20 {
			g.stays("MAGIS", time.Minute, session.ReasonStalled)
		}
		g.types("<Connexion/Fin>")
		g.shows("14 016,66 EUR", "14 016,66 F", "14 016,66 ABCD", "14 016,66 USD")
	})
}

// A list stays as it is drawn, but leads nowhere that the directory has dropped.
func TestDirectoryShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := greets(t, services)
		defer g.desk.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go g.book.Run(ctx)
		g.types("<Guide><Suite>1<Envoi><Suite><Suite>")
		g.shows("ULLA", "3/3")
		g.lists("[[service]]\ncode = 'NEZ'\nurl = 'tcp://x.example:1'\n")
		time.Sleep(time.Minute)
		synctest.Wait()
		g.types("17<Envoi>")
		g.shows("ULLA a quitté l'annuaire")
		g.shows("Envoi : ....")
		g.types("16<Envoi>")
		g.shows("NEZ : connexion impossible")
		g.types("<Répétition><Retour><Retour><Retour>4<Envoi>")
		g.shows("Messageries", "1/1", "Aucun service")
		g.types("1<Envoi>")
		g.shows("Tapez un numéro de la liste")
		g.types("<Retour><Retour><Retour>ulla<Envoi>")
		g.shows("Service inconnu : ULLA", "1 service ")
		if got := strings.Join(g.asked, " "); got != "NEZ" {
			t.Errorf("put through to %s", got)
		}
	})
}

// What was typed stays until it has led somewhere.
func TestRefused(t *testing.T) {
	g := greets(t, services)
	g.types("ulla<Suite>x<Envoi>")
	g.shows("ULLA ne prend pas de données", "Données :  x.")
	g.types("<Retour><Annulation>meteo<Envoi>")
	g.shows("METEO : connexion impossible", "METEO....", "Données :  x.")
	g.types("<Suite><Annulation>y<Retour>r<Envoi>")
	g.shows("Service inconnu : METEOR", "Peut-être METEO ?", "Données :  y.")
	g.types("<Répétition><Correction>")
	g.shows("METEO....", "Données :  y.")
	g.happens(session.Redirecting, "METEO", "")
	g.happens(session.Returned, "METEO", session.ReasonRefused)
	g.sees()
	g.shows("METEO : service inaccessible", "Service :  ....")
	if strings.Contains(g.screen.String(), "Données :") {
		t.Errorf("the field for data is still there:\n%s", g.screen)
	}
}
