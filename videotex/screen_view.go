package videotex

import (
	"slices"
	"strings"
)

// Columns returns how many columns there are: 40, or 80 in Mixte and
// Téléinformatique.
func (s *Screen) Columns() int { return int(s.width) }

// Row returns what a row of 40 columns shows, 0 to 24. The index is the column
// less one. In 80 columns it is no use: see Cell.
//
// It does what the display circuit does along a row. The circuit keeps neither
// background nor underline for a text character: these belong to a zone, which
// goes from a delimiter to the next one or to the end of the row. Mosaics bring
// their own background, and end underlining, for the text that follows. Nor
// does it keep which half of a character of double size a cell is. The cell
// after a left half shows the right half, whatever has been written there since
// but in the colours and the size of that (2-2-1-2-4-2). The cell under an upper
// half is a lower half if it is of double height too.
func (s *Screen) Row(row int) [40]Cell {
	cells := [40]Cell(s.cells[row][:40])
	if row == 0 && s.letter != 0 {
		cells[36], cells[37] = space, space
		cells[38] = Cell{Code: s.letter, Ink: White & 7, Attr: Inverted}
	}
	var zone, left Cell // left is a left half that waits for its other half
	for x := range cells {
		c := &cells[x]
		switch c.Set {
		case Delimiter:
			zone = *c
			c.Attr &^= Lined
		case G1, Drcs1:
			zone.Paper = c.Paper
			zone.Attr &^= Lined
			c.Attr |= zone.Attr & Masked
		default:
			c.Paper = zone.Paper
			c.Attr |= zone.Attr & (Masked | Lined)
		}
		if s.bottom(row, x) {
			c.Attr |= Bottom
		}
		if left.Attr&Wide != 0 {
			c.Set, c.Code, left = left.Set, left.Code, Cell{}
			c.Attr = c.Attr&^Separated | Right
		} else {
			left = *c
		}
	}
	return cells
}

// bottom reports whether a cell is the lower half of a character.
func (s *Screen) bottom(row, x int) bool {
	above := 0
	for row-above > 0 && s.cells[row-above][x].Attr&Tall != 0 {
		above++
	}
	return above > 0 && above%2 == 0
}

// Cell returns what the cell at row 0 to 24, column 1 to Columns shows.
func (s *Screen) Cell(row, column int) Cell {
	if s.width == 40 {
		return s.Row(row)[column-1]
	}
	if row == 0 && column == 77 && s.letter != 0 {
		return Cell{Code: s.letter, Ink: White & 7} // row 00 has no attributes there
	}
	return s.cells[row][column-1]
}

// row returns what a row shows, whatever the standard.
func (s *Screen) row(row int) []Cell {
	if s.width == 40 {
		cells := s.Row(row)
		return cells[:]
	}
	cells := s.cells[row][:]
	if row == 0 {
		cells = slices.Clone(cells)
		cells[76] = s.Cell(0, 77)
	}
	return cells
}

// Cursor returns the place of the cursor, and whether it shows: as a cell with
// its colours complemented, or in 80 columns as a dash.
func (s *Screen) Cursor() (row, column int, on bool) {
	return int(s.pen.row), int(s.pen.column), s.cursor
}

// Revealed reports whether the screen shows what is masked.
func (s *Screen) Revealed() bool { return s.revealed }

// A State is what a stream has made of rows 1 to 24, and of all that decides how
// more of it would show, but for REP. States can be compared with ==.
type State struct {
	cells    [24][80]Cell
	mode     Mode
	pen      pen
	kept     pen
	mosaics  bool
	cursor   bool
	roll     bool
	insert   bool
	revealed bool
	chosen   [2]bool
	drcs     [2][94]Glyph
}

// State returns the state. On row 00, it is as it will be after the return.
func (s *Screen) State() State {
	t := State{
		cells: [24][80]Cell(s.cells[1:]), mode: s.parser.mode, pen: s.pen, kept: s.kept, mosaics: s.parser.g1, cursor: s.cursor,
		roll: s.roll, insert: s.insert, revealed: s.revealed, chosen: s.chosen, drcs: s.drcs,
	}
	if s.pen.row == 0 {
		t.pen, t.mosaics = s.page, s.parser.saved
	}
	return t
}

// String returns the text of rows 0 to 24, a line each. A character of double
// size stands in its lower left cell. What is masked is left out.
func (s *Screen) String() string {
	var b strings.Builder
	for row := range s.cells {
		for _, c := range s.row(row) {
			hidden := c.Attr&Masked != 0 && !s.revealed
			if hidden || c.Attr&Right != 0 || c.Attr&(Tall|Bottom) == Tall {
				b.WriteByte(' ')
			} else {
				b.WriteRune(c.Rune())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
