package portal_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"moip/internal/session"
	"moip/internal/testkit/golden"
)

// The pages, each with the keys that lead there from the home page and what it
// may cost to draw, in bytes; at 1200 bit/s a caller sees 120 a second.
var pages = []struct {
	name, keys, mark string
	most             int
}{
	{"home", "", "Telic-Alcatel", 900}, // 7.5 s
	{"guide", "<Guide>", "MODE D'EMPLOI", 900},
	{"categories", "<Guide><Suite>", "ANNUAIRE", 900},
	{"all", "<Guide><Suite>1<Envoi>", "TOUS LES SERVICES", 1100},
	{"second", "<Guide><Suite>1<Envoi><Suite>", "2/3", 1100},
	{"category", "<Guide><Suite>4<Envoi>", "ULLA", 900},
	{"sheet", "<Guide><Suite>4<Envoi>1<Guide>", "Des milliers", 900},
	{"unknown", "UL<Envoi>", "Service inconnu", 200},
	{"data", "METEO<Suite>Paris", "Paris", 200},
	{"receipt", "<Connexion/Fin>", hungUp, 900},
}

func TestPages(t *testing.T) {
	h := opens(t, services, nil)
	for _, page := range pages {
		t.Run(page.name, func(t *testing.T) {
			c := h.calls()
			c.T = t
			c.shows("Telic-Alcatel")
			if page.keys != "" {
				c.types(page.keys)
			}
			c.shows(page.mark)
			c.mu.Lock()
			defer c.mu.Unlock()
			golden.Check(t, filepath.Join("testdata", page.name+".txt"), c.screen)
			t.Logf("%d bytes, %.1f s at 1200 bit/s", c.bytes, float64(c.bytes)/120)
			if c.bytes > page.most {
				t.Errorf("the page has %d bytes, more than %d", c.bytes, page.most)
			}
		})
	}
}

// Every key on every page, in one table on file: where it leads, and what it
// says there.
func TestKeys(t *testing.T) {
	h := opens(t, services, nil)
	keys := []string{
		"<Envoi>", "<Retour>", "<Répétition>", "<Guide>", "<Annulation>", "<Sommaire>", "<Correction>", "<Suite>",
		"<Connexion/Fin>", "1", "1<Envoi>", "1<Guide>", "99<Envoi>", "a<Envoi>", "\x1b[A", "é",
	}
	var table strings.Builder
	for _, page := range pages[:7] {
		for _, key := range keys {
			c := h.calls()
			c.shows("Telic-Alcatel")
			c.types(page.keys)
			c.shows(page.mark)
			visits := h.visits.Load()
			c.types(strings.ReplaceAll(key, "\x1b[A", "<ESC>[A"))
			h.settles(c, 1+strings.Count(key, "Sommaire"), visits)
			if key == "<Connexion/Fin>" {
				c.shows(hungUp)
			}
			fmt.Fprintf(&table, "%-11s %-16s %s\n", page.name, key, c.summary())
			c.leaves()
		}
	}
	path := filepath.Join("testdata", "keys.txt")
	golden.CheckText(t, path, strings.ReplaceAll(table.String(), "\x1b", "ESC "))
}

// summary is what tells one page from another: its title, and what it says in
// the two rows for it.
func (c *caller) summary() string {
	rows := strings.Split(c.look(), "\n")
	parts := []string{rows[1], rows[22], rows[23]}
	if strings.TrimSpace(rows[1]) == "" {
		parts[0] = rows[3]
	}
	var all []string
	for _, p := range parts {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			all = append(all, p)
		}
	}
	if strings.HasSuffix(c.look(), hungUp) {
		all = append(all, hungUp)
	}
	return strings.Join(all, " | ")
}

func TestVisit(t *testing.T) {
	h := opens(t, services, echo)
	c := h.calls()
	for h.board.Calls()[0].Identity == [3]byte{} { // the terminal's answer is under way
		time.Sleep(time.Millisecond)
	}
	c.types(" u <Envoi>")
	c.shows("bonjour")
	c.waits("no bill", regexp.MustCompile(`ULLA  36 15               0,\d\d F`).MatchString)
	c.types("monsieur")
	c.shows("bonjour monsieur")
	c.types("<Connexion/Fin>")
	c.shows("ULLA : visite terminée")
	c.waits("no cost", regexp.MustCompile(`Durée \d+ s, coût 0,\d\d F`).MatchString)
	c.shows("Coût de l'appel")
	c.hides("bonjour")
	c.types("echo<Envoi>")
	c.shows("bonjour")
	c.shows("ECHO                     gratuit")
	c.types("<Connexion/Fin>")
	c.shows("ECHO : visite terminée")
	c.waits("no duration", regexp.MustCompile(`Durée \d+ s, gratuit`).MatchString)
	c.types("<Connexion/Fin>")
	c.shows(hungUp)
	for _, text := range []string{"ULLA", "ECHO", " s ", "gratuit", "Total", " F ", "Au revoir"} {
		c.shows(text)
	}
	records := h.records.read()
	if len(records) != 2 {
		t.Fatalf("recorded: %v", records)
	}
	r := records[0]
	if r.Service != "ULLA" || r.Palier != "36 15" || r.Caller != "192.0.2.7" || r.Transport != "tcp" || r.Reason != session.ReasonFin ||
		r.Terminal != "Minitel 1B Telic-Alcatel" || r.In == 0 || r.Out == 0 || r.To.Before(r.From) {
		t.Errorf("recorded: %+v", r)
	}
}

// Who leaves in the middle of a visit has made it all the same.
func TestGoneMeanwhile(t *testing.T) {
	h := opens(t, services, echo)
	c := h.calls()
	c.types("ulla<Envoi>")
	c.shows("bonjour")
	c.leaves()
	for len(h.board.Calls()) > 0 { // its end is at hand
	}
	if r := h.records.read(); len(r) != 1 || r[0].Reason != session.ReasonGone {
		t.Errorf("recorded: %v", r)
	}
}

func TestServiceDown(t *testing.T) {
	h := opens(t, services, nil)
	c := h.calls()
	c.types("echo<Envoi>")
	c.shows("ECHO : service inaccessible")
	if state := h.book.State("ECHO"); !state.Known || state.Up {
		t.Errorf("it is known as %+v", state)
	}
	c.types("<Guide><Suite>2<Envoi>")
	c.shows("fermé")
	if r := h.records.read(); len(r) > 0 {
		t.Errorf("recorded: %v", r)
	}
}

// Whoever knows the way types it at once, and into the service.
func TestTypedAhead(t *testing.T) {
	h := opens(t, services, echo)
	c := h.calls()
	c.shows("Passerelle en liaison")
	c.types("<Guide><Suite>4<Envoi>1<Envoi>salut<Connexion/Fin>")
	c.shows("ULLA : visite terminée")
	c.types("<Guide><Retour><Guide>")
	c.types("<Retour><Retour><Retour><Retour>u<Envoi>salut")
	c.shows("bonjour salut")
	c.types("<Connexion/Fin>ec")
	c.shows("Service :  EC..")
}

// What is typed for a service that is down comes back.
func TestTypedForNobody(t *testing.T) {
	h := opens(t, services, nil)
	c := h.calls()
	c.types("u<Envoi>meteo")
	c.shows("ULLA : service inaccessible")
	c.shows("METEO")
}

func TestData(t *testing.T) {
	h := opens(t, services, nil)
	c := h.calls()
	c.types("meteo<Suite>Bourg-la-Reine<Retour><Correction>O<Envoi>")
	c.shows("METEO : service inaccessible")
	c.types("ulla<Suite>x<Envoi>")
	c.shows("ULLA ne prend pas de données")
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) != 1 || h.asked[0].URL != "ws://meteo.example:1?data=Bourg-la-Reine" {
		t.Errorf("put through to %v", h.asked)
	}
}

func TestFieldOverflows(t *testing.T) {
	h := opens(t, services, nil)
	c := h.calls()
	c.types("abcdefghijklmnopqrstuvwxyz")
	c.shows("ABCDEFGHIJKLMNOPQRST ")
	c.waits("no bells", func(string) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.bells == 6
	})
}

// The cost is hidden and shown by Sommaire.
func TestSommaire(t *testing.T) {
	h := opens(t, services, echo)
	c := h.calls()
	c.types("<Sommaire>")
	c.shows("Coût de l'appel")
	c.types("<Sommaire>ulla<Envoi>")
	c.shows("bonjour")
	c.types("<Connexion/Fin>")
	c.shows("visite terminée")
	if strings.Contains(c.look(), "Coût de l'appel") {
		t.Error("the cost is shown all the same")
	}
	c.types("<Sommaire>")
	c.shows("Coût de l'appel")
}

// A service may write on row 00 itself; the portal's article replaces it when
// there is news, and what is below is the service's.
func TestServiceWithRow00(t *testing.T) {
	h := opens(t, services, func(c net.Conn) {
		io.WriteString(c, "\x0c\x1f\x40\x41MON TITRE\x18\nbonjour")
		io.Copy(io.Discard, c)
		c.Close()
	})
	c := h.calls()
	c.types("ulla<Envoi>")
	c.shows("bonjour")
	c.types("<Connexion/Fin>")
	c.shows("visite terminée")
	c.hides("MON TITRE")

	c.types("<Sommaire>ulla<Envoi>")
	c.shows("MON TITRE") // for nobody wants to see the cost
	c.types("<Connexion/Fin>")
	c.shows("visite terminée")
	c.hides("MON TITRE")
}

// Retour goes back from the guide to where it was asked for, and at last home.
func TestBack(t *testing.T) {
	h := opens(t, services, nil)
	c := h.calls()
	c.shows("Telic-Alcatel")
	c.types("<Guide><Suite>1<Envoi><Suite><Guide>")
	c.shows("MODE D'EMPLOI")
	for _, title := range []string{"2/3", "1/3", "ANNUAIRE", "MODE D'EMPLOI", "Minitel sur IP"} {
		c.types("<Retour>")
		c.shows(title)
	}
}
