package report

import (
	"cmp"
	"maps"
	"slices"

	"moip/bench/result"
)

// A run is what was measured by one command on one machine. Measurements of different
// runs are never compared.
type run struct {
	result.Run
	number   int // in the file, from 1
	measured []result.Measurement
}

// A row is a peer in a scenario, with its measurements in all rounds of a run.
type row struct {
	peer, path string
	calls      int
	rounds     map[int]map[result.Figure]float64 // by round, those that did not fail
	failed     map[int]string                    // by round, why
}

// scenarios returns the names of all that a run has measured, as they come.
func (r *run) scenarios() (names []string) {
	for _, m := range r.measured {
		if !slices.Contains(names, m.Scenario) {
			names = append(names, m.Scenario)
		}
	}
	return names
}

// rows returns the rows of a scenario, those of a path together, paths as they come, and how
// many rounds there were.
func (r *run) rows(scenario string) (rows []*row, rounds int) {
	var paths []string
	for _, m := range r.measured {
		if m.Scenario != scenario {
			continue
		}
		rounds = max(rounds, m.Round)
		if !slices.Contains(paths, m.Path) {
			paths = append(paths, m.Path)
		}
		i := slices.IndexFunc(rows, func(w *row) bool {
			return w.peer == m.Peer && w.path == m.Path && w.calls == m.Calls
		})
		if i < 0 {
			i = len(rows)
			rows = append(rows, &row{m.Peer, m.Path, m.Calls, map[int]map[result.Figure]float64{}, map[int]string{}})
		}
		if m.Failed != "" {
			rows[i].failed[m.Round] = m.Failed
		} else {
			rows[i].rounds[m.Round] = m.Figures
		}
	}
	for _, w := range rows {
		maps.DeleteFunc(w.rounds, func(round int, _ map[result.Figure]float64) bool { return w.failed[round] != "" })
	}
	slices.SortStableFunc(rows, func(a, b *row) int {
		return cmp.Or(slices.Index(paths, a.path)-slices.Index(paths, b.path), a.rank()-b.rank())
	})
	return rows, rounds
}

// rank puts what there is without a gateway first, and then ours.
func (w *row) rank() int {
	switch w.peer {
	case direct:
		return 0
	case ours:
		return 1
	}
	return 2
}

// spread returns what a figure was in the rounds of a row.
func (w *row) spread(f result.Figure) spread {
	var values []float64
	for _, figures := range w.rounds {
		if v, ok := figures[f]; ok {
			values = append(values, v)
		}
	}
	return spreadOf(values)
}

// ratio returns by how much more a figure of w is than that of other in the same round,
// in the rounds where both are known and that of other is more than nothing. Memory that
// many processes of other share counts once.
func (w *row) ratio(other *row, f result.Figure) spread {
	than := f
	if f == result.RSSCall && other.shares() {
		than = result.PSSCall
	}
	var values []float64
	for round, figures := range w.rounds {
		v, ok := figures[f]
		if o := other.rounds[round][than]; ok && o > 0 {
			values = append(values, v/o)
		}
	}
	return spreadOf(values)
}

// shares reports whether a peer has processes that share most of their memory.
func (w *row) shares() bool {
	pss := w.spread(result.PSSCall)
	return pss.rounds > 0 && pss.median < w.spread(result.RSSCall).median/2
}

// whyFailed returns the reasons of failures, each once, in the order of rounds.
func (w *row) whyFailed() (reasons []string) {
	for _, round := range slices.Sorted(maps.Keys(w.failed)) {
		if !slices.Contains(reasons, w.failed[round]) {
			reasons = append(reasons, w.failed[round])
		}
	}
	return reasons
}
