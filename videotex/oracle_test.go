package videotex

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of this file hold the model against genuine firmware. The corpus
// has real pages and small vectors, with the cells, cursor and answers that two
// Minitels made of them. It is other people's work and no part of this project;
// the environment variable MOIP_CORPUS says where it is.
func corpus(t *testing.T) string {
	dir := os.Getenv("MOIP_CORPUS")
	if dir == "" {
		t.Skip("MOIP_CORPUS is not set: the corpus is not here, only pages of our own are tested")
	}
	return dir
}

// knownDifferences are the pages and vectors where the model does not do as
// the firmware did, and why.
var knownDifferences = map[string]string{
	"reply/reset PRO1 7F":         "the Minitel 12 leaves its cursor in row 16, for no reason that a page could rely on",
	"more/US 45 [PRO] 50 X ESC61": "the last byte of the answer was still on its way, at 75 bit/s",
}

// TestCorpusPages compares what the Minitel 12 showed after each page.
func TestCorpusPages(t *testing.T) {
	pages, _ := filepath.Glob(filepath.Join(corpus(t), "open", "*.vdt"))
	if len(pages) == 0 {
		t.Fatal("no pages")
	}
	for _, page := range pages {
		var want struct {
			Cursor   [2]int
			CursorOn bool `json:"cursor_on"`
			Mask     bool `json:"mask_enabled"`
			Rows     [25][40]observed
		}
		readJSON(t, strings.TrimSuffix(page, ".vdt")+".cells.json", &want)
		p, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		s := screenOf(string(p))
		d := cellDifferences(s, func(row, column int, _ Cell) Cell { return want.Rows[row][column-1].cell() })
		d = append(d, cursorDifferences(s, want.Cursor, want.CursorOn)...)
		if s.Revealed() == want.Mask {
			d = append(d, fmt.Sprint("revealed ", s.Revealed()))
		}
		report(t, filepath.Base(page), d)
	}
}

// TestCorpusVectors compares cells and cursor with those of the Minitel 12, and
// the answers with those that the Minitel 1B gave on the line.
func TestCorpusVectors(t *testing.T) {
	var file struct {
		Vectors []struct {
			Kind, Name, Input string
			Cols              int
			Cursor            [2]int
			CursorOn          bool   `json:"cursor_on"`
			Reply             string `json:"reply_m1b"`
			Cells             map[string]observed
		}
	}
	readJSON(t, filepath.Join(corpus(t), "vectors.json"), &file)
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range file.Vectors {
		p, err := hex.DecodeString(v.Input)
		if err != nil {
			t.Fatal(err)
		}
		s := screenOf(string(p))
		var d []string
		if v.Cols == 40 { // no picture is kept in 80 columns
			d = cellDifferences(s, func(row, column int, got Cell) Cell {
				if o, ok := v.Cells[fmt.Sprintf("%d,%d", row, column)]; ok {
					return o.cell()
				}
				return leftOut(row, got)
			})
		}
		d = append(d, cursorDifferences(s, v.Cursor, v.CursorOn)...)
		if got := fmt.Sprintf("% X", s.Replies()); got != v.Reply {
			d = append(d, fmt.Sprintf("answers %s, want %s", got, v.Reply))
		}
		report(t, v.Kind+"/"+v.Name, d)
	}
}

// report fails the test if there are differences that are not known, or if
// known ones are there no more.
func report(t *testing.T, name string, differences []string) {
	t.Helper()
	reason, known := knownDifferences[name]
	switch {
	case known && len(differences) == 0:
		t.Errorf("%s: no more differences", name)
	case known:
		t.Logf("%s: differs as known: %s", name, reason)
	case len(differences) > 0:
		t.Errorf("%s: %d differences\n%s", name, len(differences), strings.Join(differences[:min(5, len(differences))], "\n"))
	}
}

// An observed is a cell as the corpus has it.
type observed struct {
	Set   string `json:"set"`
	Index byte   `json:"idx"`
	Ink   Color  `json:"fg"`
	Paper Color  `json:"bg"`
	Flash int    `json:"flash"`
	Inv   int    `json:"inv"`
	Mask  int    `json:"mask"`
	Under int    `json:"under"`
	Sep   int    `json:"sep"`
	Part  string `json:"part"` // t, b or s for top, bottom, single, then l, r or s
}

// UnmarshalJSON takes the form of the pages, an object, and that of the
// vectors, a list.
func (o *observed) UnmarshalJSON(p []byte) error {
	if p[0] == '{' {
		type fields observed
		return json.Unmarshal(p, (*fields)(o))
	}
	var char, flags string
	list := []any{&o.Set, &o.Index, &char, &o.Ink, &o.Paper, &flags, &o.Part}
	if err := json.Unmarshal(p, &list); err != nil {
		return err
	}
	o.Flash, o.Inv = strings.Count(flags, "F"), strings.Count(flags, "I")
	o.Mask, o.Under, o.Sep = strings.Count(flags, "M"), strings.Count(flags, "U"), strings.Count(flags, "S")
	return nil
}

func (o observed) cell() Cell {
	sets := map[string]Set{"G0": G0, "G1": G1, "D0": Drcs0, "D1": Drcs1, "DELIM": Delimiter}
	c := Cell{Set: sets[o.Set], Code: o.Index, Ink: o.Ink, Paper: o.Paper}
	if c.Set == G0 && c.Code < 0x20 {
		c.Set = G2
	}
	for _, a := range []struct {
		on   bool
		attr Attr
	}{
		{o.Flash > 0, Flashing},
		{o.Inv > 0, Inverted},
		{o.Mask > 0, Masked},
		{o.Under > 0, Lined},
		{o.Sep > 0, Separated},
		{strings.ContainsAny(o.Part, "lr"), Wide},
		{strings.ContainsAny(o.Part, "tb"), Tall},
		{strings.Contains(o.Part, "r"), Right},
		{strings.Contains(o.Part, "b"), Bottom},
	} {
		if a.on {
			c.Attr |= a.attr
		}
	}
	return c
}

// leftOut returns what a cell is that a vector leaves out: a blank, joined or
// separated, or a space in row 00.
func leftOut(row int, got Cell) Cell {
	c := blank
	if row == 0 {
		c = Cell{Set: G0, Code: ' ', Ink: White & 7}
	} else if got.Set == G1 {
		c.Attr = got.Attr & Separated
	}
	return c
}

func readJSON(t *testing.T, name string, to any) {
	t.Helper()
	p, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(p, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cellDifferences compares every cell but those of row 00 where the terminal
// has its own letter.
func cellDifferences(s *Screen, want func(row, column int, got Cell) Cell) (d []string) {
	for row := range 25 {
		for x, got := range s.Row(row) {
			if row == 0 && x >= 36 {
				continue
			}
			if want := want(row, x+1, got); got != want {
				d = append(d, fmt.Sprintf("%d,%d: %+v, want %+v", row, x+1, got, want))
			}
		}
	}
	return d
}

func cursorDifferences(s *Screen, at [2]int, on bool) []string {
	if row, column, shown := s.Cursor(); row != at[0] || column != at[1] || shown != on {
		return []string{fmt.Sprintf("cursor %d,%d %v, want %v %v", row, column, shown, at, on)}
	}
	return nil
}
