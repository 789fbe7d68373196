package terminal

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/gdamore/tcell/v3"

	"moip/videotex"
)

// rows of a Minitel: 00 to 24.
const rows = 25

// A view draws screens on a terminal, which is a tty. It belongs to one goroutine.
type view struct {
	screen tcell.Screen
	blocks Blocks
	style  func(ink, paper videotex.Color) tcell.Style
	dark   bool // what flashes does not show
	help   bool // the keys are shown, if need be over the page
	deaf   bool // the terminal's input has ended, by an EventError
}

// openView returns a view on the terminal that the program was started on.
func openView(b Blocks) (*view, error) {
	if os.Getenv("TERM") == "dumb" { // it has no cursor to move, and tcell does not ask
		return nil, errors.New("TERM is dumb")
	}
	device, err := tcell.NewDevTty()
	if err != nil {
		return nil, err
	}
	screen, err := tcell.NewTerminfoScreenFromTty(&tty{Tty: device})
	if err != nil {
		return nil, err
	}
	if err := screen.Init(); err != nil {
		return nil, err
	}
	return newView(screen, b), nil
}

// newView returns a view on a terminal that has been initialised. It draws with
// as many colours as this has, and mosaics with b.
func newView(screen tcell.Screen, b Blocks) *view {
	if b == Auto {
		b = choose(screen)
	}
	for r, plain := range ascii {
		screen.RegisterRuneFallback(r, plain)
	}
	screen.SetCursorStyle(tcell.CursorStyleBlinkingBlock)
	return &view{screen: screen, blocks: b, style: palette(screen.Colors())}
}

// close makes the terminal what it was, for good.
func (v *view) close() {
	v.leave()
	v.screen.Fini()
}

// ascii stands for what a terminal without Unicode does not have.
var ascii = func() map[rune]string {
	plain := map[rune]string{
		'▀': "\"", '▄': "_", '▌': "|", '▐': "|", '█': "#", '─': "-", '▏': "|", '▕': "|", '▔': "~",
		'£': "L", '§': "S", '°': "o", '±': "+", '÷': "/", '×': "x", '¼': "1", '½': "2", '¾': "3", 'ß': "s", 'Œ': "O", 'œ': "o",
	}
	for group, letter := range map[string]string{"àâä": "a", "ç": "c", "éèêë": "e", "îï": "i", "ôö": "o", "ùûü": "u"} {
		for _, r := range group {
			plain[r] = letter
		}
	}
	return plain
}()

// flash shows what flashes, or hides it, from the next show on. A Minitel does
// either for a second.
func (v *view) flash() { v.dark = !v.dark }

// show draws s, with a crib of the keys where there is room, and with help anyway.
// A message stands on the last line, whatever is there otherwise. If the terminal
// is too small, it says so instead.
func (v *view) show(s *videotex.Screen, message string) {
	v.screen.Clear()
	v.screen.HideCursor()
	width, height := v.screen.Size()
	columns := s.Columns()
	switch {
	case width < columns || height < rows:
		v.tooSmall(width, height, columns)
	case width < columns+cribWidth:
		v.page(s, (width-columns)/2)
		v.cribBelow(width, height)
	default:
		left := (width - columns - cribWidth) / 2
		v.page(s, left)
		v.cribBeside(left + columns + 3)
	}
	if message != "" {
		v.line(height-1, width, message)
	}
	v.screen.Show()
}

// page draws the screen, with its first column at left.
func (v *view) page(s *videotex.Screen, left int) {
	for y := range rows {
		for x := range s.Columns() {
			r, style := v.look(s.Cell(y, x+1), s)
			v.screen.Put(left+x, y, string(r), style)
		}
	}
	if row, column, on := s.Cursor(); on {
		v.screen.ShowCursor(left+column-1, row)
	}
}

// cribWidth is that of the crib beside the page: a gap, the names and the keys.
const cribWidth = 3 + 15 + 14

// cribBeside draws where the keys are, from column x on.
func (v *view) cribBeside(x int) {
	for i, k := range append(keys[:len(keys):len(keys)], leaving) {
		v.screen.PutStrStyled(x, 2*i+3, k.name, tcell.StyleDefault.Bold(true))
		v.screen.PutStr(x+15, 2*i+3, k.crib)
	}
}

// cribBelow draws the crib on the lines below the page, as far as they go, or with
// help on as many as it takes. Who sees nothing else should see how to leave.
func (v *view) cribBelow(width, height int) {
	entries := []string{leaving.short + " " + leaving.name}
	for _, k := range keys {
		entries = append(entries, k.short+" "+k.name)
	}
	lines := wrap(entries, "  ", width)
	top := rows
	if v.help {
		top = min(top, height-len(lines))
	}
	for i, line := range lines[:min(len(lines), height-top)] {
		if top < rows {
			v.line(top+i, width, line)
		} else {
			v.screen.PutStr((width-utf8.RuneCountInString(line))/2, top+i, line)
		}
	}
}

func (v *view) tooSmall(width, height, columns int) {
	text := fmt.Sprintf("Fenêtre trop petite : %d×%d. Agrandissez-la à %d×%d au moins (F10 : quitter).", width, height, columns, rows)
	for y, line := range wrap(strings.Fields(text), " ", width) {
		v.screen.PutStr(0, y, line)
	}
}

// line draws a message over the line y.
func (v *view) line(y, width int, message string) {
	style := tcell.StyleDefault.Reverse(true)
	v.screen.FillArea(0, y, width, 1, ' ', style)
	v.screen.PutStrStyled(max(0, width-utf8.RuneCountInString(message))/2, y, message, style)
}

// wrap joins entries to lines of the given width, as far as they fit one.
func wrap(entries []string, gap string, width int) (lines []string) {
	for _, entry := range entries {
		last := len(lines) - 1
		if last < 0 || utf8.RuneCountInString(lines[last]+gap+entry) > width {
			lines = append(lines, entry)
		} else {
			lines[last] += gap + entry
		}
	}
	return lines
}
