package terminal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/vt"
	"go.uber.org/goleak"

	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// on returns a screen on an emulated terminal, of the given size and number of
// colours.
func on(t *testing.T, width, height, colors int) (tcell.Screen, vt.MockTerm) {
	t.Helper()
	term := vt.NewMockTerm(vt.MockOptSize{X: vt.Col(width), Y: vt.Row(height)}, vt.MockOptColors(colors))
	screen, err := tcell.NewTerminfoScreenFromTty(&tty{Tty: term}, tcell.OptColors(colors), tcell.OptTerm("xterm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(screen.Fini)
	return screen, term
}

// page returns a screen that was sent text, as Go writes it.
func page(text string) *videotex.Screen {
	s := videotex.NewScreen()
	s.Write([]byte(text))
	return s
}

// lines returns what the terminal shows, without blanks at the end of lines.
func lines(term vt.MockTerm) []string {
	size, _ := term.WindowSize()
	all := make([]string, size.Height)
	for y := range all {
		var line strings.Builder
		for x := range size.Width {
			c := term.GetCell(vt.Coord{X: vt.Col(x), Y: vt.Row(y)})
			if c.C == "" {
				c.C = " "
			}
			line.WriteString(c.C)
		}
		all[y] = strings.TrimRight(line.String(), " ")
	}
	return all
}

// attributes returns the colours and the style of all cells, a line wherever they
// change.
func attributes(term vt.MockTerm) string {
	var all strings.Builder
	size, _ := term.WindowSize()
	last := ""
	for y := range size.Height {
		for x := range size.Width {
			style := term.GetCell(vt.Coord{X: vt.Col(x), Y: vt.Row(y)}).S
			look := fmt.Sprintf("%v on %v%s", style.Fg(), style.Bg(), marks(style.Attr()))
			if look != last {
				fmt.Fprintf(&all, "%d,%d: %s\n", y, x, look)
			}
			last = look
		}
	}
	return all.String()
}

func marks(a vt.Attr) (all string) {
	for _, m := range []struct {
		attr vt.Attr
		name string
	}{{vt.Bold, " bold"}, {vt.Reverse, " reverse"}, {vt.Underline, " underline"}, {vt.Blink, " blink"}} {
		if a&m.attr != 0 {
			all += m.name
		}
	}
	return all
}
