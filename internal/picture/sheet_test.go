package picture

import (
	"strings"
	"testing"
)

func TestSheet(t *testing.T) {
	pages := []Page{
		{"Télétel", screenOf("\n\n\x1BOT\x19Bel\x19Betel")},
		{"mosaïques, " + strings.Repeat("long ", 9), screenOf("\x0E\x1BB\x69\x12\x7F\x1BF\x12\x7F")},
		{"日本", screenOf("\x1BT bleu")},
	}
	for name, o := range map[string]Options{"sheet": {}, "sheet-grey": {Grey: true, Scale: 2}} {
		sheet, err := Sheet(pages, o)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, name, sheet)
	}
	sheet, err := Sheet(append(pages[:1:1], Page{"80", screenOf("\x1B:2}Mixte")}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "sheet-80", sheet)
	if _, err := Sheet(make80(60), Options{Scale: 8}); err == nil {
		t.Error("a sheet of 60 screens, eight times as large with 80 columns, is made")
	}
	if sheet, err := Sheet(nil, Options{}); err != nil || sheet.Rect.Empty() {
		t.Error("a sheet of no screens is", sheet.Rect, err)
	}
}

func make80(n int) (pages []Page) {
	for range n {
		pages = append(pages, Page{Screen: screenOf("\x1B:2}")})
	}
	return pages
}
