package portal

import (
	"fmt"

	"moip/videotex"
)

// The home page: title on rows 1 to 2, who calls on row 3, services on rows 6
// to 16, the code field on row 19, messages on row 22, keys on row 24.
const (
	listRow     = 7
	listed      = 10 // services on a page
	fieldRow    = 19
	fieldColumn = 14
	fieldLength = 20
)

var goodbye = videotex.Page{}.Clear().
	At(11, 8).Attr(videotex.DoubleHeight).Text("Merci de votre visite").
	At(13, 16).Text("Au revoir")

// home draws the page, and asks the terminal who it is if it has not told.
func (d *desk) home(out videotex.Page) videotex.Page {
	out = out.Clear().
		At(2, 2).Attr(videotex.Cyan, videotex.DoubleSize).Text("MoIP").
		At(2, 12).Attr(videotex.White).Text("Minitel sur IP").
		At(4, 1).Attr(videotex.Blue).Repeat('`', 40)
	out = d.line(out, 3, d.caller())
	out = out.At(5, 2).Attr(videotex.Yellow).Text("Services")
	out = d.list(out, d.first)
	out = out.At(fieldRow, 2).Text("Code :").
		At(24, 2).Text("Valider").Attr(videotex.Inverse).Text(" Envoi ").
		At(24, 20).Text("Quitter").Attr(videotex.Inverse).Text(" Cx/Fin ")
	out = d.drawField(out)
	if d.terminal == "" {
		out = append(out, videotex.ESC, 0x39, 0x7B)
	}
	return out
}

// list shows the services from the index first, if there are any there.
func (d *desk) list(out videotex.Page, first int) videotex.Page {
	all := d.portal.services.Services()
	if first < 0 || first > 0 && first >= len(all) {
		return append(out, videotex.BEL)
	}
	d.first = first
	for i := range listed {
		out = out.At(listRow+i, 1)
		if n := first + i; n < len(all) {
			out = out.Attr(videotex.Green).Text(fmt.Sprintf(" %-12.12s", all[n].Name)).
				Attr(videotex.White).Text(fit(" "+all[n].Title, 26))
		} else if n == 0 {
			out = out.Text(" Aucun service dans l'annuaire")
		}
		out = append(out, videotex.CAN)
	}
	out = out.At(listRow+listed, 2)
	if len(all) > listed {
		out = out.Attr(videotex.Cyan).Text(fmt.Sprintf("%d services", len(all))).Text("  Suite  Retour")
	}
	return out
}

// fit cuts text to n characters.
func fit(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n])
	}
	return text
}

func (d *desk) caller() string {
	if d.terminal != "" {
		return d.addr.String() + ", " + d.terminal
	}
	return d.addr.String()
}

// line replaces the text of a row.
func (d *desk) line(out videotex.Page, row int, text string) videotex.Page {
	return append(out.At(row, 2).Text(fit(text, 38)), videotex.CAN)
}

func (d *desk) drawField(out videotex.Page) videotex.Page {
	out = out.At(fieldRow, fieldColumn).Repeat('.', fieldLength).At(fieldRow, fieldColumn)
	return append(append(out, d.field...), videotex.CON)
}

// cursor puts the cursor where the next character goes, and shows it.
func (d *desk) cursor() []byte {
	return append(videotex.Page{}.At(fieldRow, fieldColumn+len(d.field)), videotex.CON)
}
