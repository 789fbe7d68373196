package report

import (
	"fmt"
	"slices"

	"moip/bench/result"
)

// What a call takes of the kernel, in KiB: two sockets. It is the same for all gateways,
// and was measured apart from them, as what the memory that is free shrinks by.
const kernelLeast, kernelMost = 7, 9

// scale shows what many calls need, counted from the newest run that has them idle.
func (r *report) scale() string {
	for _, run := range slices.Backward(r.runs) {
		rows, _ := run.rows(idle)
		if mine := greatest(rows, "ws→ws"); mine != nil {
			said := ""
			if r.several() {
				said = fmt.Sprintf("Of run %d:\n\n", run.number)
			}
			return said + run.need(mine).String()
		}
	}
	return notMeasured
}

// need counts what 10,000 and 100,000 calls need, from an idle one.
func (r *run) need(idle *row) *grid {
	kib := idle.spread(result.RSSCall)
	keys, _ := r.rows(keys5000)
	arrivals, _ := r.rows(churn)
	message, arrival := median(keys, result.CPUMessage), median(arrivals, result.CPUCall)
	g := &grid{figures: 1}
	g.add("", "10,000 calls", "100,000 calls")
	row := func(what string, of func(calls float64) string) {
		g.add(what, of(10_000), of(100_000))
	}
	row(fmt.Sprintf("memory of the gateway, at %s KiB a call, MiB", number(kib.median)), func(calls float64) string {
		return number(kib.median * calls / 1024)
	})
	row(fmt.Sprintf("memory of the kernel, at %d to %d KiB, MiB", kernelLeast, kernelMost), func(calls float64) string {
		return number(kernelLeast*calls/1024) + " to " + number(kernelMost*calls/1024)
	})
	row("descriptors, at 2, or 3 where a portal of your own puts callers through", func(calls float64) string {
		return number(2*calls) + " to " + number(3*calls)
	})
	if cores := idle.spread(result.CPUCores).median; cores > 0 {
		row("cores, when all are idle and answer pings", func(calls float64) string {
			return number(cores * calls / float64(idle.calls))
		})
	}
	if message > 0 {
		row(fmt.Sprintf("cores, when each types a key every 10 s, at %s µs a message", number(message)), func(calls float64) string {
			return number(2 * calls / 10 * message / 1e6)
		})
	}
	if arrival > 0 {
		row(fmt.Sprintf("cores, when all of them call within a minute, at %s µs a call", number(arrival)), func(calls float64) string {
			return number(calls / 60 * arrival / 1e6)
		})
	}
	return g
}

// greatest returns the row of ours with the most calls on a path that has figures.
func greatest(rows []*row, path string) (mine *row) {
	for _, w := range rows {
		if w.peer == ours && w.path == path && len(w.rounds) > 0 && (mine == nil || w.calls > mine.calls) {
			mine = w
		}
	}
	return mine
}

func median(rows []*row, f result.Figure) float64 {
	if mine := greatest(rows, "ws→ws"); mine != nil {
		return mine.spread(f).median
	}
	return 0
}
