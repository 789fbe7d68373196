package picture

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moip/videotex"
)

// TestCorpusPictures compares pictures with those that a genuine Minitel 12 has
// drawn: what is no letter pixel for pixel, letters, whose form is ours, by their
// place, their colours and their lining. The corpus is other people's work and no part of this
// project; the environment variable MOIP_CORPUS says where it is.
func TestCorpusPictures(t *testing.T) {
	dir := os.Getenv("MOIP_CORPUS")
	if dir == "" {
		t.Skip("MOIP_CORPUS is not set: the corpus is not here, only pages of our own are tested")
	}
	pictures, _ := filepath.Glob(filepath.Join(dir, "open", "*.png"))
	if len(pictures) == 0 {
		t.Fatal("no pictures")
	}
	for _, path := range pictures {
		name, dark := strings.CutSuffix(strings.TrimSuffix(path, ".png"), ".flash")
		stream, err := os.ReadFile(name + ".vdt")
		if err != nil {
			t.Fatal(err)
		}
		s := screenOf(string(stream))
		got, want := Image(s, Options{Dark: dark}), readPicture(t, path)
		differ := 0
		for row := range 25 {
			for x, c := range s.Row(row) {
				if row == 0 && x >= 36 { // where the terminal has its own letter
					continue
				}
				if c.Set == videotex.Drcs0 && c.Code == 0x40 {
					continue // left blank in the picture of the one page that has it, though it is defined
				}
				if !alike(got, want, row, x, c) {
					t.Logf("%s: row %d, column %d: %+v", filepath.Base(path), row, x+1, c)
					differ++
				}
			}
		}
		if differ > 0 {
			t.Errorf("%s: %d cells differ", filepath.Base(path), differ)
		}
	}
}

func readPicture(t *testing.T, path string) *image.Paletted {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*image.Paletted)
}

// alike reports whether two pictures are alike where they show c.
func alike(a, b *image.Paletted, row, x int, c videotex.Cell) bool {
	r := cellAt(row, x)
	letter := c.Set == videotex.G2 || c.Set == videotex.G0 && !strings.ContainsRune(" _`{|}~\x7F", rune(c.Code)) // rules have one form
	if !letter {
		return string(inside(a, r)) == string(inside(b, r))
	}
	if most(inside(a, r)) != most(inside(b, r)) {
		return false
	}
	if line := image.Rect(r.Min.X, r.Max.Y-1, r.Max.X, r.Max.Y); c.Attr&videotex.Lined != 0 && !upper(c) {
		if string(inside(a, line)) != string(inside(b, line)) {
			return false
		}
	}
	// Of a large character, half may be without ink.
	if c.Attr&videotex.Right != 0 {
		r.Min.X -= 8
	} else if c.Attr&videotex.Wide != 0 {
		r.Max.X += 8
	}
	if c.Attr&videotex.Bottom != 0 {
		r.Min.Y -= 10
	} else if c.Attr&videotex.Tall != 0 {
		r.Max.Y += 10
	}
	return colors(inside(a, r)) == colors(inside(b, r))
}

func cellAt(row, x int) image.Rectangle { return image.Rect(8*x, 10*row, 8*x+8, 10*row+10) }

// inside returns the pixels in r.
func inside(m *image.Paletted, r image.Rectangle) (all []byte) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		all = append(all, m.Pix[m.PixOffset(r.Min.X, y):][:r.Dx()]...)
	}
	return all
}

// colors returns the set of colours among some pixels.
func colors(pixels []byte) (set byte) {
	for _, c := range pixels {
		set |= 1 << c
	}
	return set
}

// most returns the colour that most of some pixels have: around a letter, that of
// the paper.
func most(pixels []byte) byte {
	var n [8]int
	for _, c := range pixels {
		n[c]++
	}
	return byte(slices.Index(n[:], slices.Max(n[:])))
}
