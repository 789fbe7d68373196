package terminal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/vt"

	"moip/internal/testkit/golden"
	"moip/videotex"
)

// everything is a page that uses what a page can, in a few rows.
const everything = "\x1f\x40\x41Rang\x19\x42ee 00\n" +
	"\x0c" +
	"\x1b\x41rouge\x1b\x54 \x1b\x43jaune sur bleu\x1b\x50 \x1b\x47\x1b\x5dinvers\x19\x42e\x1b\x5c\r\n" +
	"\x1b\x5a soulign\x19\x42e\x1b\x59 plus\r\n" +
	"\x1b\x48clignote\x1b\x5d inverse\x1b\x5c\x1b\x49 fixe\r\n" +
	"\x1b\x58 cach\x19\x42e\x1b\x5f montr\x19\x42e\r\n" +
	"\x0e\x1b\x42\x23\x2c\x70\x3e\x5f\x1b\x5a\x23\x2c\x70\x3e\x5f\x0f\r\n" +
	"\n\x1b\x4dhaut\x1b\x4e large\x1b\x4f grand\r\n" +
	"\x1f\x23\x20\x20\x20\x42\x49\x1f\x23\x21\x30" + // a ring, as the character 21
	"\x4f\x43\x78\x60\x46\x60\x66\x46\x60\x66\x46\x60\x66\x43\x7f\x40\x30" +
	"\x1f\x48\x41\x1b\x28\x20\x42\x21\x1b\x4e\x21\x1b\x4f\x1f\x4a\x41\x1b\x28\x20\x42\x1b\x4f\x21\x1b\x28\x40" +
	"\x1f\x4b\x45fin\x11"

// Each depth of colours, each kind of blocks, and both phases of flashing.
func TestView(t *testing.T) {
	for _, test := range []struct {
		name   string
		colors int
		blocks Blocks
		dark   bool
	}{
		{"true", 1 << 24, Sextants, false},
		{"256-dark", 256, Sextants, true},
		{"16", 16, Quadrants, false},
		{"8", 8, Halves, false},
		{"none", 0, Sextants, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			screen, term := on(t, 40, 25, test.colors)
			v := newView(screen, test.blocks)
			if test.dark {
				v.flash()
			}
			v.show(page(everything), "")
			golden.CheckText(t, "testdata/"+test.name+".txt",
				strings.Join(lines(term), "\n")+"\n"+attributes(term)+fmt.Sprintln("cursor", term.Pos()))
		})
	}
}

// The crib is beside the page or below it, as there is room.
func TestCrib(t *testing.T) {
	for _, size := range []struct{ width, height int }{{80, 25}, {60, 30}, {40, 26}, {40, 25}} {
		screen, term := on(t, size.width, size.height, 256)
		newView(screen, Sextants).show(page("page"), "")
		golden.CheckText(t, fmt.Sprintf("testdata/crib-%dx%d.txt", size.width, size.height), strings.Join(lines(term), "\n")+"\n")
	}
}

// Where there is no room, help is on the last lines.
func TestHelp(t *testing.T) {
	for _, size := range []struct{ width, height int }{{80, 25}, {60, 30}, {60, 27}, {40, 25}} {
		screen, term := on(t, size.width, size.height, 256)
		v := newView(screen, Sextants)
		v.help = true
		v.show(page("page"), "")
		golden.CheckText(t, fmt.Sprintf("testdata/help-%dx%d.txt", size.width, size.height), strings.Join(lines(term), "\n")+"\n")
	}
}

// A terminal that is too small says so, and goes on when it has grown.
func TestSmall(t *testing.T) {
	screen, term := on(t, 30, 24, 256)
	v, s := newView(screen, Sextants), page("\x11page")
	v.show(s, "")
	want := []string{"Fenêtre trop petite : 30×24.", "Agrandissez-la à 40×25 au", "moins (F10 : quitter)."}
	if got := lines(term)[:3]; !slices.Equal(got, want) {
		t.Errorf("it says %q", got)
	}
	term.SetSize(vt.Coord{X: 40, Y: 25})
	for event := range screen.EventQ() {
		if ev, ok := event.(*tcell.EventResize); ok {
			if width, _ := ev.Size(); width == 40 {
				break
			}
		}
	}
	screen.Sync()
	v.show(s, "")
	if got := lines(term)[1]; got != "page" {
		t.Errorf("then it shows %q", got)
	}
}

// 80 columns need as many.
func TestWide(t *testing.T) {
	s := page("\x1b\x3a\x32\x7d" + strings.Repeat("colonne ", 10) + "\r\n\x1b[1mgras\x1b[0m")
	for _, size := range []struct {
		width int
		want  string
	}{{79, "Fenêtre trop petite : 79×25. Agrandissez-la à 80×25 au moins (F10 : quitter)."}, {80, ""}} {
		screen, term := on(t, size.width, 25, 256)
		newView(screen, Sextants).show(s, "")
		all := lines(term)
		if size.want != "" && all[0] != size.want {
			t.Errorf("at %d it shows %q", size.width, all[0])
		}
		if size.want == "" && (all[1] != strings.TrimSpace(strings.Repeat("colonne ", 10)) || all[2] != "gras") {
			t.Errorf("at %d it shows %q", size.width, all)
		}
	}
}

// A message is on the last line, whatever is there.
func TestMessage(t *testing.T) {
	for _, size := range []struct{ width, height int }{{80, 30}, {40, 25}, {20, 5}, {1, 1}} {
		screen, term := on(t, size.width, size.height, 256)
		newView(screen, Sextants).show(page("page"), "message")
		if got := lines(term)[size.height-1]; !strings.HasPrefix("message", strings.TrimSpace(got)) || got == "" {
			t.Errorf("%v: the last line is %q", size, got)
		}
	}
}

// A terminal without Unicode gets what comes nearest.
func TestASCII(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	screen, term := on(t, 40, 25, 8)
	newView(screen, Auto).show(page("d\x19\x42ej\x19\x41a \x0e\x23\x70\x35\x5f"), "")
	if got := lines(term)[1]; got != `deja "_|#` {
		t.Errorf("it shows %q", got)
	}
	screen, term = on(t, 80, 24, 8)
	newView(screen, Auto).show(page(""), "")
	if got := lines(term)[0]; !strings.HasPrefix(got, "Fenetre trop petite : 80x24.") {
		t.Errorf("it shows %q", got)
	}
}

func FuzzView(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("\x1b\x3a\x32\x7d\x1b\x5b\x34m80 colonnes"))
	f.Fuzz(func(t *testing.T, p []byte) {
		s := videotex.NewScreen()
		s.Write(p)
		for _, b := range []Blocks{Sextants, Quadrants, Halves} {
			v := view{blocks: b, style: palette(0)}
			for y := range rows {
				for x := range s.Columns() {
					c := s.Cell(y, x+1)
					if r, _ := v.look(c, s); r < ' ' {
						t.Fatalf("%+v becomes %q", c, r)
					}
				}
			}
		}
	})
}
