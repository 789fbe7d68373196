package terminal

import (
	"math/bits"
	"os"
	"strings"

	"github.com/gdamore/tcell/v3"

	"moip/videotex"
)

// Blocks says what mosaics are drawn with.
type Blocks string

const (
	Auto      Blocks = "auto"     // the best that the terminal is known to have
	Sextants  Blocks = "sextant"  // Unicode 13: exact
	Quadrants Blocks = "quadrant" // Unicode 3.2: nearly every font has them
	Halves    Blocks = "half"     // as in code page 437
)

// A shape is what a character covers of its cell: a grid of two columns and six
// rows, so that it has room for thirds and halves, by rows from bit 0.
type shape uint16

// sixth is the shape of one block of a mosaic, 0 to 5 as in its code.
func sixth(block int) shape { return 0b0101 << (block/2*4 + block%2) }

// quarter is the shape of one quadrant, 0 to 3 by rows.
func quarter(quadrant int) shape { return 0b010101 << (quadrant/2*6 + quadrant%2) }

// quadrants are the characters whose quarters, in the order of their bits, are
// lit.
const quadrants = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"

// forms are what there is to draw with, besides nothing and all.
var forms = map[Blocks]map[rune]shape{
	Quadrants: form(quadrants+"━", "━"),
	Halves:    form("▀▄▌▐─", "─"),
}

// form returns the shapes of some quadrants, and of a bar, which crosses the
// middle of its cell.
func form(characters, bar string) map[rune]shape {
	shapes := map[rune]shape{}
	for i, r := range []rune(quadrants) {
		if i == 0 || i == 15 || !strings.ContainsRune(characters, r) {
			continue
		}
		for q := range 4 {
			if i>>q&1 != 0 {
				shapes[r] |= quarter(q)
			}
		}
	}
	for _, r := range bar {
		shapes[r] = sixth(2) | sixth(3)
	}
	return shapes
}

// tables are the characters for all mosaics, by their code as in videotex.G1.
var tables = map[Blocks]*[64]rune{
	Sextants:  tabulate(Sextants),
	Quadrants: tabulate(Quadrants),
	Halves:    tabulate(Halves),
}

func tabulate(b Blocks) *[64]rune {
	table := new([64]rune)
	for code := range table {
		exact := videotex.Cell{Set: videotex.G1, Code: byte(code)}.Rune()
		if b == Sextants || code == 0 || code == 63 {
			table[code] = exact
		} else {
			table[code] = nearest(byte(code), forms[b])
		}
	}
	return table
}

// nearest returns the form that differs least from a mosaic. What shows something
// shows something still, and what has a hole has one.
func nearest(code byte, forms map[rune]shape) rune {
	var want shape
	for block := range 6 {
		if code>>block&1 != 0 {
			want |= sixth(block)
		}
	}
	best, least := ' ', 13
	for r, s := range forms {
		differ := bits.OnesCount16(uint16(s ^ want))
		if differ < least || differ == least && r < best {
			best, least = r, differ
		}
	}
	return best
}

// mosaic returns the character for a mosaic. The blocks of a separated one do
// not touch: they are dots, where the font can be expected to have them.
func (b Blocks) mosaic(code byte, separated bool) rune {
	if separated && code != 0 && b != Halves {
		return braille(code)
	}
	return tables[b][code&63]
}

// braille returns the character that has a dot for each block. Its dots go down
// the left column first.
func braille(code byte) rune {
	dots := '\u2800'
	for block, dot := range [6]rune{0x01, 0x08, 0x02, 0x10, 0x04, 0x20} {
		if code>>block&1 != 0 {
			dots |= dot
		}
	}
	return dots
}

// draftsmen are terminals that draw sextants themselves, whatever the font: what
// they answer to XTVERSION, or begin TERM with.
var draftsmen = []string{"kitty", "xterm-kitty", "foot", "wezterm", "vte", "ghostty", "xterm-ghostty", "contour", "alacritty"}

// traces are variables that some of them set, and tmux and the like let through.
var traces = []string{"KITTY_WINDOW_ID", "WEZTERM_PANE", "VTE_VERSION", "GHOSTTY_RESOURCES_DIR", "ALACRITTY_WINDOW_ID"}

// choose returns the best blocks that the terminal is known to have. A font
// without sextants shows empty boxes, so that in doubt there are none.
func choose(screen tcell.Screen) Blocks {
	term := os.Getenv("TERM")
	if !strings.HasPrefix(strings.ToLower(screen.CharacterSet()), "utf") || term == "linux" {
		return Halves
	}
	name, _ := screen.Terminal()
	for _, known := range draftsmen {
		if strings.EqualFold(name, known) || strings.HasPrefix(term, known) {
			return Sextants
		}
	}
	for _, trace := range traces {
		if os.Getenv(trace) != "" {
			return Sextants
		}
	}
	return Quadrants
}
