package services

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

func TestKeyboard(t *testing.T) {
	for keys, want := range map[string]string{
		"\x13A":                   ` Envoi                13 41`,
		"\x13C":                   ` Répétition           13 43`,
		"\x13I":                   "",
		"\x13Z":                   ` ?                    13 5A`,
		"a":                       ` "a"                  61`,
		"abc":                     ` "abc"                61 62 63`,
		"\x19Be":                  ` "é"                  19 42 65`,
		"\x19\x23":                ` "£"                  19 23`,
		"\r":                      ` CR                   0D`,
		"\x1b[A":                  ` Flèche haut          1B 5B 41`,
		"\x01Bv9\x04":             ` Identification       01 42 76 39 04`,
		"\x1fAB":                  ` Position du curseur  1F 41 42`,
		"\x1b\x3A\x71\x5A":        ` État du terminal     1B 3A 71 5A`,
		"\x1b\x3A\x73\x40":        ` État des fonctions   1B 3A 73 40`,
		"\x1b\x3B\x73\x59\x40":    ` État du clavier      1B 3B 73 59 40`,
		"\x1b\x3B\x63\x58\x45":    ` État des aiguillages 1B 3B 63 58 45`,
		"\x01abcdefghijklmn\x04":  ` Mémoire              6C 6D 6E 04`, // the last of three lines
		"abcdefghi":               ` "ghi"                67 68 69`,
		"\x1b[31;32;33;34;35;36m": ` ?                    32 3B 33 33 3B 33`,
	} {
		visits(t, Options{}, "clavier", func(c *caller) {
			c.end.Send([]byte("\x13E")) // a second line, below the identification
			c.end.Send([]byte(keys))
			synctest.Wait()
			want := strings.ReplaceAll(want, "É", "E")
			found := want == ""
			for row := firstHeard; row <= lastHeard; row++ {
				found = found || c.row(row) == want
			}
			if !found {
				t.Errorf("%q is not heard as %q:\n%s", keys, want, c.screen)
			}
		})
	}
}

func TestQuestions(t *testing.T) {
	visits(t, Options{}, "clavier", func(c *caller) {
		if c.types("<Guide>"); c.sent() > 800 {
			t.Error("too long")
		}
		c.golden("clavier-guide")
	})
}

// A line costs what it says, and the page is not drawn again, however much is
// typed.
func TestLines(t *testing.T) {
	visits(t, Options{}, "clavier", func(c *caller) {
		for range 100 {
			c.sent()
			c.types("<Suite>")
			if n := c.sent(); n > 55 {
				t.Fatalf("a line takes %d bytes", n)
			}
		}
		c.golden("clavier-plein")
		c.end.Send([]byte(strings.Repeat("x", 16000)))
		synctest.Wait()
		if n := c.sent(); n > 1500 {
			t.Errorf("a paste takes %d bytes", n)
		}
		c.shows(`"xxxxxx"             78 78 78 78 78 78`)
	})
}

func TestSommaireTwice(t *testing.T) {
	visits(t, Options{}, "clavier", func(c *caller) {
		c.types("<Sommaire>a<Sommaire>")
		c.shows(" Sommaire             13 46")
		if c.over != nil {
			t.Error("two that do not follow each other hang up")
		}
		if c.types("<Sommaire>"); c.over != io.EOF {
			t.Error(c.over)
		}
	})
}

func TestEcho(t *testing.T) {
	visits(t, Options{}, "echo", func(c *caller) {
		c.sent()
		c.types("Bonjour à tous, <Envoi><Guide>")
		if got := c.row(5) + "|" + c.row(6); got != "Bonjour à tous, <Envoi><Guide>|" {
			t.Errorf("%q", got)
		}
		if n := c.sent(); n > 35 {
			t.Errorf("%d bytes", n)
		}
		c.types(strings.Repeat("0123456789", 80))
		c.shows("Répétition  effacer", "0123456789")
		c.golden("echo-plein")
		c.types("<Répétition>" + strings.Repeat("x", 38))
		c.end.Send([]byte("€y")) // as telnet programs send it
		synctest.Wait()
		if got := c.row(5) + "|" + c.row(6); got != strings.Repeat("x", 38)+"|EURy" {
			t.Errorf("%q", got)
		}
	})
}
