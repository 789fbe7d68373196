package prise

import (
	"fmt"

	"moip/videotex"
)

// welcome is what the Minitel shows between calls, with the speed of its line.
func welcome(speed int) []byte {
	return videotex.Page(videotex.Article("")).Clear().
		At(7, 13).Attr(videotex.DoubleHeight).Text("Minitel sur IP").
		At(11, 6).Text("Appuyez sur une touche pour").
		At(13, 6).Attr(videotex.Inverse).Text(" appeler ").
		At(24, 2).Attr(videotex.Blue).Text(fmt.Sprintf("Ligne à %d bit/s", speed))
}

// stopped is what it shows once nobody attends to it any more.
var stopped = videotex.Page(videotex.Article("")).Clear().
	At(12, 6).Text("La passerelle est arrêtée.")
