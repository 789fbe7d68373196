package picture

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"moip/videotex"
)

// A Page is a screen with a caption.
type Page struct {
	Caption string
	Screen  *videotex.Screen
}

// The board on which a sheet's pictures lie is of a colour that no screen has,
// after those of screens.
const board = 8

var boardColor = color.RGBA{64, 64, 72, 255}

// Sheet returns the pictures of several screens on one, in the order of reading,
// each above its caption. What does not fit the width of its picture is cut from
// a caption, and characters that the font lacks are shown as "?".
//
// There is an error if the sheet is so large that it would be of no use: over
// 128 million pixels.
func Sheet(pages []Page, o Options) (*image.Paletted, error) {
	wide := false
	for _, p := range pages {
		wide = wide || p.Screen.Columns() == 80
	}
	size := frame(wide, o)
	dot := size.X / 320
	tile := size.Add(image.Pt(8, 18).Mul(dot)) // with a margin and the caption
	columns := int(math.Ceil(math.Sqrt(float64(len(pages)))))
	rows := (len(pages) + columns - 1) / max(columns, 1)
	whole := image.Rect(0, 0, columns*tile.X+8*dot, rows*tile.Y+8*dot)
	if whole.Dx()*whole.Dy() > mostPixels {
		return nil, fmt.Errorf("%d screens of %d x %d pixels are too many for a sheet (choose a smaller scale, or fewer)", len(pages), size.X, size.Y)
	}
	colors := append(o.palette()[:8:8], boardColor)
	sheet := image.NewPaletted(whole, colors)
	fill(sheet, board)
	for i, p := range pages {
		at := image.Pt(i%columns*tile.X, i/columns*tile.Y).Add(image.Pt(8, 8).Mul(dot))
		m := dots(p.Screen, o)
		lay(sheet, at, enlarged(m, m.Rect, size))
		text := caption(p.Caption, colors)
		lay(sheet, at.Add(image.Pt(0, size.Y+3*dot)), enlarged(text, text.Rect, text.Rect.Size().Mul(dot)))
	}
	return sheet, nil
}

// lay copies m on the sheet. All colours of m are the sheet's, by number.
func lay(sheet *image.Paletted, at image.Point, m *image.Paletted) {
	for y := range m.Rect.Dy() {
		copy(sheet.Pix[sheet.PixOffset(at.X, at.Y+y):], m.Pix[y*m.Stride:][:m.Stride])
	}
}

func fill(m *image.Paletted, c uint8) {
	for i := range m.Pix {
		m.Pix[i] = c
	}
}

// caption draws a line of at most 40 characters.
func caption(text string, colors color.Palette) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, 320, 10), colors)
	fill(m, board)
	x := 0
	for _, r := range text {
		if x == 40 {
			break
		}
		stamp(m, image.Pt(8*x, 0), letter(r), uint8(videotex.White&7), board)
		x++
	}
	return m
}
