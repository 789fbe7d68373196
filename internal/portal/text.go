package portal

import (
	"fmt"
	"strings"
	"time"

	"moip/internal/tariff"
	"moip/minitel"
	"moip/videotex"
)

// spread returns left and right at the ends of n columns. If there is not room
// for both, right has it.
func spread(left, right string, n int) string {
	right = minitel.Fit(right, n)
	left = minitel.Fit(left, n-minitel.Width(right)-1)
	return left + strings.Repeat(" ", n-minitel.Width(left)-minitel.Width(right)) + right
}

// of returns a name and what there is to say of it, on a row of 38 columns.
func of(name, text string) string {
	return minitel.Fit(name, 38-minitel.Width(text)) + text
}

// price tells what a service costs, with its palier, or as much of it as has room
// in n columns.
func price(t tariff.Tariff, n int) string {
	all := t.String()
	for _, text := range []string{strings.TrimSpace(t.Palier + "  " + all), all, t.Palier} {
		if text != "" && minitel.Width(text) <= n {
			return text
		}
	}
	return "payant"
}

// prices tells all of that, on lines of at most n columns.
func prices(t tariff.Tariff, n int) []string {
	if all := strings.TrimSpace(t.Palier + "  " + t.String()); minitel.Width(all) <= n {
		return []string{all}
	}
	return wrap(strings.TrimSpace(t.Palier+"\n"+t.String()), n)
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

// wrap divides text into lines of at most n columns, between words if they are no
// longer than that; its own line breaks stay.
func wrap(text string, n int) (lines []string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if line != "" && minitel.Width(line)+1+minitel.Width(word) <= n {
				line += " " + word
				continue
			}
			if line != "" {
				lines = append(lines, line)
			}
			for line = word; minitel.Width(line) > n; {
				head := minitel.Fit(line, n)
				lines, line = append(lines, head), line[len(head):]
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

// numbered shows the entry n of a list, over 38 columns.
func numbered(t *minitel.Terminal, row, n int, color byte, left, right string) {
	number := fmt.Sprintf("%3d ", n)
	t.At(row, 2).Attr(videotex.Yellow).Text(number).Attr(color).Text(spread(left, right, 38-len(number)))
}

func plural(n int, word string) string {
	if n > 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
