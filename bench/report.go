package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"moip/bench/result"
)

// report shows the medians of what a file has.
func report(name string) error {
	all, err := kept(name)
	if err != nil {
		return err
	}
	var keys []string
	values := make(map[string]map[result.Figure][]float64)
	for _, m := range all {
		key := fmt.Sprintf("%s\t%s\t%s\t%d", m.Scenario, m.Peer, m.Path, m.Calls)
		if values[key] == nil {
			keys = append(keys, key)
			values[key] = make(map[result.Figure][]float64)
		}
		for figure, value := range m.Figures {
			values[key][figure] = append(values[key][figure], value)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, key := range keys {
		var cells []string
		medians := make(map[result.Figure]float64)
		for figure, v := range values[key] {
			slices.Sort(v)
			medians[figure] = (v[(len(v)-1)/2] + v[len(v)/2]) / 2
		}
		for _, figure := range sortedFigures(medians) {
			cells = append(cells, fmt.Sprintf("%s %.4g", figure, medians[figure]))
		}
		fmt.Fprintf(t, "%s\t%s\n", key, strings.Join(cells, "  "))
	}
	return t.Flush()
}
