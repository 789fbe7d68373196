// Package doctor looks at a gateway before callers do, and at a service before it is
// listed: what is in order, what is not, and what to do about it. It changes nothing,
// and takes a few seconds.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// A Level is how bad a Finding is.
type Level string

// The levels. A gateway runs with warnings, but not as its operator may think.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Problem Level = "problem"
)

// A Finding is what is known of one thing that was looked at.
type Finding struct {
	Level  Level  `json:"level"`
	Of     string `json:"of"`               // what was looked at, in a word or two
	Found  string `json:"found"`            // one line
	Advice string `json:"advice,omitempty"` // what to do about it, one line; never of an OK
}

// A Report is all that was found.
type Report struct {
	Findings []Finding `json:"findings"`
	Page     []string  `json:"page,omitempty"`  // of a service: its first, as rows of text
	Entry    string    `json:"entry,omitempty"` // of a service: what a directory may say of it, in TOML
}

// Bad reports whether there is a Problem.
func (r Report) Bad() bool {
	for _, f := range r.Findings {
		if f.Level == Problem {
			return true
		}
	}
	return false
}

// Print writes the report for people: a line for each finding, and one for the advice
// of those that have any.
func (r Report) Print(out io.Writer) error {
	var b strings.Builder
	wide := 0
	for _, f := range r.Findings {
		wide = max(wide, len([]rune(f.Of)))
	}
	counts := map[Level]int{}
	for _, f := range r.Findings {
		counts[f.Level]++
		fmt.Fprintf(&b, "%-8s %-*s  %s\n", f.Level, wide, f.Of, f.Found)
		if f.Advice != "" {
			fmt.Fprintf(&b, "%*s→ %s\n", 8+1+wide+2, "", f.Advice)
		}
	}
	if len(r.Page) > 0 {
		fmt.Fprintf(&b, "\nIts first page:\n\n")
		for _, row := range r.Page {
			fmt.Fprintf(&b, "  │ %s\n", row)
		}
	}
	if r.Entry != "" {
		fmt.Fprintf(&b, "\nFor a directory:\n\n%s", r.Entry)
	}
	fmt.Fprintf(&b, "\n%s\n", summary(counts))
	_, err := io.WriteString(out, b.String())
	return err
}

func summary(counts map[Level]int) string {
	if counts[Problem]+counts[Warning] == 0 {
		return "All is well."
	}
	return fmt.Sprintf("Problems: %d, warnings: %d.", counts[Problem], counts[Warning])
}

func good(of, format string, args ...any) Finding {
	return Finding{Level: OK, Of: of, Found: fmt.Sprintf(format, args...)}
}

func warning(of, advice, format string, args ...any) Finding {
	return Finding{Level: Warning, Of: of, Found: fmt.Sprintf(format, args...), Advice: advice}
}

func problem(of, advice, format string, args ...any) Finding {
	return Finding{Level: Problem, Of: of, Found: fmt.Sprintf(format, args...), Advice: advice}
}

// A check looks at one thing, called name. It heeds ctx where it waits for others.
type check struct {
	name string
	look func(ctx context.Context) []Finding
}

// always is a check whose result is there already.
func always(f ...Finding) check {
	return check{f[0].Of, func(context.Context) []Finding { return f }}
}

// patience bounds a check. A disk of the network may take no notice of a context.
const patience = 10 * time.Second

// run has all checks look at once, and returns what they find in their order.
func run(ctx context.Context, checks []check, patience time.Duration) []Finding {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	results := make([]chan []Finding, len(checks))
	for i, c := range checks {
		results[i] = make(chan []Finding, 1)
		go func() { results[i] <- c.look(ctx) }()
	}
	late := time.After(patience + time.Second)
	var all []Finding
	for i, c := range checks {
		select {
		case found := <-results[i]:
			all = append(all, found...)
		default:
			select {
			case found := <-results[i]:
				all = append(all, found...)
			case <-late:
				late = time.After(0) // for the next one, too
				all = append(all, problem(c.name, "see whether a disk or the network hangs", "nothing is known of it after %v", patience))
			}
		}
	}
	for i, f := range all {
		all[i].Of, all[i].Found, all[i].Advice = line(f.Of), line(f.Found), line(f.Advice)
	}
	return all
}

const maxLine = 300 // characters

// line returns text as it may stand in a line of a terminal: what peers have said may
// be in it.
func line(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
	if r := []rune(text); len(r) > maxLine {
		text = string(r[:maxLine-1]) + "…"
	}
	return text
}
