package minitel

import "moip/videotex"

// Width returns how many columns text takes on the screen: more than it has
// characters where the terminal has no form of one, as of €.
func Width(text string) int {
	n := 0
	for _, c := range text {
		n += columns(c)
	}
	return n
}

// Fit returns text, or as much of its beginning as n columns hold.
func Fit(text string, n int) string {
	for i, c := range text {
		if n -= columns(c); n < 0 {
			return text[:i]
		}
	}
	return text
}

func columns(c rune) int {
	if shown := videotex.Encode(string(c)); shown[0] != videotex.SS2 {
		return len(shown)
	}
	return 1
}
