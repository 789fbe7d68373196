package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Bounds of a file: a line is some 300 bytes, and a run a few hundred lines.
const (
	maxLine  = 64 << 10
	maxLines = 100_000
	maxRound = 1000
)

// Measured is a part of a file: what one run has measured.
type Measured struct {
	Run
	All []Measurement
}

// ReadFile returns what a file has, run by run. An error names the line.
func ReadFile(name string) ([]Measured, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, name)
}

// Keep writes what a run has found of some scenarios to a file, in the place of what that
// has of them. What it has of others stays, of the run that it is of. There need not be
// such a file yet.
func Keep(name string, run Run, scenarios []string, found []Measurement) error {
	runs, err := ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; take the file away to begin a new one", err)
	}
	for i := range runs {
		runs[i].All = slices.DeleteFunc(runs[i].All, func(m Measurement) bool { return slices.Contains(scenarios, m.Scenario) })
	}
	i := slices.IndexFunc(runs, func(r Measured) bool { return r.same(run) })
	if i < 0 {
		i = len(runs)
		runs = append(runs, Measured{Run: run})
	}
	for _, m := range found {
		m.Failed = short(m.Failed)
		runs[i].All = append(runs[i].All, m)
	}
	runs = slices.DeleteFunc(runs, func(r Measured) bool { return len(r.All) == 0 })
	return write(name, runs)
}

// short cuts what a program that failed may have said at length.
func short(text string) string {
	const most = 500
	if all := []rune(text); len(all) > most {
		return string(all[:most]) + "…"
	}
	return text
}

// same reports whether two descriptions are of one run.
func (r Run) same(other Run) bool {
	return r.Date == other.Date && r.Time == other.Time && r.Machine == other.Machine &&
		r.Commit == other.Commit && maps.Equal(r.Versions, other.Versions)
}

// write writes a file whole or not at all: it may have taken half an hour.
func write(name string, runs []Measured) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for _, r := range runs {
		if err := lines.Encode(r.Run); err != nil {
			return err
		}
		for _, m := range r.All {
			if err := lines.Encode(m); err != nil {
				return err
			}
		}
	}
	fresh := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	if err := os.WriteFile(fresh, text.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, name)
}

// read returns the runs of a file. An error names the line.
func read(from io.Reader, name string) ([]Measured, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	var runs []Measured
	seen := map[string]int{} // in this run, and on which line
	number := 0
	fault := func(err error) ([]Measured, error) {
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
			runs = append(runs, Measured{Run: *begins})
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
		last := &runs[len(runs)-1]
		last.All = append(last.All, *m)
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
func parse(text []byte) (*Run, *Measurement, error) {
	var line struct {
		*Run
		*Measurement
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&line); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the line is cut")
		}
		return nil, nil, err
	}
	if _, err := d.Token(); err != io.EOF {
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

func checkRun(r *Run) error {
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		return fmt.Errorf("date: %q is none, such as 2026-11-28", r.Date)
	}
	if r.Machine == "" {
		return errors.New("machine: it must be said what was measured on")
	}
	return nil
}

func checkMeasurement(m *Measurement) error {
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
