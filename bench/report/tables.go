package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moip/bench/result"
)

// Peers that have a place of their own in tables.
const (
	ours   = "MoIP"
	direct = "direct" // nothing between callers and service
)

// figures is how each figure is shown, in the order of columns.
var figures = []struct {
	result.Figure
	title string
}{
	{result.RSSCall, "RSS a call, KiB"},
	{result.PSSCall, "PSS a call, KiB"},
	{result.RSS, "RSS in all, MiB"},
	{result.Descriptors, "descriptors a call"},
	{result.CPUMessage, "CPU a message, µs"},
	{result.CPUCall, "CPU a call, µs"},
	{result.CPUCores, "CPU, cores"},
	{result.Switches, "context switches a message"},
	{result.P50, "p50, µs"},
	{result.P99, "p99, µs"},
	{result.Worst, "slowest, µs"},
	{result.AllReached, "all reached, ms"},
	{result.PerSecond, "in a second"},
	{result.Throughput, "KiB/s"},
	{result.LoadCPU, "CPU of callers and service a message, µs"},
	{result.Unanswered, "unanswered"},
}

// A report is a file of measurements.
type report struct {
	runs []*run
}

// several reports whether there are rows of several runs to tell apart.
func (r *report) several() bool { return len(r.runs) > 1 }

// warning says that rows come from several runs, "" if they do not.
func (r *report) warning() string {
	if !r.several() {
		return ""
	}
	return fmt.Sprintf("**These rows come from %d runs.** Their numbers are those of the list above; each ratio is of one run.\n\n", len(r.runs))
}

// about lists the runs.
func (r *report) about() string {
	if !r.several() {
		return plain(r.runs[0].about()) + ".\n"
	}
	var b strings.Builder
	for _, run := range r.runs {
		fmt.Fprintf(&b, "%d. %s.\n", run.number, plain(run.about()))
	}
	return b.String()
}

// scenarios returns the names of all that was measured in any run.
func (r *report) scenarios() (names []string) {
	for _, run := range r.runs {
		for _, name := range run.scenarios() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

const notMeasured = "Not measured.\n"

// scenario shows all that was measured in one, a table for each run.
func (r *report) scenario(name string) string {
	var b strings.Builder
	for _, run := range r.runs {
		rows, rounds := run.rows(name)
		if len(rows) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		if r.several() {
			fmt.Fprintf(&b, "Run %d. ", run.number)
		}
		fmt.Fprintf(&b, "%s:\n\n%s%s", medians(rounds), table(rows, rounds), failures(rows))
	}
	return cmp.Or(b.String(), notMeasured)
}

func medians(rounds int) string {
	if rounds == 1 {
		return "One round"
	}
	return fmt.Sprintf("Medians of %d rounds (least…most)", rounds)
}

// table shows the rows of a scenario, with the figures that any of them has.
func table(rows []*row, rounds int) string {
	g := grid{figures: 3}
	head := []string{"path", "peer", "calls"}
	var shown []result.Figure
	for _, f := range columns(rows) {
		head = append(head, title(f))
		shown = append(shown, f)
	}
	g.add(head...)
	for _, w := range rows {
		cells := []string{w.path, w.peer + missed(w, rounds), count(w.calls)}
		for _, f := range shown {
			cells = append(cells, w.spread(f).String())
		}
		g.add(cells...)
	}
	return g.String()
}

// missed says in how many rounds there are figures, if not in all.
func missed(w *row, rounds int) string {
	switch n := len(w.rounds); n {
	case rounds:
		return ""
	case 0:
		return ", failed"
	default:
		return fmt.Sprintf(", in %d of %d rounds", n, rounds)
	}
}

// columns returns the figures that any row has: those that are known in their order,
// others by name.
func columns(rows []*row) []result.Figure {
	have := map[result.Figure]bool{}
	for _, w := range rows {
		for _, round := range w.rounds {
			for f := range round {
				have[f] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(have), func(a, b result.Figure) int {
		return cmp.Or(place(a)-place(b), strings.Compare(string(a), string(b)))
	})
}

// place returns where a figure stands in figures, or behind.
func place(f result.Figure) int {
	for i, known := range figures {
		if known.Figure == f {
			return i
		}
	}
	return len(figures)
}

func title(f result.Figure) string {
	if i := place(f); i < len(figures) {
		return figures[i].title
	}
	return string(f)
}

// failures lists what failed, and why.
func failures(rows []*row) string {
	var b strings.Builder
	for _, w := range rows {
		if len(w.failed) == 0 {
			continue
		}
		fmt.Fprintf(&b, "- %s failed in %s: %s\n", plain(w.name()), rounds(w), plain(short(strings.Join(w.whyFailed(), "; "))))
	}
	if b.Len() > 0 {
		return "\n" + b.String()
	}
	return ""
}

func rounds(w *row) string {
	list := strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(w.failed))), "[]")
	if len(w.failed) == 1 {
		return "round " + list
	}
	return "rounds " + strings.ReplaceAll(list, " ", ", ")
}

// name is that of a row where there are rows of several paths.
func (w *row) name() string {
	if w.path == "" {
		return w.peer
	}
	return w.peer + ", " + w.path
}

// compared is what the table of ratios has columns for: of each the first figure that
// both have. Callers see the last three alone.
var compared = []struct {
	title   string
	figures []result.Figure
}{
	{"memory", []result.Figure{result.RSSCall}},
	{"CPU", []result.Figure{result.CPUMessage, result.CPUCall}},
	{"p50", []result.Figure{result.P50}},
	{"p99", []result.Figure{result.P99}},
	{"all reached", []result.Figure{result.AllReached}},
	{"rate", []result.Figure{result.PerSecond, result.Throughput}},
}

// ratios shows MoIP beside each peer in the same rounds.
func (r *report) ratios() string {
	g := grid{figures: 3}
	head := []string{"scenario", "path", "MoIP ÷", "calls"}
	for _, c := range compared {
		head = append(head, c.title)
	}
	if r.several() {
		g.figures++
		head = append([]string{"run"}, head...)
	}
	g.add(head...)
	for _, run := range r.runs {
		for _, scenario := range run.scenarios() {
			rows, rounds := run.rows(scenario)
			for _, other := range rows {
				cells := ratiosTo(other, rows, rounds)
				if cells == nil {
					continue
				}
				cells = append([]string{scenario}, cells...)
				if r.several() {
					cells = append([]string{fmt.Sprint(run.number)}, cells...)
				}
				g.add(cells...)
			}
		}
	}
	if len(g.rows) == 1 {
		return notMeasured
	}
	return r.warning() + g.String()
}

// ratiosTo returns the cells of another row, nil if there is nothing of ours beside it.
func ratiosTo(other *row, rows []*row, rounds int) []string {
	mine := ourRow(rows, other)
	if mine == nil {
		return nil
	}
	calls := count(other.calls)
	if mine.calls != other.calls {
		calls = count(mine.calls) + " ÷ " + calls
	}
	cells := []string{other.path, other.peer, calls}
	compares := len(mine.rounds) == 0 || len(other.rounds) == 0 // what failed is not left out
	fewest := rounds
	for _, c := range compared {
		cell := "–"
		for _, f := range c.figures {
			compares = compares || mine.spread(f).rounds > 0 && other.spread(f).median > 0
			if s := mine.ratio(other, f); s.rounds > 0 {
				cell, fewest = s.String(), min(fewest, s.rounds)
				break
			}
		}
		cells = append(cells, cell)
	}
	if !compares {
		return nil
	}
	switch {
	case len(other.rounds) == 0:
		cells[1] += ", failed"
	case len(mine.rounds) == 0:
		cells[1] += ", MoIP failed"
	case fewest < rounds:
		cells[1] += fmt.Sprintf(", in %d of %d rounds", fewest, rounds)
	}
	return cells
}

// ourRow returns the row of ours to compare another one with: on the same path, with as
// many calls, or else with the next number of calls that there is.
func ourRow(rows []*row, other *row) (mine *row) {
	if other.peer == ours {
		return nil
	}
	for _, w := range rows {
		if w.peer == ours && w.path == other.path &&
			(mine == nil || apart(w.calls, other.calls) < apart(mine.calls, other.calls)) {
			mine = w
		}
	}
	return mine
}

func apart(a, b int) int { return max(a, b) - min(a, b) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
