package portal

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"moip/minitel"
	"moip/videotex"
)

// fit cuts text to n characters.
func fit(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n])
	}
	return text
}

// spread returns left and right at the ends of n columns.
func spread(left, right string, n int) string {
	left = fit(left, n-utf8.RuneCountInString(right)-1)
	return left + strings.Repeat(" ", n-utf8.RuneCountInString(left)-utf8.RuneCountInString(right)) + right
}

// duration writes d in French, to the second.
func duration(d time.Duration) string {
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0:
		return fmt.Sprintf("%d h %02d min", h, m)
	case m > 0:
		return fmt.Sprintf("%d min %02d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}

// wrap divides text into lines of at most n characters, between words; its own
// line breaks stay.
func wrap(text string, n int) (lines []string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			switch {
			case line == "":
				line = fit(word, n)
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= n:
				line += " " + word
			default:
				lines, line = append(lines, line), fit(word, n)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// key shows the name of a function key as it looks.
func key(t *minitel.Terminal, row, column int, name string) {
	t.At(row, column).Attr(videotex.Inverse).Text(" " + name + " ")
}

// title begins a page.
func title(t *minitel.Terminal, text, right string) {
	t.At(1, 1).Attr(videotex.Background + videotex.Blue).Text(spread(" "+text, right+" ", 40))
	t.At(2, 1).Attr(videotex.Cyan).Repeat(0x7E, 40)
}

func plural(n int, word string) string {
	if n > 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
