package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"moip/bench/result"
)

// A chart is a picture of some figures of a scenario.
type chart struct {
	name     string // of the section, and of the file
	title    string
	scenario string
	figures  []result.Figure
	draw     func(*chart, []*row, string) []byte
}

var charts = []*chart{
	{"memory", "Resident memory of an idle call, KiB", idle, []result.Figure{result.RSSCall}, (*chart).bars},
	{"cpu", "CPU for a message, µs", keys5000, []result.Figure{result.CPUMessage}, (*chart).bars},
	{"latency", "From a key to its echo, µs", keys5000, []result.Figure{result.P50, result.P99}, (*chart).dots},
	{"rate", "Calls set up, served a page and ended in a second", churn, []result.Figure{result.PerSecond}, (*chart).bars},
	{"growth", "Resident memory of a call, KiB, by how many there are", growth, []result.Figure{result.RSSCall}, (*chart).lines},
}

// picture draws the chart from the newest run that has its figures. It returns nil if
// none has.
func (r *report) picture(c *chart) []byte {
	for _, run := range slices.Backward(r.runs) {
		all, rounds := run.rows(c.scenario)
		rows := slices.DeleteFunc(all, func(w *row) bool { return !c.has(w) })
		if len(rows) == 0 {
			continue
		}
		commit := []rune(run.commit())
		from := fmt.Sprintf("%s; %s, MoIP at %s", medians(rounds), run.Date, string(commit[:min(len(commit), 20)]))
		if r.several() {
			from = fmt.Sprintf("Run %d. %s", run.number, from)
		}
		return c.draw(c, rows, from)
	}
	return nil
}

// has reports whether a row has a place in the chart: all figures, and any of them more
// than nothing, or nothing but failures. What costs nothing is no gateway.
func (c *chart) has(w *row) bool {
	if len(w.rounds) == 0 {
		return true
	}
	most := 0.0
	for _, f := range c.figures {
		s := w.spread(f)
		if s.rounds == 0 {
			return false
		}
		most = max(most, s.median)
	}
	return most > 0
}

// Measures of charts, in pixels.
const (
	width  = 720
	margin = 16
	left   = 150 // of the scale, behind names
	right  = 520 // of the scale, before values
	top    = 56
	rowsAt = 24 // from row to row
)

// A band is a row of a chart, or the path of those below it.
type band struct {
	*row // nil for a path
	name string
}

// bands returns the rows with a heading for each path. What most rows have as calls is
// not said of each.
func bands(rows []*row) (all []band, calls int) {
	for _, w := range rows {
		calls = max(calls, w.calls)
	}
	for i, w := range rows {
		if w.path != "" && (i == 0 || rows[i-1].path != w.path) {
			all = append(all, band{name: w.path})
		}
		name := w.peer
		if w.calls != calls {
			name += ", " + count(w.calls)
		}
		all = append(all, band{w, name})
	}
	return all, calls
}

// bars draws a bar for the median and a line from the least to the most. The scale is for
// what is comparable: a bar that is many times all others ends in a point.
func (c *chart) bars(rows []*row, from string) []byte {
	figure := c.figures[0]
	sc := linear(highest(rows, figure), left, right)
	return c.table(rows, from, sc, func(s *svg, w *row, y float64) {
		v := w.spread(figure)
		end := sc.at(v.median)
		if v.median > sc.most {
			s.shape(w.class(), left, y-7, end, y-7, end+9, y, end, y+7, left, y+7)
		} else {
			s.shape(w.class(), left, y-7, end, y-7, end, y+7, left, y+7)
			s.spread(sc.at(v.least), sc.at(v.most), y)
		}
		s.text(width-margin, y+4.5, "value", "end", v.String())
	})
}

// highest returns the most that rows have of a figure, without those of others that have
// ten times what the next has, and more.
func highest(rows []*row, figure result.Figure) (most float64) {
	var others []float64
	for _, w := range rows {
		if s := w.spread(figure); w.peer == ours {
			most = max(most, s.most)
		} else {
			others = append(others, s.most)
		}
	}
	slices.Sort(others)
	for _, v := range others {
		if most > 0 && v > 10*most {
			break
		}
		most = max(most, v)
	}
	return most
}

// dots draws two figures on one scale by powers of ten, a full dot and a hollow one.
func (c *chart) dots(rows []*row, from string) []byte {
	least, most := math.Inf(1), 0.0
	for _, w := range rows {
		for _, f := range c.figures {
			if s := w.spread(f); s.rounds > 0 {
				least, most = min(least, s.least), max(most, s.most)
			}
		}
	}
	sc := logarithmic(least, most, left, right)
	return c.table(rows, from, sc, func(s *svg, w *row, y float64) {
		p50, p99 := w.spread(c.figures[0]), w.spread(c.figures[1])
		s.spread(sc.at(p50.least), sc.at(p50.most), y-4)
		s.spread(sc.at(p99.least), sc.at(p99.most), y+4)
		s.dot(sc.at(p50.median), y-4, 4, w.class())
		s.dot(sc.at(p99.median), y+4, 4, "hollow "+w.class())
		s.text(width-margin, y+4.5, "value", "end", number(p50.median)+" / "+number(p99.median))
	})
}

// class is the colour of a row.
func (w *row) class() string {
	if w.peer == ours {
		return "ours"
	}
	return "other"
}

// table draws all but what draw draws for each row that has figures.
func (c *chart) table(rows []*row, from string, sc scale, draw func(*svg, *row, float64)) []byte {
	all, calls := bands(rows)
	bottom := top + rowsAt*float64(len(all))
	var s svg
	s.text(margin, 28, "title", "start", c.title)
	if len(c.figures) == 2 {
		s.dot(width-140, 24, 4, "other")
		s.text(width-132, 28, "", "start", "p50")
		s.dot(width-84, 24, 4, "hollow other")
		s.text(width-76, 28, "", "start", "p99")
	}
	for _, v := range sc.ticks {
		s.line(sc.at(v), top-6, sc.at(v), bottom, "grid")
		if !sc.log || len(sc.ticks) <= 8 || isPower(v) {
			s.text(sc.at(v), bottom+14, "faint", "middle", tick(v))
		}
	}
	for i, b := range all {
		y := top + rowsAt*(float64(i)+0.5)
		switch {
		case b.row == nil:
			s.text(margin, y+4.5, "path", "start", b.name)
		case len(b.rounds) == 0:
			s.text(left-8, y+4.5, "", "end", b.name)
			s.text(left+6, y+4.5, "faint", "start", "failed")
		default:
			s.text(left-8, y+4.5, "", "end", b.name)
			draw(&s, b.row, y)
		}
	}
	s.text(margin, bottom+36, "faint", "start", from+"; "+count(calls)+" calls")
	return s.file(width, bottom+48, c.title)
}

func isPower(v float64) bool {
	power := math.Log10(v)
	return math.Abs(power-math.Round(power)) < 0.01
}

// A series is what a peer costs at several numbers of calls.
type series struct {
	name  string
	class string
	rows  []*row // by calls
	label float64
}

// dashes tell series apart that have one colour.
var dashes = []string{"", "6 3", "2 3", "8 3 2 3", "12 4", "1 5"}

// lines draws how a figure grows with the calls. Series many times above the others are
// named and left out.
func (c *chart) lines(rows []*row, from string) []byte {
	const height, bottom = 360, 300.0
	all := c.series(rows)
	figure := c.figures[0]
	if len(all) == 0 {
		return nil
	}
	calls := 0
	for _, l := range all {
		calls = max(calls, l.rows[len(l.rows)-1].calls)
	}
	y, x := linear(highest(rows, figure), bottom, top), linear(float64(calls), 56, 520)
	var s svg
	s.text(margin, 28, "title", "start", c.title)
	for _, v := range y.ticks {
		s.line(x.from, y.at(v), x.to, y.at(v), "grid")
		s.text(x.from-8, y.at(v)+4, "faint", "end", tick(v))
	}
	for _, v := range x.ticks {
		s.text(x.at(v), bottom+16, "faint", "middle", tick(v))
	}
	s.text(x.to+26, bottom+16, "faint", "start", "calls")
	var beyond []string
	all = slices.DeleteFunc(all, func(l *series) bool {
		out := slices.ContainsFunc(l.rows, func(w *row) bool { return w.spread(figure).median > y.most })
		if out {
			beyond = append(beyond, l.name)
		}
		return out
	})
	placeLabels(all, figure, y)
	other := 0
	for _, l := range all {
		dash := ""
		if l.class == "other" {
			dash = dashes[other%len(dashes)]
			other++
		}
		l.draw(&s, figure, x, y, dash)
	}
	if len(beyond) > 0 {
		from += "; beyond the scale: " + strings.Join(beyond, ", ")
	}
	s.text(margin, height-12, "faint", "start", from)
	return s.file(width, height, c.title)
}

// series returns the rows by peer and path, those that failed left out.
func (c *chart) series(rows []*row) (all []*series) {
	for _, w := range rows {
		if len(w.rounds) == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(l *series) bool { return l.name == w.name() })
		if i < 0 {
			i = len(all)
			all = append(all, &series{name: w.name(), class: w.class()})
		}
		all[i].rows = append(all[i].rows, w)
	}
	for _, l := range all {
		if !slices.ContainsFunc(rows, func(w *row) bool { return w.path != l.rows[0].path }) {
			l.name = l.rows[0].peer
		}
		slices.SortFunc(l.rows, func(a, b *row) int { return cmp.Compare(a.calls, b.calls) })
	}
	return all
}

// placeLabels sets where the labels of series are: at the ends of their lines, and not on one
// another.
func placeLabels(all []*series, figure result.Figure, y scale) {
	for _, l := range all {
		l.label = y.at(l.rows[len(l.rows)-1].spread(figure).median)
	}
	low := slices.SortedFunc(slices.Values(all), func(a, b *series) int { return cmp.Compare(b.label, a.label) })
	for i, l := range low {
		if i > 0 {
			l.label = min(l.label, low[i-1].label-16)
		}
	}
}

func (l *series) draw(s *svg, figure result.Figure, x, y scale, dash string) {
	var points []float64
	for _, w := range l.rows {
		v := w.spread(figure)
		points = append(points, x.at(float64(w.calls)), y.at(v.median))
	}
	s.way("line "+l.class, dash, points...)
	for _, w := range l.rows {
		v := w.spread(figure)
		at := x.at(float64(w.calls))
		if y.at(v.least)-y.at(v.most) >= 1 {
			s.line(at, y.at(v.least), at, y.at(v.most), "range")
		}
		s.dot(at, y.at(v.median), 3, l.class)
	}
	last := l.rows[len(l.rows)-1]
	s.text(x.to+12, l.label+4.5, "", "start", l.name+"  "+number(last.spread(figure).median))
}
