package terminal

import (
	"strings"
	"testing"

	"moip/internal/testkit/golden"
	"moip/videotex"
)

// The characters for all mosaics are on file, to be looked at.
func TestMosaics(t *testing.T) {
	var all strings.Builder
	for _, b := range []Blocks{Sextants, Quadrants, Halves} {
		for _, separated := range []bool{false, true} {
			for code := range byte(64) {
				all.WriteRune(b.mosaic(code, separated))
			}
			all.WriteByte('\n')
		}
	}
	golden.CheckText(t, "testdata/mosaics.txt", all.String())
}

// What shows something, or has a hole, shows something or has a hole; and what a
// kind has exactly is exact.
func TestNearest(t *testing.T) {
	for _, b := range []Blocks{Sextants, Quadrants, Halves} {
		for code := range byte(64) {
			if r := b.mosaic(code, false); (r == ' ') != (code == 0) || (r == '█') != (code == 63) {
				t.Errorf("%s: %06b becomes %q", b, code, r)
			}
		}
		if left, right := b.mosaic(0b010101, false), b.mosaic(0b101010, false); left != '▌' || right != '▐' {
			t.Errorf("%s: the halves are %q and %q", b, left, right)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		variables string
		want      Blocks
	}{
		{"TERM=xterm-256color", Quadrants},
		{"TERM=xterm-kitty", Sextants},
		{"TERM=foot-extra", Sextants},
		{"TERM=xterm-256color VTE_VERSION=7600", Sextants},
		{"TERM=tmux-256color KITTY_WINDOW_ID=1", Sextants},
		{"TERM=linux", Halves},
		{"TERM=xterm-kitty LC_ALL=C", Halves},
	} {
		t.Run(test.variables, func(t *testing.T) {
			t.Setenv("LC_ALL", "C.UTF-8")
			for _, name := range traces {
				t.Setenv(name, "")
			}
			for variable := range strings.FieldsSeq(test.variables) {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			screen, _ := on(t, 40, 25, 256)
			if got := newView(screen, Auto).blocks; got != test.want {
				t.Errorf("it has %s", got)
			}
		})
	}
}

// Thin strokes stay, what is large is shown by quarters.
func TestReduce(t *testing.T) {
	frame := videotex.Glyph{0xFF, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0xFF}
	dot := videotex.Glyph{5: 0x10}
	const wide, tall, right, bottom = videotex.Wide, videotex.Tall, videotex.Right, videotex.Bottom
	for _, test := range []struct {
		glyph videotex.Glyph
		size  videotex.Attr
		want  byte
	}{
		{videotex.Glyph{}, 0, 0},
		{videotex.Glyph{0xFF, 0xFF, 0xFF}, 0, 0b000011},
		{videotex.Glyph{7: 0x0F, 8: 0x0F, 9: 0x0F}, 0, 0b100000},
		{frame, 0, 0b110011},
		{dot, 0, 0b000100},
		{frame, wide | tall, 0b010111},
		{frame, wide | tall | right, 0b101011},
		{frame, wide | tall | bottom, 0b110101},
		{frame, wide | tall | right | bottom, 0b111010},
		{videotex.Glyph{0xFF, 0xFF}, tall, 0b001111},
		{videotex.Glyph{0xFF, 0xFF}, tall | bottom, 0},
		{videotex.Glyph{0xF0, 0xF0, 0xF0}, wide, 0b000011},
		{videotex.Glyph{0xF0, 0xF0, 0xF0}, wide | right, 0},
	} {
		if got := reduce(test.glyph, test.size); got != test.want {
			t.Errorf("%x at %b: %06b, want %06b", test.glyph, test.size, got, test.want)
		}
	}
}
