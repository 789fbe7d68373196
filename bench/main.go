// Command bench compares MoIP with what people would otherwise put between
// callers and a service: what a call costs in memory, and a key in time. It
// prints the table of doc/performance.md, which explains it.
//
// With -evening it measures what callers cost who read, at the speed of a line.
//
// It runs on Linux, from the root of the module, and uses only the loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

var (
	rounds  = flag.Int("rounds", 5, "how often each peer is measured")
	calls   = flag.Int("calls", 10_000, "calls at a time, as far as descriptors allow")
	seconds = flag.Int("seconds", 3, "how long keys are typed at each rate")
	quick   = flag.Bool("quick", false, "one short round of few calls, to try it")
	write   = flag.Bool("write", false, "write the table to doc/performance.md")
	reading = flag.Bool("evening", false, "measure what callers cost who read, on lines with a speed and without")
	only    = flag.String("run", "", "measure only gateways whose title matches this `regexp`")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal("bench: ", err)
	}
}

func run(ctx context.Context) error {
	if *quick {
		if *write {
			return errors.New("what -quick finds is not for -write")
		}
		*rounds, *calls, *seconds = 1, min(*calls, 500), 1
	}
	if *rounds < 1 || *calls < 2 || *seconds < 1 {
		return errors.New("there must be a round, two calls and a second at least")
	}
	rows, err := table()
	if err != nil {
		return err
	}
	if *calls, err = atMost(*calls); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "moip-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, "moip"), "./cmd/moip")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	if *reading {
		return spendEvenings(ctx, dir)
	}
	for round := range *rounds {
		log.Printf("round %d of %d", round+1, *rounds)
		if err := measureAll(ctx, rows, dir); err != nil {
			return err
		}
	}
	return report(rows)
}

// table returns a row for each peer that is asked for.
func table() (rows []*row, err error) {
	asked, err := regexp.Compile(*only)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		if p.command == nil || asked.MatchString(p.title()) {
			rows = append(rows, &row{peer: p})
		}
	}
	return rows, nil
}

// atMost returns how many of n calls the limit of descriptors allows: each
// takes two, in the gateway and here.
func atMost(n int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	const others = 200 // descriptors
	return min(n, int(min(limit.Max, 1<<17)-others)/2), nil
}

// measureAll measures each peer once. One that fails is told of, and the next
// one measured that there is something to compare with.
func measureAll(ctx context.Context, rows []*row, dir string) error {
	direct := map[string]*sample{} // by how callers call
	for _, r := range rows {
		if r.missing() || r.command != nil && direct[r.caller.String()] == nil {
			continue
		}
		s, err := measure(ctx, r.peer, dir)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			log.Printf("%-20s %v", r.title(), err)
			continue
		case r.command == nil:
			direct[r.caller.String()] = s
		default:
			s.subtract(direct[r.caller.String()])
		}
		log.Printf("%-20s %v", r.title(), s)
		r.samples = append(r.samples, s)
	}
	return nil
}
