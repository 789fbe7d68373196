package gateway

import (
	"context"
	"fmt"
	"io"
	"os"

	"moip/internal/trace"
)

// openTrace has calls traced from the first on, if that is asked for.
func (g *gateway) openTrace(target *trace.Target) error {
	if target == nil {
		return nil
	}
	t, err := g.traces.Follow(trace.Options{Target: *target, Legs: trace.AllLegs})
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	g.work = append(g.work, func(ctx context.Context) {
		defer t.Close()
		printTrace(ctx, os.Stderr, t)
	})
	return nil
}

// printTrace prints a trace until it ends, or ctx is done. It is told of nothing else to
// do if printing fails: calls go on.
func printTrace(ctx context.Context, out io.Writer, t *trace.Tracer) {
	for {
		all, err := t.Next(ctx)
		for _, e := range all {
			fmt.Fprintln(out, e.Line(true))
		}
		if err != nil {
			return
		}
	}
}
