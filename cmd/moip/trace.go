package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"moip/internal/trace"
)

// wire wires a gateway, and has it traced if that is asked for.
func (s *serve) wire(g *gateway) error {
	if s.Trace != nil {
		target, err := trace.ParseTarget(*s.Trace)
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		t, err := g.traces.Follow(trace.Options{Target: target, Legs: trace.AllLegs})
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		g.work = append(g.work, func(ctx context.Context) {
			defer t.Close()
			printTrace(ctx, os.Stderr, t)
		})
	}
	return g.wire()
}

// printTrace prints a trace until it ends, or ctx is done. It is told of nothing else to
// do if printing fails: calls go on.
func printTrace(ctx context.Context, out io.Writer, t *trace.Tracer) {
	for {
		all, err := t.Next(ctx)
		for _, e := range all {
			fmt.Fprintln(out, traceLine(e, true))
		}
		if err != nil {
			return
		}
	}
}

// traceLine is a line of a trace, with the number of the call if there are several.
func traceLine(e trace.Entry, several bool) string {
	switch {
	case !several, e.About():
		return e.String()
	case e.Call == 0:
		return "-  " + e.String()
	}
	return fmt.Sprintf("%d  %s", e.Call, e)
}
