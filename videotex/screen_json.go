package videotex

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
)

// A dumped is a screen in the form that tests of Minitels use.
type dumped struct {
	Columns  int            `json:"cols"`
	Cursor   [2]int         `json:"cursor"` // row, column
	CursorOn bool           `json:"cursor_on"`
	Masks    bool           `json:"mask_enabled"` // masked characters are hidden
	Rows     [][]dumpedCell `json:"rows"`
	Replies  string         `json:"replies"` // what Replies would return, in hexadecimal
}

// A dumpedCell is a Cell in that form.
type dumpedCell struct {
	Set       string `json:"set"` // G0 (and G2), G1, D0, D1, DELIM
	Code      byte   `json:"idx"`
	Char      string `json:"ch"` // of G0 and G2
	Separated int    `json:"sep"`
	Ink       Color  `json:"fg"`
	Paper     Color  `json:"bg"`
	Flashing  int    `json:"flash"`
	Inverted  int    `json:"inv"`
	Masked    int    `json:"mask"`
	Lined     int    `json:"under"`
	Bold      int    `json:"bold,omitempty"`
	Part      string `json:"part"`
}

var setNames = [...]string{G0: "G0", G2: "G0", G1: "G1", Drcs0: "D0", Drcs1: "D1", Delimiter: "DELIM"}

// JSON returns the screen as an object: the number of columns "cols", "cursor"
// as row and column, whether it shows as "cursor_on", "mask_enabled" unless the
// screen is Revealed, all cells by "rows", and "replies", what Replies would
// return, in hexadecimal. Of a cell there are
//
//	set    G0 (for G2, too), G1, D0, D1 or DELIM
//	idx    its Code
//	ch     the character, if it is of G0 or G2
//	sep, flash, inv, mask, under, bold
//	       1 if it is separated, and so on; bold is left out if it is 0
//	fg, bg ink and paper
//	part   of a large character: t top, b bottom or s single, then l left,
//	       r right or s single; - if it is not large
func (s *Screen) JSON() []byte {
	p, err := json.Marshal(s.dump())
	if err != nil {
		panic(err) // numbers and strings: cannot be
	}
	return append(bytes.ReplaceAll(p, []byte("],["), []byte("],\n[")), '\n') // a line for each row
}

func (s *Screen) dump() dumped {
	row, column, on := s.Cursor()
	d := dumped{
		Columns: s.Columns(), Cursor: [2]int{row, column}, CursorOn: on, Masks: !s.revealed,
		Rows: make([][]dumpedCell, len(s.cells)), Replies: hex.EncodeToString(s.terminal.replies),
	}
	for row := range d.Rows {
		for _, c := range s.row(row) {
			d.Rows[row] = append(d.Rows[row], c.dump())
		}
	}
	return d
}

func (c Cell) dump() dumpedCell {
	bit := func(a Attr) int {
		if c.Attr&a != 0 {
			return 1
		}
		return 0
	}
	d := dumpedCell{
		Set: setNames[c.Set], Code: c.Code, Ink: c.Ink, Paper: c.Paper,
		Separated: bit(Separated), Flashing: bit(Flashing), Inverted: bit(Inverted), Masked: bit(Masked),
		Lined: bit(Lined), Bold: bit(Bold), Part: c.part(),
	}
	if c.Set == G0 || c.Set == G2 {
		d.Char = string(c.Rune())
	}
	return d
}

// part names the part of a large character that the cell shows.
func (c Cell) part() string {
	if c.Attr&(Wide|Tall|Right) == 0 {
		return "-"
	}
	part := []byte("ss")
	switch c.Attr & (Tall | Bottom) {
	case Tall:
		part[0] = 't'
	case Tall | Bottom:
		part[0] = 'b'
	}
	switch {
	case c.Attr&Right != 0:
		part[1] = 'r'
	case c.Attr&Wide != 0:
		part[1] = 'l'
	}
	return string(part)
}
