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
// the environment variable MOIP_CORPUS says where it is. "make oracle" runs
// these tests alone.
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
	"reply/reset PRO1 7F": "the order leaves the cursor where it is, and came right after FF: the Minitel 12 was still at it, " +
		"it seems, and its cursor in row 16. That is a matter of time, not of the stream",
	"more/US 45 [PRO] 50 X ESC61": "the last byte of the answer of the Minitel 1B was still on its way, at 75 bit/s, when the record ended",
}

// A listed is a cell as the vectors have it, a list.
type listed dumpedCell

func (o *listed) UnmarshalJSON(p []byte) error {
	var flags string
	list := []any{&o.Set, &o.Code, &o.Char, &o.Ink, &o.Paper, &flags, &o.Part}
	if err := json.Unmarshal(p, &list); err != nil {
		return err
	}
	for i, field := range []*int{&o.Flashing, &o.Inverted, &o.Masked, &o.Lined, &o.Separated, &o.Bold} {
		*field = strings.Count(flags, "FIMUSB"[i:i+1])
	}
	return nil
}

// drawn returns what p makes of a Minitel like those of the corpus, which were
// not connected and said so.
func drawn(p []byte) *Screen {
	s := NewScreen()
	s.Indicate('F')
	s.Write(p)
	return s
}

// TestCorpusPages compares what the Minitel 12 showed after each page.
func TestCorpusPages(t *testing.T) {
	pages, _ := filepath.Glob(filepath.Join(corpus(t), "open", "*.vdt"))
	if len(pages) == 0 {
		t.Fatal("no pages")
	}
	for _, page := range pages {
		var want dumped
		readJSON(t, strings.TrimSuffix(page, ".vdt")+".cells.json", &want)
		p, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var got dumped
		if err := json.Unmarshal(drawn(p).JSON(), &got); err != nil {
			t.Fatal(err)
		}
		got.Replies = "" // not recorded
		report(t, filepath.Base(page), differences(got, want))
	}
	t.Logf("%d pages", len(pages))
}

// TestCorpusVectors compares cells and cursor with those of the Minitel 12, and
// the answers with those that the Minitel 1B gave on the line.
func TestCorpusVectors(t *testing.T) {
	var file struct {
		Vectors []struct {
			dumped
			Kind, Name, Input string
			Reply             string `json:"reply_m1b"`
			Cells             map[string]listed
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
		got := drawn(p).dump()
		want := v.dumped
		for row, cells := range got.Rows {
			line := make([]dumpedCell, len(cells))
			for x, c := range cells {
				if o, there := v.Cells[fmt.Sprintf("%d,%d", row, x+1)]; there {
					line[x] = dumpedCell(o)
				} else {
					line[x] = leftOut(row, x+1, len(cells), c)
				}
			}
			want.Rows = append(want.Rows, line)
		}
		want.Replies = strings.ToLower(strings.ReplaceAll(v.Reply, " ", ""))
		report(t, v.Kind+"/"+v.Name, differences(got, want))
	}
	t.Logf("%d vectors", len(file.Vectors))
}

// leftOut returns what a cell is that a vector leaves out: a blank, joined or
// separated, a space in row 00, or what the terminal itself shows there.
func leftOut(row, column, columns int, got dumpedCell) dumpedCell {
	switch {
	case row > 0:
		return dumpedCell{Set: "G1", Ink: 7, Part: "-", Separated: got.Separated}
	case columns == 40 && column >= 37:
		return got
	}
	return dumpedCell{Set: "G0", Code: ' ', Char: " ", Ink: 7, Part: "-"}
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
		t.Logf("%s: differs as known (%s): %s", name, strings.Join(differences, "; "), reason)
	case len(differences) > 0:
		t.Errorf("%s: %d differences\n%s", name, len(differences), strings.Join(differences[:min(5, len(differences))], "\n"))
	}
}

// differences names all in which two screens differ.
func differences(got, want dumped) (d []string) {
	if got.Columns != want.Columns || len(got.Rows) != len(want.Rows) {
		return []string{fmt.Sprintf("%d columns, %d rows; want %d, %d", got.Columns, len(got.Rows), want.Columns, len(want.Rows))}
	}
	for row := range got.Rows {
		for x, c := range got.Rows[row] {
			if want := want.Rows[row][x]; c != want {
				d = append(d, fmt.Sprintf("%d,%d: %+v, want %+v", row, x+1, c, want))
			}
		}
	}
	if got.Cursor != want.Cursor || got.CursorOn != want.CursorOn {
		d = append(d, fmt.Sprintf("cursor %d %t, want %d %t", got.Cursor, got.CursorOn, want.Cursor, want.CursorOn))
	}
	if got.Masks != want.Masks {
		d = append(d, fmt.Sprintf("masks %t", got.Masks))
	}
	if got.Replies != want.Replies {
		d = append(d, fmt.Sprintf("answers %s, want %s", got.Replies, want.Replies))
	}
	return d
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
