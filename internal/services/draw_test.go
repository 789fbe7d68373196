package services

import (
	"bytes"
	"os"
	"testing"

	"moip/internal/testkit/golden"
	"moip/videotex"
)

//go:generate go test -run TestOwnPages -update

// Our own pages are drawn here, and kept as files to be embedded.
var drawings = map[string]func() videotex.Page{
	"1-accueil.vdt":  welcome,
	"2-montagne.vdt": mountain,
	"3-dossier.vdt":  explanation,
}

func TestOwnPages(t *testing.T) {
	for name, draw := range drawings {
		page := draw()
		if golden.Updating() {
			os.WriteFile("pages/"+name, page, 0o666)
		}
		kept, err := os.ReadFile("pages/" + name)
		if err != nil || !bytes.Equal(kept, page) {
			t.Errorf("%s is not what is drawn: %v (go generate)", name, err)
		}
		if len(page) > 1500 { // 12 s at 1200 bit/s
			t.Errorf("%s has %d bytes", name, len(page))
		}
		t.Logf("%s: %d bytes", name, len(page))
	}
}

func welcome() videotex.Page {
	// Three sheets, one over the other, and a sun on the topmost.
	var p picture
	for i := range 3 {
		x, y := 4+i*4, 9+i*6
		p.fill(x, y, x+26, y+24, []int{4, 5, 7}[i])
		p.fill(x+1, y+1, x+25, y+23, []int{1, 6, 0}[i])
	}
	p.disc(30, 28, 4, 3)
	for x := 13; x < 37; x++ {
		p.fill(x, min(slope(x, 18, 35), slope(x, 29, 38), 42), x+1, 44, 2)
	}
	page := p.page(4, 17).
		At(6, 21).Attr(videotex.Yellow, videotex.DoubleSize).Text("PAGES").
		At(9, 23).Text("un album de pages").
		At(10, 23).Text("Vidéotex").
		At(13, 23).Text("Il tourne de lui-").
		At(14, 23).Text("même après Envoi.")
	for i, key := range [][2]string{
		{" Suite  ", "page suivante"}, {" Retour ", "page précédente"}, {" Guide  ", "liste des pages"}, {" Envoi  ", "défilement"},
	} {
		page = page.At(19+i, 4).Attr(videotex.Inverse).Text(key[0]).Attr(videotex.Positive).Text("  " + key[1])
	}
	return page.At(24, 4).Text("Un numéro et").Attr(videotex.Inverse).Text(" Envoi ").Attr(videotex.Positive).Text(" : cette page")
}

func explanation() videotex.Page {
	p := videotex.Page{}.Clear().
		At(3, 3).Attr(videotex.Cyan, videotex.DoubleHeight).Text("Montrez vos propres pages").
		At(4, 1).Attr(videotex.Cyan).Repeat('`', 40)
	for i, line := range []string{
		"Réunissez-les dans un dossier de la",
		"passerelle, et nommez-le dans sa",
		"configuration.",
		"",
		"Les fichiers .vdt ou .vtx se suivent",
		"par ordre alphabétique :",
	} {
		p = p.At(7+i, 3).Text(line)
	}
	for i, name := range []string{"01-bienvenue.vdt", "02-actualites.vdt", "03-recettes.vtx"} {
		p = p.At(14+i, 6).Attr(videotex.Yellow).Text(name)
	}
	return p.At(18, 3).Text("Une page a 64 Kio au plus, et reste").
		At(19, 3).Text("telle que vous l'avez dessinée.").
		At(22, 3).Text("Un dossier se lit à chaque visite.")
}

// mountain is a lake by night.
func mountain() videotex.Page {
	const black, red, green, yellow, blue, cyan, white = 0, 1, 2, 3, 4, 6, 7
	var p picture
	for _, star := range [][2]int{{5, 4}, {14, 11}, {23, 3}, {31, 9}, {40, 5}, {47, 14}, {71, 4}, {76, 19}, {9, 20}, {52, 2}} {
		p.dot(star[0], star[1], white)
	}
	p.disc(61, 12, 6, yellow)
	for x := range 80 {
		top := min(slope(x, 22, 14), slope(x, 44, 24), slope(x, 70, 20))
		p.fill(x, top, x+1, 48, blue)
		p.fill(x, top, x+1, min(top+3, 28)+x%4, white)
		p.fill(x, 48-(x/3)%3, x+1, 50, green)
	}
	p.fill(0, 50, 80, 69, cyan)
	for i, width := range []int{11, 7, 9, 4, 6, 3} { // the moon on the water
		p.fill(61-width, 52+i*3, 61+width, 53+i*3, white)
	}
	for i, x := range []int{6, 17, 28} {
		for y := range 21 - 4*i {
			half := y%6 + y/6
			p.fill(x-half, 46+4*i+y, x+half+1, 47+4*i+y, green)
		}
		p.fill(x, 66, x+2, 69, red)
	}
	return p.page(1, 23).At(24, 11).Attr(videotex.Cyan).Text("Le lac, un soir d'été")
}

// slope is how high a mountain is at x, with its peak at row top above column at.
func slope(x, at, top int) int {
	d := x - at
	if d < 0 {
		d = -d * 5 / 4
	}
	return top + d
}

// A picture has 80 by 72 points, each of a colour.
type picture [72][80]byte

func (p *picture) dot(x, y, color int) {
	if x >= 0 && x < 80 && y >= 0 && y < 72 {
		p[y][x] = byte(color)
	}
}

func (p *picture) fill(x0, y0, x1, y1, color int) {
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			p.dot(x, y, color)
		}
	}
}

func (p *picture) disc(x0, y0, r, color int) {
	for y := -r; y <= r; y++ {
		for x := -r; x <= r; x++ {
			if x*x+y*y <= r*r {
				p.dot(x0+x, y0+y, color)
			}
		}
	}
}

// page returns the picture as mosaics on the given rows.
func (p *picture) page(from, to int) videotex.Page {
	page := videotex.Page{}.Clear().At(from, 1)
	page = append(page, videotex.SO)
	ink, paper := byte(7), byte(0)
	for row := from; row <= to; row++ {
		for column := 0; column < 40; {
			blocks, i, b := p.cell(row-1, column, ink, paper)
			n := 1
			for column+n < 40 {
				if again, i2, b2 := p.cell(row-1, column+n, i, b); again != blocks || i2 != i || b2 != b {
					break
				}
				n++
			}
			if i != ink {
				page = page.Attr(0x40 | i)
			}
			if b != paper {
				page = page.Attr(0x50 | b)
			}
			code := videotex.Mosaic(blocks)
			if n == 2 {
				page = append(page, code, code)
			} else {
				page = page.Repeat(code, n)
			}
			ink, paper, column = i, b, column+n
		}
	}
	return page
}

// cell returns the blocks of a cell that are lit, and its two colours, with as
// little change from those before as can be. A third colour counts as paper.
func (p *picture) cell(row, column int, ink, paper byte) (blocks, newInk, newPaper byte) {
	var count [8]int
	for n := range 6 {
		count[p[row*3+n/2][column*2+n%2]]++
	}
	a := most(count)
	count[a] = 0
	b := most(count)
	switch plain := count[b] == 0; {
	case plain && a == paper:
	case plain && a == 0:
		paper = 0 // so that text over it is on black
	case plain:
		ink = a
	case b == ink || a == paper:
		ink, paper = b, a
	default:
		ink, paper = a, b
	}
	for n := range 6 {
		if p[row*3+n/2][column*2+n%2] == ink {
			blocks |= 1 << n
		}
	}
	return blocks, ink, paper
}

// most returns the colour that there is most of.
func most(count [8]int) (color byte) {
	for c := range byte(8) {
		if count[c] > count[color] {
			color = c
		}
	}
	return color
}
