package report

import (
	"fmt"
	"slices"

	"moip/bench/result"
)

// Scenarios that targets and charts are about.
const (
	idle     = "idle"
	growth   = "growth"
	keys5000 = "keys"      // at 5,000 a second
	keys1000 = "keys-1000" // which everybody bears
	churn    = "churn"
)

// A target is what MoIP should achieve, at least, and what to go for.
type target struct {
	what     string
	scenario string
	path     string
	calls    int             // fewer say nothing
	figures  []result.Figure // the first of them that is known
	unit     string
	factor   float64 // from the figure to the unit
	atLeast  bound
	goFor    bound
}

// A bound is how much a figure may be, or, where more is better, must be.
type bound struct {
	limit   float64
	text    string // what it is, in words
	against string // the peer of which limit is a multiple, "" if it is in the target's unit
}

func atMost(limit float64, unit string) bound {
	return bound{limit: limit, text: fmt.Sprint(limit, " ", unit)}
}

func times(limit float64, peer string) bound {
	return bound{limit: limit, text: fmt.Sprintf("%v × %s", limit, peer), against: peer}
}

func part(n float64, peer string) bound {
	return bound{limit: 1 / n, text: fmt.Sprintf("1/%v of %s", n, peer), against: peer}
}

// smallest stands for the peer where a figure is compared with itself at the least number
// of calls.
const smallest = "the least calls"

var (
	rss = []result.Figure{result.RSSCall}
	cpu = []result.Figure{result.CPUMessage}
)

// targets are all of them. What a key allocates is none of these: a test keeps it at
// nothing.
var targets = []target{
	{"memory of an idle call, ws→ws", idle, "ws→ws", 9000, rss, "KiB", 1, atMost(6, "KiB"), times(1, "HAProxy HTTP")},
	{"memory of an idle call, ws→ws", idle, "ws→ws", 9000, rss, "KiB", 1, bound{}, atMost(3, "KiB")},
	{"memory of an idle call, TLS to the caller, wss→ws", idle, "wss→ws", 1000, rss, "KiB", 1, atMost(20, "KiB"), atMost(14, "KiB")},
	{"CPU for a key relayed, ws→ws", keys5000, "ws→ws", 9000, cpu, "µs", 1, times(1.3, "HAProxy HTTP"), times(1, "HAProxy HTTP")},
	{"latency of a key, p50, ws→ws", keys5000, "ws→ws", 9000, []result.Figure{result.P50}, "µs", 1, times(1, "HAProxy HTTP"), times(1, "nginx")},
	{"latency of a key, p99, ws→ws", keys5000, "ws→ws", 9000, []result.Figure{result.P99}, "µs", 1, times(1, "HAProxy HTTP"), times(1, "nginx")},
	{"new calls a second, page delivered, ws→ws", churn, "ws→ws", 1, []result.Figure{result.PerSecond}, "/s", 1, times(0.7, "HAProxy HTTP"), times(1, "HAProxy HTTP")},
	{"memory of an idle call, ws→tcp", idle, "ws→tcp", 100, rss, "KiB", 1, part(10, "websockify"), part(50, "websockify")},
	{"CPU for a key relayed, ws→tcp", keys1000, "ws→tcp", 100, cpu, "µs", 1, part(10, "websockify"), part(50, "websockify")},
	{"memory with 10,000 idle calls on the built-in portal", idle, "ws→builtin", 9000, []result.Figure{result.RSS}, "MB", 1.048576, atMost(80, "MB"), atMost(50, "MB")},
	{"growth of the memory of a call", growth, "ws→ws", 1000, rss, "KiB", 1, times(1.1, smallest), times(1.02, smallest)},
}

// targets shows all of them, and how far they are reached.
func (r *report) targets() string {
	var g grid
	head := []string{"what", "measured", "at least", "", "go for", ""}
	if r.several() {
		head = append(head, "run")
	}
	g.figures = len(head) // none to be set to the right
	g.add(head...)
	for _, t := range targets {
		measured := false
		for _, run := range r.runs {
			cells := t.cells(run)
			if cells == nil {
				continue
			}
			if measured = true; r.several() {
				cells = append(cells, fmt.Sprint(run.number))
			}
			g.add(cells...)
		}
		if !measured {
			cells := []string{t.what, "not measured", t.atLeast.text, "", t.goFor.text, "", ""}
			g.add(cells[:len(head)]...)
		}
	}
	return r.warning() + g.String()
}

// cells returns a row of the table, nil if the run has nothing about it.
func (t *target) cells(r *run) []string {
	rows, _ := r.rows(t.scenario)
	mine := t.of(rows)
	if mine == nil {
		return nil
	}
	measured := mine.first(t.figures).times(t.factor)
	cell := measured.String() + " " + t.unit
	if measured.rounds == 0 {
		cell = "failed"
	}
	return []string{t.what, cell,
		t.atLeast.text, t.verdict(rows, mine, t.atLeast),
		t.goFor.text, t.verdict(rows, mine, t.goFor)}
}

// of returns the row of ours that counts: that with the most calls, if they are enough.
func (t *target) of(rows []*row) (mine *row) {
	for _, w := range rows {
		if w.peer == ours && w.path == t.path && w.calls >= t.calls && (mine == nil || w.calls > mine.calls) {
			mine = w
		}
	}
	return mine
}

// first returns the first of the figures that is known.
func (w *row) first(figures []result.Figure) (s spread) {
	for _, f := range figures {
		if s = w.spread(f); s.rounds > 0 {
			break
		}
	}
	return s
}

// verdict says whether a bound is kept by the median, and else by how much it is missed.
func (t *target) verdict(rows []*row, mine *row, b bound) string {
	if b.text == "" {
		return ""
	}
	got := t.against(rows, mine, b)
	if got.rounds == 0 {
		return fmt.Sprintf("no %s beside it", b.against)
	}
	missed := got.median/b.limit - 1
	if moreIsBetter(t.figures[0]) {
		missed = 1 - got.median/b.limit
	}
	said := ""
	if b.against != "" {
		said = "× " + got.String() + ", "
	}
	if missed <= 0 {
		return said + "met"
	}
	if missed >= 1 {
		return fmt.Sprintf("%smissed, %s times as much", said, number(missed+1))
	}
	return fmt.Sprintf("%smissed by %s %%", said, percent(100*missed))
}

// against returns what a bound limits.
func (t *target) against(rows []*row, mine *row, b bound) spread {
	if b.against == "" {
		return mine.first(t.figures).times(t.factor)
	}
	var other *row
	for _, w := range rows {
		if w.path != t.path {
			continue
		}
		switch {
		case b.against == smallest:
			if w.peer == ours && w.calls < mine.calls && (other == nil || w.calls < other.calls) {
				other = w
			}
		case w.peer == b.against && (other == nil || apart(w.calls, mine.calls) < apart(other.calls, mine.calls)):
			other = w
		}
	}
	if other == nil {
		return spread{}
	}
	for _, f := range t.figures {
		if s := mine.ratio(other, f); s.rounds > 0 {
			return s
		}
	}
	return spread{}
}

func moreIsBetter(f result.Figure) bool {
	return slices.Contains([]result.Figure{result.PerSecond, result.Throughput}, f)
}
