// Command hub measures what the gateways of a hub spend on each other, and checks that they
// agree: many gateways without calls, in this process, and a nats-server beside it. Its
// figures are inputs of doc/performance.md. Run it where MoIP's module is:
//
//	go run ./bench/hub
//
// Each step prints a line, and what is wrong ends it with an error.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

var (
	gateways = flag.Int("gateways", 100, "how many there are")
	events   = flag.Int("events", 100, "that each tells of in a second")
	commands = flag.Int("commands", 5000, "that one gateway gives the others")
	calls    = flag.Int("calls", 10_000, "whose records one gateway brings to a stream")
	length   = flag.Duration("time", 10*time.Second, "how long a step is measured")
)

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "hub:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	nats, err := startNATS(ctx)
	if err != nil {
		return err
	}
	defer nats.stop()
	h := &hub{nats: nats}
	defer h.leave()
	for _, step := range []struct {
		name string
		do   func(context.Context, *hub) error
	}{
		{"joined", join}, {"beats", beats}, {"events, nobody follows", publish}, {"events, one follows", follow},
		{"commands", command}, {"records", records}, {"killed", kill}, {"NATS killed", restart},
	} {
		if err := step.do(ctx, h); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// say prints what a step has measured.
func say(step, format string, a ...any) { fmt.Printf("%-24s %s\n", step, fmt.Sprintf(format, a...)) }
