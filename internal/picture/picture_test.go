package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"moip/internal/testkit/golden"
	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func screenOf(stream string) *videotex.Screen {
	s := videotex.NewScreen()
	s.Write([]byte(stream))
	return s
}

// specimen shows all characters of the font, the sizes, the colours and what
// flashes, is masked, underlined or inverted.
func specimen() string {
	var b strings.Builder
	row := 0
	line := func(parts ...string) {
		row++
		fmt.Fprintf(&b, "\x1F%cA%s", 0x40+row, strings.Join(parts, ""))
	}
	french := func(text string) string { return string(videotex.Encode(text)) }
	for first := byte(0x20); first < 0x80; first += 0x10 {
		var chars strings.Builder
		for i := range byte(16) {
			fmt.Fprintf(&chars, "%c ", first+i)
		}
		line(chars.String())
	}
	line(french("à â ä ç è é ê ë î ï ô ö ù û ü œ Œ ß"))
	line(french("£ § ← ↑ → ↓ ° ± ÷ ¼ ½ ¾"))
	line(french("Portez ce vieux whisky au juge blond qui"))
	line(french("fume. Dès Noël, où un zéphyr haï me vêt"))
	line(french("de glaçons, je dîne d'exquis rôtis de"))
	line(french("bœuf au kir, à l'âge mûr, et cætera !"))
	line("PORTEZ CE VIEUX WHISKY AU JUGE BLOND QUI")
	row++
	line("\x1BMHaut\x1BL \x1BNLarge\x1BL \x1BOGrand\x1BL")
	line("\x0E", mosaics(0x20), "\x1BZ", mosaics(0x20))
	line("\x0E", mosaics(0x60), "\x1BZ", mosaics(0x60))
	for _, set := range []string{"\x1BP ", "\x1BW ", "\x1BD\x1BT \x1B]"} {
		line(set, "\x1B@noir \x1BArouge \x1BBvert \x1BCjaune \x1BDbleu \x1BFcyan")
	}
	line("\x1BHclignote \x1B]contre\x1BI\x1B\\ \x1BZ soulign", french("é"), "\x1BY \x1BX cach", french("é"), "\x1B_ vu")
	line("\x0E\x1BA\x1BR\x1BH\x1BZ\x57\x57\x1BY\x57")
	return b.String()
}

// mosaics are 16 mosaics that between them use every block.
func mosaics(first byte) string {
	var b strings.Builder
	for i := range byte(16) {
		b.WriteByte(first + i*2 + i&1)
	}
	return b.String()
}

// ours are the pages of our own that pictures are kept of.
var ours = []struct {
	name   string
	stream string
	o      Options
}{
	{"specimen", specimen(), Options{}},
	{"specimen-dark", specimen(), Options{Dark: true}},
	{"specimen-revealed", specimen() + "\x1B# _", Options{}},
	{"specimen-grey", specimen(), Options{Scale: 2, Grey: true}},
	{"cursor", "Envoi\x08\x08\x11", Options{Cursor: true}},
	{"columns80", "\x1B:2}80 colonnes, \x1B[1mgras\x1B[m, \x1B[4msoulign\x0E{\x0F\x1B[m, \x1B[7minverse\x1B[m ~{}[]^\\|`", Options{Cursor: true}},
}

func TestImage(t *testing.T) {
	for _, page := range ours {
		compare(t, page.name, Image(screenOf(page.stream), page.o))
	}
	pages, _ := filepath.Glob("../../videotex/testdata/*.vdt")
	if len(pages) == 0 {
		t.Fatal("no pages")
	}
	for _, page := range pages {
		stream, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, strings.TrimSuffix(filepath.Base(page), ".vdt"), Image(screenOf(string(stream)), Options{}))
	}
}

// compare compares m, pixel for pixel, with a picture on file, which -update
// writes.
func compare(t *testing.T, name string, m *image.Paletted) {
	t.Helper()
	path := filepath.Join("testdata", name+".png")
	if golden.Updating() {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatalf("%v (-update makes it)", err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if at, same := equal(m, want); !same {
		t.Errorf("%s differs from %s at %v", name, path, at)
	}
}

// equal reports whether two pictures are alike, and if not, the first place where
// they are not. GIF may have added to the colours.
func equal(a, b image.Image) (at image.Point, same bool) {
	p, q := a.(*image.Paletted), b.(*image.Paletted)
	if p.Rect != q.Rect || !slices.Equal(p.Palette[:8], q.Palette[:8]) {
		return p.Rect.Min, false
	}
	for i, c := range p.Pix {
		if c != q.Pix[i] {
			return p.Rect.Min.Add(image.Pt(i%p.Stride, i/p.Stride)), false
		}
	}
	return at, true
}

func TestScale(t *testing.T) {
	for _, test := range []struct {
		stream string
		scale  int
		want   image.Point
	}{
		{"", -1, image.Pt(320, 250)},
		{"", 0, image.Pt(320, 250)},
		{"", 3, image.Pt(960, 750)},
		{"", 99, image.Pt(2560, 2000)},
		{"\x1B:2}", 1, image.Pt(640, 500)},
		{"\x1B:2}", 2, image.Pt(1280, 1000)},
	} {
		m := Image(screenOf(test.stream+"A"), Options{Scale: test.scale})
		if m.Rect.Size() != test.want {
			t.Errorf("%q at scale %d is %v, want %v", test.stream, test.scale, m.Rect.Size(), test.want)
		}
	}
}

// TestShape tells what the display circuit makes of a character.
func TestShape(t *testing.T) {
	// A goes down to the right from the top left corner, and starts again.
	slope := define('A', videotex.Glyph{0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x81, 0x41}) + "\x1B( B"
	for _, test := range []struct {
		name, stream string
		row, column  int
		want         string
	}{
		{"as it is", slope + "A", 1, 1, "80 40 20 10 08 04 02 01 81 41"},
		{"double height, upper half", slope + "\n\x1BMA", 1, 1, "80 80 80 40 40 20 20 10 10 08"},
		{"double height, lower half", slope + "\n\x1BMA", 2, 1, "08 04 04 02 02 01 01 81 81 41"},
		{"double width, left half", slope + "\x1BNA", 1, 1, "C0 30 0C 03 00 00 00 00 C0 30"},
		{"double width, right half", slope + "\x1BNA", 1, 2, "00 00 00 00 C0 30 0C 03 03 03"},
		{"a right half at single width", slope + "\x1BNA\x08\x1BLA", 1, 2, "00 00 00 00 80 40 20 10 10 10"},
		{"underlined", "\x1BZ A", 1, 2, "00 18 24 42 42 7E 42 42 00 FF"},
		{"underlined, upper half", "\n\n\n\x1BZ \x1BMA", 3, 2, "00 00 00 18 18 24 24 42 42 42"},
		{"underlined, lower half", "\n\n\n\x1BZ \x1BMA", 4, 2, "42 7E 7E 42 42 42 42 00 00 FF"},
		{"mosaic", "\x0E\x29", 1, 1, "F0 F0 F0 0F 0F 0F 0F 00 00 00"},
		{"mosaic, separated", "\x0E\x1BZ\x29", 1, 1, "70 70 00 07 07 07 00 00 00 00"},
		{"mosaic, full and separated", "\x0E\x1BZ\x7F", 1, 1, "77 77 00 77 77 77 00 77 77 00"},
	} {
		s := screenOf(test.stream)
		if got := fmt.Sprintf("% X", shape(s, s.Cell(test.row, test.column))); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// define returns the stream that gives a character of G'0 its form.
func define(code byte, g videotex.Glyph) string {
	bits := new(big.Int).Lsh(new(big.Int).SetBytes(g[:]), 4)
	p := fmt.Appendf(nil, "\x1F#%c0", code)
	for shift := 78; shift >= 0; shift -= 6 {
		six := new(big.Int).Rsh(bits, uint(shift)).Uint64() & 0x3F
		p = append(p, 0x40|byte(six))
	}
	return string(p) + "0\x1FAA"
}

// FuzzImage shows whatever streams have drawn in every form.
func FuzzImage(f *testing.F) {
	for _, page := range ours {
		f.Add([]byte(page.stream), uint8(1))
	}
	f.Add([]byte("\x1B:2}A\x1B:2~\x1BNA\x08\x1BLB"), uint8(9))
	f.Fuzz(func(t *testing.T, stream []byte, how uint8) {
		stream = stream[:min(len(stream), 4096)]
		s := screenOf(string(stream))
		o := Options{Scale: int(how & 1), Grey: how&2 != 0, Dark: how&4 != 0, Cursor: how&8 != 0}
		m := Image(s, o)
		if m.Rect.Size() != frame(s.Columns() == 80, o) {
			t.Errorf("the picture is %v", m.Rect)
		}
		for i, c := range m.Pix {
			if c > 7 {
				t.Fatalf("colour %d at %d", c, i)
			}
		}
		for _, text := range []string{Text(s), ANSI(s, o)} {
			if n := strings.Count(text, "\n"); n != 25 {
				t.Errorf("%d lines", n)
			}
		}
		if how%8 == 0 {
			reread(t, Film(stream, 115200, o))
		}
	})
}

func BenchmarkImage(b *testing.B) {
	s := screenOf(specimen())
	b.ReportAllocs()
	for b.Loop() {
		Image(s, Options{})
	}
}

// TestANSILining looks for lining where a picture has it: under a large character
// once, and under nothing that is masked.
func TestANSILining(t *testing.T) {
	for _, test := range []struct {
		stream string
		rows   []int
	}{
		{"\n\x1BZ a", []int{2}},
		{"\n\x1BZ b\r\n\x1BZ \x1BMa", []int{3}},
		{"\n\x1BX\x1BZ a", nil},
		{"\n\x1BX\x1BZ a\x1B# _", []int{2}},
	} {
		var rows []int
		for row, line := range strings.Split(ANSI(screenOf(test.stream), Options{}), "\n") {
			if strings.Contains(line, "\x1B[0;4;") {
				rows = append(rows, row)
			}
		}
		if !slices.Equal(rows, test.rows) {
			t.Errorf("%q is underlined in rows %v, want %v", test.stream, rows, test.rows)
		}
	}
}

// TestText compares what is no picture with what is on file.
func TestText(t *testing.T) {
	s := screenOf(specimen())
	golden.CheckText(t, "testdata/specimen.txt", Text(s))
	short := screenOf("\x1BHa\x1BI\x1BQ \x1BCb\x1B]c\x1B\\ \x1BZ d\x1FBA\x0E\x1BD\x1BF\x29\x0F \x1BX cach\x19Be \x1FFA\x1BOG")
	golden.CheckText(t, "testdata/short.ansi", ANSI(short, Options{}))
	golden.CheckText(t, "testdata/short-grey.ansi", ANSI(short, Options{Grey: true}))
}
