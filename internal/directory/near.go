package directory

import (
	"cmp"
	"slices"
	"strings"
)

const (
	maxNear  = 3
	maxTyped = 4 * maxCode // bytes that may be a code, with room for blanks
)

// Near returns names, of up to 3 services, that are most like code, the most
// like it first. There is none if nothing is like it.
func (d *Directory) Near(code string) []string {
	if len(code) > maxTyped { // callers type what they like
		return nil
	}
	code = fold(normal(code))
	var best []guess
	for _, s := range d.services {
		g := guess{s.Name, unlike}
		for _, typed := range []string{code, withoutPalier(code)} {
			g.improve(typed, s.Name)
			for _, alias := range s.Aliases {
				g.improve(typed, alias)
			}
		}
		if g.score < unlike {
			best = append(best, g)
			slices.SortFunc(best, func(a, b guess) int { return cmp.Or(a.score-b.score, cmp.Compare(a.name, b.name)) })
			best = best[:min(len(best), maxNear)]
		}
	}
	var names []string
	for _, g := range best {
		names = append(names, g.name)
	}
	return names
}

// A guess is a name that may be meant; the lower the score, the better.
type guess struct {
	name  string
	score int
}

func (g *guess) improve(typed, name string) {
	if score := likeness(typed, name); score < g.score {
		g.name, g.score = name, score
	}
}

const unlike = 100

// likeness says how far name is from what was typed: a slip counts 2, the rest of
// a name 3, a part of it 5; more is unlike it.
func likeness(typed, name string) int {
	if typed == "" || name == "" {
		return unlike
	}
	short, long := typed, name
	if len(short) > len(long) {
		short, long = long, short
	}
	score, slips := unlike, min((len(long)+1)/3, 3)
	if len(long)-len(short) <= slips {
		if n := distance(short, long); n <= slips {
			score = 2 * n
		}
	}
	switch {
	case strings.HasPrefix(name, typed), len(name) > 2 && strings.HasPrefix(typed, name):
		score = min(score, 3)
	case len(short) > 2 && strings.Contains(long, short):
		score = min(score, 5)
	}
	return score
}

// distance counts the slips between a and b: a letter more, a letter less, another
// letter, or two neighbours that change places. Of long words it sees the first
// 40 bytes.
func distance(a, b string) int {
	const most = 40
	a, b = a[:min(len(a), most)], b[:min(len(b), most)]
	var before, last, row [most + 1]int // of a table with a's prefixes down and b's across
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		before, last = last, row
		row[0] = i + 1
		for j := range len(b) {
			slip := 1
			if a[i] == b[j] {
				slip = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+slip)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
