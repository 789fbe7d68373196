package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A row of the table is a peer with its samples, one of each round in which it
// did not fail.
type row struct {
	peer
	samples []*sample
}

// report prints the table and, if asked to, writes it to doc/performance.md.
func report(rows []*row) error {
	var t bytes.Buffer
	fmt.Fprintf(&t, "%s, %d s at each rate.\n\n| | calls | RSS a call, KiB |", circumstances(rows), *seconds)
	for _, rate := range rates {
		fmt.Fprintf(&t, " %d keys/s: CPU a message, µs | p50, µs | p99, µs |", rate)
	}
	fmt.Fprintf(&t, "\n|---|--:|--:%s|\n", strings.Repeat("|--:|--:|--:", len(rates)))
	for _, r := range rows {
		fmt.Fprintf(&t, "| %s | %s |\n", r.title(), strings.Join(r.cells(), " | "))
	}
	os.Stdout.Write(t.Bytes())
	if *write {
		return insert("doc/performance.md", "bench", t.Bytes())
	}
	return nil
}

// cells returns what the row shows beside its title.
func (r *row) cells() []string {
	if r.missing() {
		return append([]string{"missing: install Debian's package " + r.program}, make([]string, 1+3*len(rates))...)
	}
	calls, time := fmt.Sprint(min(*calls, r.most)), "%+.0f" // added
	if r.command == nil {
		time = "%.0f"
	}
	if failed := *rounds - len(r.samples); failed > 0 {
		calls += fmt.Sprintf(", failed in %d rounds", failed)
	}
	memory := r.spread("%.1f", func(s *sample) float64 { return s.rss })
	if r.forks {
		memory = r.spread("%.0f", func(s *sample) float64 { return s.rss }) +
			", PSS " + r.spread("%.0f", func(s *sample) float64 { return s.pss })
	}
	cells := []string{calls, memory}
	for i := range rates {
		cells = append(cells,
			r.spread("%.1f", func(s *sample) float64 { return s.rate[i].cpu }),
			r.spread(time, func(s *sample) float64 { return s.rate[i].p50 }),
			r.spread(time, func(s *sample) float64 { return s.rate[i].p99 }))
	}
	return cells
}

// spread shows the median of a value, and the least and the most of it.
func (r *row) spread(format string, of func(*sample) float64) string {
	var values []float64
	for _, s := range r.samples {
		values = append(values, of(s))
	}
	return spread(format, values)
}

func spread(format string, values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	slices.Sort(values)
	n := len(values)
	median := (values[(n-1)/2] + values[n/2]) / 2
	return fmt.Sprintf(format+" ("+format+"…"+format+")", median, values[0], values[n-1])
}

// circumstances says where, when and with what the table was made.
func circumstances(rows []*row) string {
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(cpu), "model name")
	model, _, _ = strings.Cut(strings.TrimLeft(model, "\t: "), "\n")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	kernel, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	text := fmt.Sprintf("%s: %d cores (%s), Linux %s, %s",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), model, kernel, runtime.Version())
	for _, r := range rows {
		if version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", r.program).Output(); err == nil {
			text += fmt.Sprintf(", %s %s", r.program, version)
		}
	}
	return text + fmt.Sprintf(". Medians of %d rounds (least…most)", *rounds)
}

// insert replaces what is between the markers of a table in a file.
func insert(name, marker string, table []byte) error {
	from, to := "<!-- "+marker+" -->\n", "<!-- /"+marker+" -->"
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(from))
	_, after, closed := bytes.Cut(rest, []byte(to))
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the table, between %q and %q", name, from, to)
	}
	return os.WriteFile(name, slices.Concat(before, []byte(from), table, []byte(to), after), 0o644)
}
