package services

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"moip/minitel"
	"moip/videotex"
)

// An album shows the pages of a folder, one after the other. They have the
// screen for themselves: what there is to say goes on row 00.
type album struct {
	folder folder
	log    *slog.Logger
	names  []string
	at     int       // index of the page
	number string    // typed, of a page to go to
	auto   bool      // pages turn by themselves
	due    time.Time // when the next does
	trace  trace     // of the page on the screen
}

const turn = 20 * time.Second

// openAlbum returns the first page of a visit.
func openAlbum(path string, log *slog.Logger) minitel.Page {
	a := &album{folder: folder(path), log: log}
	var err error
	if a.names, err = a.folder.names(); err != nil {
		log.Warn("pages: cannot list the folder", "folder", path, "error", err)
	}
	if len(a.names) == 0 {
		return noAlbum{}
	}
	return a
}

func (a *album) Draw(t *minitel.Terminal) {
	t.Write(a.trace.undo)
	page, err := a.folder.read(a.names[a.at])
	if err != nil {
		a.log.Warn("pages: cannot show a page", "folder", string(a.folder), "error", err)
		page = videotex.Page{}.At(12, 9).Text("Cette page est illisible")
	}
	a.trace = follow(page)
	t.Write(page).Write(a.trace.rest)
	a.number = ""
	a.caption(t)
	// A Minitel takes 120 bytes a second: the page is yet to be drawn.
	a.turnIn(t, turn+time.Duration(len(page))*time.Second/120)
}

// caption tells on row 00 which page this is, and what was typed.
func (a *album) caption(t *minitel.Terminal) {
	text := fmt.Sprintf("%d/%d %s", a.at+1, len(a.names), strings.TrimSuffix(a.names[a.at], path.Ext(a.names[a.at])))
	switch {
	case a.number != "":
		text = "Page " + a.number + ", puis Envoi"
	case a.auto:
		text = "(auto) " + text
	}
	a.say(t, fit(text, 24)+" Guide : liste")
}

// say writes on row 00, unless the page has gone where there is none.
func (a *album) say(t *minitel.Terminal, text string) {
	if !a.trace.away {
		t.Article(text)
	}
}

func (a *album) turnIn(t *minitel.Terminal, d time.Duration) {
	a.due = time.Now().Add(d)
	t.Alarm(d)
}

// Notice turns the page when it is time.
func (a *album) Notice(t *minitel.Terminal) {
	switch left := time.Until(a.due); {
	case !a.auto:
	case left > 0:
		t.Alarm(left)
	default:
		a.show(t, (a.at+1)%len(a.names))
	}
}

func (a *album) show(t *minitel.Terminal, n int) {
	a.at = n
	t.Show(a)
}

func (a *album) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Suite:
		a.show(t, (a.at+1)%len(a.names))
	case k == minitel.Retour && a.at > 0:
		a.show(t, a.at-1)
	case k == minitel.Guide:
		t.Show(newList(a))
	case k == minitel.Envoi && a.number == "":
		a.auto = !a.auto
		a.turnIn(t, turn)
		a.caption(t)
	case k == minitel.Envoi:
		if !a.find(t, a.number) {
			a.say(t, fmt.Sprintf("Les pages vont de 1 à %d", len(a.names)))
		}
		a.number = ""
	case k >= '0' && k <= '9' && len(a.number) < 4:
		a.number += string(rune(k))
		a.caption(t)
	case (k == minitel.Correction || k == minitel.Annulation) && a.number != "":
		a.number = a.number[:len(a.number)-1]
		if k == minitel.Annulation {
			a.number = ""
		}
		a.caption(t)
	case k == minitel.Retour, k == minitel.Sommaire, k == minitel.ConnexionFin:
		t.Show(last(a.trace.undo))
		t.Hangup()
	default:
		others(t, k)
	}
}

// find goes to the page with the given number, if there is one.
func (a *album) find(t *minitel.Terminal, number string) bool {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(a.names) {
		return false
	}
	a.show(t, n-1)
	return true
}

// A trace is what a page leaves behind on the terminal.
type trace struct {
	rest []byte // brings it to rest, and leaves the page as it is
	undo []byte // undoes the others, in the Draw that comes next
	away bool   // it is not in Vidéotex mode
}

// follow returns the trace of a page that starts with the terminal at rest.
func follow(page []byte) (r trace) {
	var p videotex.Parser
	for _, b := range page {
		if undo := undoes(p.Step(b)); !bytes.Contains(r.undo, undo) {
			r.undo = append(r.undo, undo...)
		}
	}
	if p.Mode() == videotex.Videotex {
		r.rest = p.Rest(nil)
		return r
	}
	r.away = true
	for _, b := range (videotex.Page{}.Clear()) { // with which a Draw begins
		p.Step(b)
	}
	r.undo = append(videotex.Page(p.Rest(nil)).Clear(), r.undo...)
	return r
}

// undoes returns what undoes a sequence that neither FF nor the end of the page
// does, empty for all others.
func undoes(s []byte) []byte {
	if len(s) < 3 || s[0] != videotex.ESC {
		return nil
	}
	switch last := s[len(s)-1]; {
	case s[1] == 0x28 && last != 0x40: // G'0 for text
		return []byte("\x1b\x28\x40")
	case s[1] == 0x29 && last != 0x63: // G'1 for mosaics
		return []byte("\x1b\x29\x63")
	case s[1] == 0x23 && last == 0x5F: // what is masked shows
		return []byte("\x1b\x23\x20\x58")
	case s[1] == 0x5B && last == 'h': // insertion
		return []byte("\x1b[4l")
	case s[1] == 0x3A && s[2] == 0x69 && last == 0x43: // scrolling
		return []byte("\x1b\x3A\x6A\x43")
	}
	return nil
}

// A list shows the names of an album's pages.
type list struct {
	album  *album
	first  int // index of the first on the screen
	number minitel.Field
}

const (
	listRows = 16
	listed   = 2 * listRows
)

func newList(a *album) *list {
	return &list{album: a, first: a.at / listed * listed, number: minitel.Field{Row: 22, Column: 20, Length: 4}}
}

func (l *list) Draw(t *minitel.Terminal) {
	t.Write(l.album.trace.undo)
	l.album.trace = trace{}
	title(t, videotex.Magenta, "PAGES", fmt.Sprintf("%d à voir", len(l.album.names)))
	for i, name := range l.album.names[l.first:min(l.first+listed, len(l.album.names))] {
		t.At(5+i%listRows, 1+i/listRows*20).Text(fmt.Sprintf("%4d ", l.first+i+1))
		t.Text(minitel.Fit(strings.TrimSuffix(name, path.Ext(name)), 14))
	}
	t.At(22, 2).Text("Numéro de la page").At(22, 25).Attr(videotex.Inverse).Text(" Envoi ")
	keys(t, "Suite", "", "Retour", "liste", "Guide", "pages")
	t.Article("")
	l.number.Draw(t)
}

func (l *list) Key(t *minitel.Terminal, k minitel.Key) {
	switch {
	case k == minitel.Suite && l.first+listed < len(l.album.names):
		l.first += listed
		t.Redraw()
	case k == minitel.Retour && l.first > 0:
		l.first -= listed
		t.Redraw()
	case k == minitel.Retour, k == minitel.Guide, k == minitel.Envoi && l.number.String() == "":
		t.Show(l.album)
	case k == minitel.Envoi:
		if !l.album.find(t, l.number.String()) {
			l.number.Clear()
			l.number.Draw(t)
			t.Bell()
		}
	case k == minitel.Sommaire, k == minitel.ConnexionFin, k == minitel.Repetition, k == minitel.Suite:
		others(t, k)
	default:
		l.number.Key(t, k)
	}
}

// noAlbum says that there is nothing to show.
type noAlbum struct{}

func (noAlbum) Draw(t *minitel.Terminal) {
	title(t, videotex.Magenta, "PAGES", "rien à voir")
	t.At(10, 2).Text("Il n'y a pas de page en ce moment.")
	t.At(12, 2).Text("Revenez plus tard, ou prévenez")
	t.At(13, 2).Text("l'exploitant de cette passerelle.")
	keys(t, "Sommaire", "quitter")
}

func (noAlbum) Key(t *minitel.Terminal, k minitel.Key) {
	if k == minitel.Retour {
		k = minitel.Sommaire
	}
	others(t, k)
}

// CheckPages reports why pages cannot be shown from a folder, if one is named.
func CheckPages(folder string) error {
	if folder == "" {
		return nil
	}
	if _, err := os.ReadDir(folder); err != nil {
		return fmt.Errorf("pages: %w (name a folder of .vdt files)", err)
	}
	return nil
}
