// Package golden compares screens with those that tests have on file: 25 rows of
// text with their attributes. Tests rewrite their files when they are run with
// -update.
package golden

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moip/videotex"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// Updating reports whether files are to be rewritten.
func Updating() bool { return *update }

// Check compares the screen with the file at path.
func Check(t *testing.T, path string, s *videotex.Screen) {
	t.Helper()
	if !same(t, path, Text(s)) {
		t.Logf("the screen is\n%s", s)
	}
}

// CheckText compares a text with the file at path.
func CheckText(t *testing.T, path, got string) {
	t.Helper()
	same(t, path, got)
}

func same(t *testing.T, path, got string) bool {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (-update makes it)", err)
	}
	diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n"))
	if diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
	return diff == ""
}

// Text returns the screen, row by row. Below a row come, where they are not as
// on a clear screen, its inks and papers in the order of their numbers, black 0
// to white 7, and its attributes: f for flashing, i inverted, m masked, u
// underlined, s separated, and the quarter of a large character from 1 to 4 by
// rows; X is for several of them.
func Text(s *videotex.Screen) string {
	var out strings.Builder
	rows := strings.Split(s.String(), "\n")
	for row := range 25 {
		fmt.Fprintf(&out, "%02d|%s|\n", row, rows[row])
		layer(&out, "ink", s, row, '7', func(c videotex.Cell) rune { return '0' + rune(c.Ink&7) })
		layer(&out, "paper", s, row, '0', func(c videotex.Cell) rune { return '0' + rune(c.Paper&7) })
		layer(&out, "look", s, row, ' ', look)
	}
	row, column, on := s.Cursor()
	if on {
		fmt.Fprintf(&out, "cursor %d,%d\n", row, column)
	}
	return out.String()
}

// layer writes what of returns for the cells of a row, unless all are usual.
func layer(out *strings.Builder, name string, s *videotex.Screen, row int, usual rune, of func(videotex.Cell) rune) {
	line := make([]rune, 40)
	same := true
	for i := range line {
		c := s.Cell(row, i+1)
		if line[i] = of(c); line[i] != usual {
			same = false
		}
	}
	if !same {
		fmt.Fprintf(out, "  |%s| %s\n", string(line), name)
	}
}

func look(c videotex.Cell) rune {
	const size = videotex.Wide | videotex.Tall | videotex.Right | videotex.Bottom
	signs := map[videotex.Attr]rune{
		0: ' ', videotex.Flashing: 'f', videotex.Inverted: 'i', videotex.Masked: 'm', videotex.Lined: 'u', videotex.Separated: 's',
	}
	if sign, ok := signs[c.Attr]; ok {
		return sign
	}
	if c.Attr&^size != 0 {
		return 'X'
	}
	quarter := '1'
	if c.Attr&videotex.Right != 0 {
		quarter++
	}
	if c.Attr&videotex.Bottom != 0 {
		quarter += 2
	}
	return quarter
}
