package services

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"

	"moip/minitel"
	"moip/videotex"
)

// paris is where callers are. A machine that does not know the zone shows its
// own: the zones of the whole world would be half a megabyte of the binary.
var paris = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.Local
	}
	return zone
})

// A heure shows date and time. It keeps what the screen shows, and sends only
// what changes.
type heure struct {
	face       face
	date, zone string
}

const (
	faceRow = 11
	dateRow = 8
	zoneRow = 18
)

func (h *heure) Draw(t *minitel.Terminal) {
	title(t, videotex.Yellow, "HEURE", "l'horloge, sans parler")
	keys(t, "Répétition", "page", "Sommaire", "quitter")
	*h = heure{face: blankFace}
	h.Notice(t)
}

func (h *heure) Key(t *minitel.Terminal, k minitel.Key) {
	if k == minitel.Retour {
		k = minitel.Sommaire
	}
	others(t, k)
}

// Notice shows the time, and asks to be called at the next second.
func (h *heure) Notice(t *minitel.Terminal) {
	now := time.Now().In(paris())
	if date := inFrench(now); date != h.date {
		t.At(dateRow, 5).Attr(videotex.DoubleHeight).Text(center(date, 32))
		h.date = date
	}
	if zone := zoneName(now); zone != h.zone {
		t.At(zoneRow, 1).Attr(videotex.Yellow).Text(center(zone, 40))
		h.zone = zone
	}
	face := faceAt(now)
	h.face.change(t, face)
	h.face = face
	t.Alarm(time.Until(now.Truncate(time.Second).Add(time.Second)))
}

var (
	days   = [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	months = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août",
		"septembre", "octobre", "novembre", "décembre"}
)

func inFrench(t time.Time) string {
	day := fmt.Sprint(t.Day())
	if day == "1" {
		day = "1er"
	}
	return fmt.Sprintf("%s %s %s %d", days[t.Weekday()], day, months[t.Month()-1], t.Year())
}

func zoneName(t time.Time) string {
	name := "Heure d'hiver de Paris"
	switch {
	case t.Location() == time.Local:
		name = "Heure locale du serveur"
	case t.IsDST():
		name = "Heure d'été de Paris"
	}
	return name + t.Format(" (UTC-07:00)")
}

// A face is the time in mosaics: codes of the set G1.
type face [5][40]byte

// digits are the ten digits, of 8 by 15 blocks each.
//
//go:embed digits.txt
var digits string

// glyphs are the digits as cells of two by three blocks.
var glyphs = func() (g [10][5][4]byte) {
	for y, line := range strings.Split(strings.TrimSpace(digits), "\n") {
		for x, block := range line {
			if digit, x := x/9, x%9; block == '#' {
				g[digit][y/3][x/2] |= 1 << (y%3*2 + x%2)
			}
		}
	}
	return g
}()

var blankFace = func() (f face) {
	for y := range f {
		for x := range f[y] {
			f[y][x] = ' '
		}
	}
	return f
}()

func faceAt(t time.Time) face {
	f := blankFace
	for i, at := range [...]int{3, 8, 15, 20, 27, 32} {
		for y, row := range glyphs[t.Format("150405")[i]-'0'] {
			for x, blocks := range row {
				f[y][at+x] = videotex.Mosaic(blocks)
			}
		}
	}
	for _, x := range [...]int{13, 25} { // colons
		f[1][x], f[3][x] = 0x7F, 0x7F
	}
	return f
}

// change makes f, which is shown, into g. To go elsewhere on a row takes four
// bytes, so that fewer cells between two that change are sent along.
func (f *face) change(t *minitel.Terminal, g face) {
	for y := range g {
		for x := 0; x < 40; x++ {
			if f[y][x] == g[y][x] {
				continue
			}
			end := x + 1
			for i := end; i < min(end+5, 40); i++ {
				if f[y][i] != g[y][i] {
					end = i + 1
				}
			}
			t.At(faceRow+y, x+1).Write([]byte{videotex.SO}).Write(g[y][x:end])
			x = end
		}
	}
}
