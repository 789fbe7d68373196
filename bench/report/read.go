package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"moip/bench/result"
)

// Bounds of a file: a line is some 300 bytes, and a run a few hundred lines.
const (
	maxLine  = 64 << 10
	maxLines = 100_000
	maxRound = 1000
)

// A run is what was measured by one command on one machine, as the line that it begins
// with says. Measurements of different runs are never compared.
type run struct {
	result.Run
	number   int // in the file, from 1
	measured []result.Measurement
}

// read returns the runs of a file. An error names the line.
func read(from io.Reader, name string) ([]*run, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var runs []*run
	seen := map[string]int{} // in this run, and on which line
	number := 0
	fault := func(err error) ([]*run, error) {
		return nil, fmt.Errorf("%s:%d: %w", name, number, err)
	}
	for lines.Scan() {
		if number++; number > maxLines {
			return fault(fmt.Errorf("more than %d lines", maxLines))
		}
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		begins, m, err := parse(text)
		switch {
		case err != nil:
			return fault(err)
		case begins != nil:
			runs = append(runs, &run{Run: *begins, number: len(runs) + 1})
			clear(seen)
			continue
		case len(runs) == 0:
			return fault(errors.New("a measurement, before any line that says what was measured on (date, machine)"))
		}
		id := fmt.Sprintf("%q of %q by %q with %d calls in round %d", m.Scenario, m.Peer, m.Path, m.Calls, m.Round)
		if m.Failed != "" {
			id += ", failed," // perhaps after it had figures
		}
		if before := seen[id]; before > 0 {
			return fault(fmt.Errorf("%s is on line %d, too: each run must begin with a line of its own, which says what was measured on", id, before))
		}
		seen[id] = number
		last := runs[len(runs)-1]
		last.measured = append(last.measured, *m)
	}
	if err := lines.Err(); err != nil {
		number++
		return fault(err)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("%s: no measurements", name)
	}
	return runs, nil
}

// parse returns what a line is: the beginning of a run, or a measurement.
func parse(text []byte) (*result.Run, *result.Measurement, error) {
	var line struct {
		*result.Run
		*result.Measurement
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&line); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the line is cut")
		}
		return nil, nil, err
	}
	if d.More() {
		return nil, nil, errors.New("more than one object on the line")
	}
	switch {
	case line.Run != nil && line.Measurement != nil:
		return nil, nil, errors.New("a run and a measurement on one line")
	case line.Run != nil:
		return line.Run, nil, checkRun(line.Run)
	case line.Measurement != nil:
		return nil, line.Measurement, checkMeasurement(line.Measurement)
	}
	return nil, nil, errors.New("neither a run nor a measurement")
}

func checkRun(r *result.Run) error {
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		return fmt.Errorf("date: %q is none, such as 2026-11-28", r.Date)
	}
	if r.Machine == "" {
		return errors.New("machine: it must be said what was measured on")
	}
	return nil
}

func checkMeasurement(m *result.Measurement) error {
	switch {
	case m.Scenario == "" || m.Peer == "":
		return errors.New("scenario and peer must be named")
	case m.Round < 1 || m.Round > maxRound:
		return fmt.Errorf("round: %d is not from 1 to %d", m.Round, maxRound)
	case m.Calls < 1:
		return fmt.Errorf("calls: %d is less than 1", m.Calls)
	case m.Failed == "" && len(m.Figures) == 0:
		return errors.New("neither figures nor why there are none (failed)")
	case m.Failed != "" && len(m.Figures) > 0:
		return errors.New("figures of what failed")
	}
	return nil
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
