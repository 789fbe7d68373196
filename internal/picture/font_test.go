package picture

import (
	"slices"
	"strings"
	"testing"

	"moip/videotex"
)

// TestFont checks the drawing: every character is there, looks like no other, and
// stays clear of its neighbours, unless it is meant to reach them.
func TestFont(t *testing.T) {
	rows := 0
	for line := range strings.Lines(drawing) {
		if fields := strings.Fields(line); len(fields) == 8 && len(fields[0]) == 8 {
			rows++
		}
	}
	if rows != 160 {
		t.Errorf("%d rows of eight glyphs, want 160", rows)
	}
	seen := map[videotex.Glyph]rune{}
	for i := range 128 {
		c := videotex.Cell{Set: videotex.G0, Code: byte(0x20 + i)}
		if i >= 96 {
			c = videotex.Cell{Set: videotex.G2, Code: byte(i - 96)}
		}
		g, r := Glyph(c.Set, c.Code), c.Rune()
		if other, ok := seen[g]; ok {
			t.Errorf("%c looks like %c", r, other)
		}
		seen[g] = r
		if strings.ContainsRune("_─▏▕▔█", r) {
			continue
		}
		for y, row := range g {
			if row&0x01 != 0 {
				t.Errorf("%c touches its neighbour in row %d", r, y)
			}
		}
	}
}

func TestGlyph(t *testing.T) {
	for _, test := range []struct {
		set  videotex.Set
		code byte
		want videotex.Glyph
	}{
		{videotex.G0, 'H', videotex.Glyph{0, 0x42, 0x42, 0x42, 0x7E, 0x42, 0x42, 0x42, 0, 0}},
		{videotex.G0, 0x60, videotex.Glyph{4: 0xFF}},
		{videotex.G2, 0x12, videotex.Glyph{0x0C, 0x10, 0, 0x3C, 0x42, 0x7E, 0x40, 0x3C}},
		{videotex.G1, 0x21, videotex.Glyph{0xF0, 0xF0, 0xF0, 0, 0, 0, 0, 0x0F, 0x0F, 0x0F}},
		{videotex.G0, 0x1F, videotex.Glyph{}},
		{videotex.G0, 0x80, videotex.Glyph{}},
		{videotex.G2, 0x20, videotex.Glyph{}},
		{videotex.G1, 0x40, videotex.Glyph{}},
		{videotex.Drcs0, 'A', videotex.Glyph{}},
		{videotex.Delimiter, 0, videotex.Glyph{}},
	} {
		if got := Glyph(test.set, test.code); got != test.want {
			t.Errorf("%d/%02X is % X, want % X", test.set, test.code, got, test.want)
		}
	}
}

func TestFontData(t *testing.T) {
	p := FontData()
	if len(p) != 1280 {
		t.Fatalf("%d bytes", len(p))
	}
	h, e := Glyph(videotex.G0, 'H'), Glyph(videotex.G2, 0x12)
	if !slices.Equal(p[('H'-0x20)*10:][:10], h[:]) || !slices.Equal(p[(96+0x12)*10:][:10], e[:]) {
		t.Error("the glyphs are not where they should be")
	}
}
