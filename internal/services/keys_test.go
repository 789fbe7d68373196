package services

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// everyPage says how to come to each page, and whether it is the same when
// drawn again.
var everyPage = []struct {
	service, keys string
	same          bool
}{
	{"mire", "", true},
	{"mire", "<Suite>", true},
	{"mire", "<Suite><Suite>", true},
	{"mire", "<Suite><Suite><Suite>", true},
	{"mire", "<Suite><Suite><Suite><Suite>", true},
	{"mire", "<Suite><Suite><Suite><Suite><Suite>", true},
	{"mire", "<Suite><Suite><Suite><Suite><Suite><Envoi>", true},
	{"clavier", "", false},
	{"clavier", "<Guide>", false},
	{"heure", "", true},
	{"pages", "", true},
	{"pages", "<Suite>", true},
	{"pages", "<Suite><Suite>", true},
	{"pages", "<Guide>", true},
	{"pages", "<Envoi>12", false}, // which takes what is typed back
	{"salon", "", true},
	{"salon", "bob<Envoi>", true},
	{"salon", "bob<Envoi>salut<Envoi>on a<Envoi>", true},
	{"salon", "bob<Envoi><Guide>", true},
	{"echo", "", false},
	{"echo", "abc", false},
}

var everyKey = []string{
	"\x13A", "\x13B", "\x13C", "\x13D", "\x13E", "\x13F", "\x13G", "\x13H", "\x13I", "\x13Y", "\x13S", "\x13Z",
	"a", "Z", "0", "1", "9", " ", "~", "`", "*", "\x19Be", "\x19\x4Bc", "\x19\x23", "\x19\x7F",
	"\r", "\r\n", "\n", "\b", "\t", "\x0B", "\x7F", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[4h", "\x1bOM", "\x1b", "\x00", "\x04", "\x05",
	"\x01Cu4\x04", "\x01Bv9\x04", "\x01abc", "\x1fAA", "\x1b\x3Aq\x5A", "\x1b\x3Bc\x58\x45", "\x1f",
	"12345678901234567890123456789012345678901234567890", "1\x13A", "2\x13A\x13B", "999\x13A", "\x13D\x13D", "\x13A\x13A",
	"\x13H\x13H\x13H\x13H\x13H\x13H\x13H\x13H", "\x13B\x13B\x13B\x13B\x13B\x13B\x13B\x13B", "\x13D\x13H\x13B\x13A",
}

// Whatever is pressed, wherever: the caller has left, or sees a page that is as
// it would be drawn again.
func TestEveryKeyOnEveryPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, page := range everyPage {
			for _, key := range everyKey {
				where := fmt.Sprintf("%s, %s, then %q", page.service, page.keys, key)
				c := calls(t, New(Options{}), page.service)
				c.types(page.keys)
				c.end.Send([]byte(key))
				synctest.Wait()
				c.passes(3 * time.Second) // what comes late is there
				row, column, _ := c.screen.Cursor()
				switch {
				case c.over == io.EOF:
					if key[0] != 0x13 && key != "\n" && key != "\x0B" && key != "\x1b[A" && !strings.Contains(key, "\x13") {
						t.Errorf("%s hangs up", where)
					}
					continue
				case c.over != nil:
					t.Errorf("%s: %v", where, c.over)
					continue
				case row < 1 || strings.TrimSpace(c.screen.String()) == "":
					t.Errorf("%s: cursor %d,%d on\n%s", where, row, column, c.screen)
				}
				if rows := strings.Split(c.screen.String(), "\n"); strings.HasPrefix(rows[3], "🬂") && strings.TrimSpace(rows[1]) != "" {
					t.Errorf("%s: row 24 is too long for\n%s", where, c.screen)
				}
				before := lasting(c)
				c.end.Send([]byte("\x13C")) // not at once: the head of a key may wait
				synctest.Wait()
				c.end.Send([]byte("\x13C"))
				synctest.Wait()
				if after := lasting(c); page.same && before != after {
					t.Errorf("%s:\n%s\nbecomes\n%s", where, before, after)
				}
				c.end.Close()
			}
		}
	})
}

// lasting is what a screen shows but for what is said once: row 00 of PAGES, hints
// of SALON, and what is masked.
func lasting(c *caller) string {
	rows := strings.Split(c.screen.String(), "\n")
	if strings.Contains(rows[2], "S A L O N") {
		rows[12], rows[hintRow] = "", ""
	}
	if c.screen.Revealed() {
		rows[18] = " masqué :" + strings.Repeat(" ", 31)
	}
	return strings.Join(rows[1:], "\n")
}

// Sommaire leaves each page, and so does Connexion/Fin where no gateway takes it.
// Row 00 is clean then, and the terminal at rest.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, page := range everyPage {
			for _, key := range []string{"<Sommaire>", "<Fin>", "<Suite><Sommaire>", "<Répétition><Sommaire>"} {
				c := calls(t, New(Options{}), page.service)
				c.types(page.keys)
				if c.types(key); page.service == "clavier" {
					c.types("<Sommaire>")
				}
				if c.over != io.EOF || c.row(0) != "" || c.screen.Revealed() {
					t.Errorf("%s, %s, then %s: %v, and the screen is\n%s", page.service, page.keys, key, c.over, c.screen)
				}
			}
		}
	})
}

// Retour leaves a service from its first page, as long as it is not asked for
// its name there.
func TestRetour(t *testing.T) {
	for _, name := range []string{"mire", "heure", "pages", "salon"} {
		visits(t, Options{}, name, func(c *caller) {
			if c.types("<Retour>"); c.over != io.EOF {
				t.Errorf("%s: %v", name, c.over)
			}
		})
	}
}
