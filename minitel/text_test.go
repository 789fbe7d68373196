package minitel_test

import (
	"testing"

	"moip/minitel"
	"moip/videotex"
)

func TestFit(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		fits6 string
	}{
		{"", 0, ""},
		{"été", 3, "été"},
		{"Noël à Évry", 11, "Noël à"},
		{"1000 €", 8, "1000 "},
		{"œuvre…", 8, "œuvre"},
		{"日本\x1b[A\xff\xff", 7, "日本\x1b[A\xff"},
	} {
		if got := minitel.Width(test.text); got != test.width {
			t.Errorf("%q has %d columns, not %d", test.text, got, test.width)
		}
		if got := minitel.Fit(test.text, 6); got != test.fits6 {
			t.Errorf("6 columns of %q are %q", test.text, got)
		}
		if got := minitel.Fit(test.text, -1); got != "" {
			t.Errorf("less than nothing of %q is %q", test.text, got)
		}
	}
}

// FuzzFit writes what fits, and looks where the cursor is then.
func FuzzFit(f *testing.F) {
	f.Add("l’œuvre à 12 €\xff…", 9)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = n & 0x1F
		text = minitel.Fit(text, n)
		s := videotex.NewScreen()
		s.Write(videotex.Page{}.At(3, 1).Text(text))
		if _, column, _ := s.Cursor(); column != 1+minitel.Width(text) || column > 1+n {
			t.Errorf("%q takes %d columns, not %d, and %d fit", text, column-1, minitel.Width(text), n)
		}
	})
}
