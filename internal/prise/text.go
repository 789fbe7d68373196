package prise

import (
	"fmt"

	"moip/videotex"
)

// welcome is what the Minitel shows between calls, with the speed of its line. Row 00
// stays as it is: it may say why the last call is over.
func welcome(speed int) []byte {
	return videotex.Page{}.Clear().
		At(7, 13).Attr(videotex.DoubleHeight).Text("Minitel sur IP").
		At(12, 3).Text("Appuyez sur une touche pour appeler.").
		At(24, 2).Attr(videotex.Cyan).Text(fmt.Sprintf("Ligne à %d bit/s", speed))
}

// stopped is what it shows once nobody attends to it any more.
var stopped = videotex.Page{}.Clear().
	At(12, 6).Text("La passerelle est arrêtée.")
