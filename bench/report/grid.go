package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A grid is a table of Markdown. Its cells are plain text; the first row is the head. The
// columns from figures on are set to the right.
type grid struct {
	figures int
	rows    [][]string
}

func (g *grid) add(cells ...string) {
	for i, c := range cells {
		cells[i] = plain(c)
	}
	g.rows = append(g.rows, cells)
}

// String returns the table, its columns aligned so that it can be read in a terminal too.
func (g *grid) String() string {
	widths := make([]int, len(g.rows[0]))
	for _, cells := range g.rows {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c), 3)
		}
	}
	var b strings.Builder
	for i, cells := range g.rows {
		for column, c := range cells {
			gap := strings.Repeat(" ", widths[column]-utf8.RuneCountInString(c))
			if column >= g.figures {
				b.WriteString("| " + gap + c + " ")
			} else {
				b.WriteString("| " + c + gap + " ")
			}
		}
		b.WriteString("|\n")
		if i > 0 {
			continue
		}
		for column, width := range widths {
			line := strings.Repeat("-", width+2)
			if column >= g.figures {
				line = line[1:] + ":"
			}
			b.WriteString("|" + line)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// plain returns text that stands for itself in Markdown, a comment's markers and a
// table's columns included, on one line.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("|\\`*_[]~", r):
			b.WriteRune('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteRune(' ')
		}
	}
	return b.String()
}

// short cuts what programs may say at length.
func short(text string) string {
	const most = 200
	if all := []rune(text); len(all) > most {
		return string(all[:most]) + "…"
	}
	return text
}

// about says on what, when and with what a run was measured.
func (r *run) about() string {
	text := fmt.Sprintf("%s: %s; MoIP at %s", strings.TrimSpace(r.Date+" "+r.Time), r.Machine, r.commit())
	for _, name := range sortedKeys(r.Versions) {
		text += fmt.Sprintf(", %s %s", name, r.Versions[name])
	}
	return text
}

func (r *run) commit() string {
	if r.Commit == "" {
		return "an unknown commit"
	}
	return r.Commit
}
