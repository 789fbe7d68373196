package minitel

import "moip/videotex"

// Width returns how many columns text takes on the screen; see videotex.Width.
func Width(text string) int { return videotex.Width(text) }

// Fit returns text, or as much of its beginning as n columns hold.
func Fit(text string, n int) string {
	for i, c := range text {
		if n -= Width(string(c)); n < 0 {
			return text[:i]
		}
	}
	return text
}
