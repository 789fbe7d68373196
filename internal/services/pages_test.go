package services

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"moip/internal/testkit/logtest"
	"moip/videotex"
)

// folderOf returns a folder with the given files.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func album3(t *testing.T) string {
	return folderOf(t, map[string]string{"b.vdt": "\x0CPage B", "A.VDT": "\x0CPage A", "c.Vtx": "\x0CPage C", "d.txt": "Page D", "vdt": "Page E"})
}

func TestSlideShow(t *testing.T) {
	visits(t, Options{Pages: album3(t)}, "pages", func(c *caller) {
		c.shows("1/3 A ", "Page A")
		c.types("<Suite>")
		c.shows("2/3 b ", "Page B")
		c.types("<Suite>")
		c.shows("3/3 c ", "Page C")
		c.types("<Suite>")
		c.shows("Page A")
		c.types("3")
		c.shows("Page 3, puis Envoi", "Page A")
		c.types("<Envoi><Retour>")
		c.shows("Page B")
		c.types("99<Correction><Correction>2<Annulation><Envoi>")
		c.shows("(auto) 2/3", "Page B")
		c.types("<Envoi>99<Envoi>")
		c.shows("Les pages vont de 1 à 3", "Page B")
		c.types("<Répétition>")
		c.shows("2/3 b ")
		if c.types("<Retour><Retour>"); c.over != io.EOF || c.row(0) != "" {
			t.Errorf("%v, row 00 is %q", c.over, c.row(0))
		}
	})
}

func TestTurnsByItself(t *testing.T) {
	visits(t, Options{Pages: album3(t)}, "pages", func(c *caller) {
		c.passes(time.Hour)
		c.shows("1/3 A ")
		c.types("<Envoi>")
		c.shows("(auto) 1/3")
		for _, page := range []string{"B", "C", "A", "B"} {
			c.passes(turn + time.Second)
			c.shows("Page "+page, "(auto)")
		}
		c.types("<Guide>")
		c.shows("Numéro de la page")
		c.passes(time.Hour)
		c.shows("Numéro de la page")
		c.types("<Guide><Envoi>")
		c.passes(time.Hour)
		c.shows("Page B")
	})
}

// A long page is given the time that it takes.
func TestTurnsWhenDrawn(t *testing.T) {
	long := "\x0CPage A" + strings.Repeat("\x00", 1200)
	visits(t, Options{Pages: folderOf(t, map[string]string{"a.vdt": long, "b.vdt": "\x0CPage B"})}, "pages", func(c *caller) {
		c.types("<Suite><Envoi>")
		c.passes(turn + time.Second)
		c.shows("Page A")
		c.passes(turn + 8*time.Second)
		c.shows("Page A")
		c.passes(2 * time.Second)
		c.shows("Page B")
	})
}

func TestList(t *testing.T) {
	files := map[string]string{}
	for i := range 1005 {
		files[fmt.Sprintf("page %04d, au long nom.vdt", i)] = fmt.Sprintf("Contenu %d", i)
	}
	dir := folderOf(t, files)
	visits(t, Options{Pages: dir}, "pages", func(c *caller) {
		c.shows("1/1000 page 0000")
		c.sent()
		c.types("<Guide>")
		if n := c.sent(); n > 950 {
			t.Errorf("the list has %d bytes", n)
		}
		c.golden("pages-liste")
		c.types("<Suite>")
		c.shows("  33 page 0032, au ")
		c.types("<Suite><Retour><Retour>")
		c.shows("   1 page 0000, au ")
		c.types("0<Envoi>")
		c.shows("Numéro de la page ....")
		c.types("1000<Envoi>")
		c.shows("Contenu 999", "1000/1000")
		c.types("<Guide>")
		c.shows("1000 page 0999, au ")
		c.types("<Suite>é<Guide>")
		c.shows("Contenu 999")
	})
}

// Names have the columns that they take on the screen.
func TestWideNames(t *testing.T) {
	files := map[string]string{"€uro €uro €uro.vdt": "un"}
	for i := range 40 {
		files[fmt.Sprintf("a%02d €€€€€€€€€€€€€€€€€€€€€€€€.vdt", i)] = "deux"
	}
	visits(t, Options{Pages: folderOf(t, files)}, "pages", func(c *caller) {
		if got := c.row(0); got != "1/41 a00 EUREUREUREUREUR Guide : liste" {
			t.Errorf("row 00 is %q", got)
		}
		c.types("<Guide>")
		c.shows("\n   1 a00 EUREUREUR    17 a16 EUREUREUR  \n   2 a01")
	})
}

// Only what is a page, and in the folder, is listed, whatever else is there.
func TestHostileFolder(t *testing.T) {
	dir := folderOf(t, map[string]string{
		"good.vdt": "\x0CBonne page", "big.vdt": strings.Repeat("x", 10<<20), "limit.vdt": strings.Repeat("\x00", maxSlide),
		"over.vdt": strings.Repeat("x", maxSlide+1), "empty.vdt": "", "\x1b[2J.vdt": "un nom", "é\xff.vdt": "un autre",
	})
	outside := folderOf(t, map[string]string{"secret.vdt": "secret"})
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "folder.vdt"), 0o777),
		syscall.Mkfifo(filepath.Join(dir, "fifo.vdt"), 0o666),
		os.Symlink("/etc/passwd", filepath.Join(dir, "passwd.vdt")),
		os.Symlink(filepath.Join(outside, "secret.vdt"), filepath.Join(dir, "outside.vdt")),
		os.Symlink("../"+filepath.Base(outside)+"/secret.vdt", filepath.Join(dir, "up.vdt")),
		os.Symlink("good.vdt", filepath.Join(dir, "within.vdt")),
		os.Symlink("loop.vdt", filepath.Join(dir, "loop.vdt")),
		os.Symlink("nothing", filepath.Join(dir, "dangling.vdt")),
		os.Symlink("/dev/zero", filepath.Join(dir, "zero.vdt")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	names, err := folder(dir).names()
	want := []string{"\x1b[2J.vdt", "empty.vdt", "good.vdt", "limit.vdt", "within.vdt", "é\xff.vdt"}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range []string{"folder.vdt", "fifo.vdt", "passwd.vdt", "outside.vdt", "up.vdt", "zero.vdt", "over.vdt", "../x", ""} {
		if p, err := folder(dir).read(name); err == nil {
			t.Errorf("%s can be read: %.20q", name, p)
		}
	}
	visits(t, Options{Pages: dir}, "pages", func(c *caller) {
		c.shows("1/6 ?[2J", "un nom")
		c.types("<Suite>")
		c.shows("2/6 empty")
		c.types("<Guide>")
		c.shows("   1 ?[2J", "   6 é?")
	})
}

// Files come and go while people look.
func TestFolderChanges(t *testing.T) {
	dir := album3(t)
	var log logtest.Log
	o := Options{Pages: dir, Log: log.Logger()}
	visits(t, o, "pages", func(c *caller) {
		os.Remove(filepath.Join(dir, "b.vdt"))
		c.types("<Suite>")
		c.shows("2/3 b ", "Cette page est illisible")
		os.WriteFile(filepath.Join(dir, "c.Vtx"), []byte("Nouvelle page C"), 0o666)
		c.types("<Suite>")
		c.shows("Nouvelle page C")
		os.RemoveAll(dir)
		c.types("<Suite>")
		c.shows("Cette page est illisible")
	})
	if n := strings.Count(log.String(), "cannot show a page"); n != 2 {
		t.Errorf("the log is\n%s", &log)
	}
	log.Take()
	visits(t, o, "pages", func(c *caller) {
		c.shows("Il n'y a pas de page en ce moment.")
		c.types("1<Envoi><Suite><Guide><Répétition>")
		c.shows("Il n'y a pas de page en ce moment.")
		if c.types("<Retour>"); c.over != io.EOF {
			t.Error(c.over)
		}
	})
	if n := strings.Count(log.String(), "cannot list the folder"); n != 1 {
		t.Errorf("the log is\n%s", &log)
	}
	os.Mkdir(dir, 0o777)
	visits(t, o, "pages", func(c *caller) { c.shows("Il n'y a pas de page") })
}

// rough are pages that leave the terminal as they should not.
var rough = []string{
	"", "\x0C", "\x1b", "\x1b\x1b\x1b\x1b\x1b\x1b\x1b", "\x1f", "\x1fA", "\x12", "\x19", "\x19B", "\x1b[", "\x1b[4", "\x1b(", "\x1b( ",
	"texte\x0E", "\x0Emosa\x19", "\x1b:f\x7F", "\x1b:f", "\x1b:", "\x1b;a", "\x1b9",
	"\x1b%", "\x1b%/?", "\x1b\x2F", "\x1f#", "\x1f# \x20\x20BI", "\x1f#A0@@@@", "\x1f#A0@@@@\x1f@A", "\x1f<", "\x1f>abc",
	"\x1f@Asur la 00", "\x1f@A\x0E", "\x1f#A0\x1f@A", "\x1b(\x20Btexte", "\x1b)\x20C\x0Emosa", "\x1b# _\x1bX masque", "\x1b[4habc", "\x1b[04h\x1fAAx", "\x1b:iC" + strings.Repeat("\n", 30),
	"\x1b:2}", "\x1b:2}\x1f@A", "\x1b:1}", "\x1b:1}\x1b", "\x1b:2}abc\x1b:2~", "\x1b9\x7F", "\x1b9{\x1ba\x1b9p", "\x1b\x00(\x00 \x00B\x00", "\x1b:1}\x1b[?{\x1b[4h",
	"\x1bM\x1bO\x1bH\x1b]", "\x11", "\x1b:iE", "\x1b[?\x1b", "\x80\xff\xfe\x9b",
}

func TestRoughPages(t *testing.T) {
	for _, page := range rough {
		checkAfter(t, []byte(page))
	}
}

func FuzzAfterPage(f *testing.F) {
	for _, page := range rough {
		f.Add([]byte(page))
	}
	f.Add([]byte("\x1b:2}\x1b:f"))
	f.Fuzz(checkAfter)
}

// checkAfter checks that what comes after a page is as if there had been none.
func checkAfter(t *testing.T, page []byte) {
	ours := videotex.Page{}.Clear().At(3, 4).Attr(videotex.Inverse).Text("à nous").At(24, 1).Text("tout")
	ours = append(ours, videotex.SO, 'x', 'y', videotex.VT, videotex.BS, '@')
	want := videotex.NewScreen()
	want.Write(ours)

	r, got := follow(page), videotex.NewScreen()
	got.Write(page)
	if got.Write(r.rest); !r.away {
		before := got.State()
		got.Write(videotex.Article("Bonjour"))
		if got.State() != before || !strings.HasPrefix(got.String(), "Bonjour ") {
			t.Errorf("%q, then %q: an article shows as\n%s", page, r.rest, got)
		}
	}
	got.Write(videotex.Page{}.Clear()) // as Terminal does
	got.Write(r.undo)
	got.Write(ours)
	for row := 1; row <= 24; row++ {
		if got.Row(row) != want.Row(row) {
			t.Fatalf("%q, then %q and %q: row %d of\n%s", page, r.rest, r.undo, row, got)
		}
	}
	if got.Revealed() {
		t.Errorf("%q, then %q and %q: masked characters show", page, r.rest, r.undo)
	}
}

// Rough pages shown one after the other, and the list after each.
func TestRoughAlbum(t *testing.T) {
	files := map[string]string{}
	for i, page := range rough {
		files[fmt.Sprintf("%03d.vdt", i)] = page
	}
	visits(t, Options{Pages: folderOf(t, files)}, "pages", func(c *caller) {
		for i := range rough {
			c.types(fmt.Sprintf("%d<Envoi>", i+1))
			c.types("<Guide>")
			c.shows("Numéro de la page ....", fmt.Sprintf("%d à voir", len(rough)))
			c.types("<Guide>")
		}
		if c.types("<Sommaire>"); c.over != io.EOF {
			t.Error(c.over)
		}
	})
}
