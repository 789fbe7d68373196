// Command bench compares MoIP with what people would otherwise put between callers and a
// service. It plays both, measures each peer in each round of each scenario, and keeps what
// it finds as lines of JSON, from which doc/performance.md is made, which explains it.
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
	"slices"
	"syscall"

	"moip/bench/peer"
	"moip/bench/result"
)

var (
	rounds = flag.Int("rounds", 5, "how often each peer is measured")
	calls  = flag.Int("calls", 10_000, "calls at a time at the most, as far as descriptors allow")
	quick  = flag.Bool("quick", false, "one short round of few calls, to try it")
	out    = flag.String("out", results, "the `file` of what is measured; it keeps what it has of other scenarios, and doc/performance.md tells of this one")
	only   = flag.String("run", "", "measure only the scenarios that this `regexp` matches; -list shows them")
	peers  = flag.String("peers", "", "measure only peers whose name and path, as in \"MoIP ws→ws\", this `regexp` matches")
	again  = flag.Bool("report", false, "measure nothing: tell again what the file has")
	list   = flag.Bool("list", false, "show the scenarios")
	relay  = flag.Bool("relay", false, "be a relay at ADDRESS for SERVICE, which is one of the peers")
	one    = flag.String("one", "", "make this measurement, in `JSON`: so each is made, in a process of its own")
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
	switch {
	case *relay:
		return peer.Relay(flag.Arg(0), flag.Arg(1))
	case *one != "":
		return measureOne(ctx, *one)
	case flag.NArg() > 0:
		return fmt.Errorf("%q is no flag", flag.Arg(0))
	case *list:
		for _, s := range scenarios {
			fmt.Printf("%-10s %s\n", s.name, s.what)
		}
		return nil
	case *again:
		return tell(*out)
	}
	chosen, err := choose()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "moip-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	moip := filepath.Join(dir, "moip")
	if text, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", moip, "./cmd/moip").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	if *quick && *out == results { // which is no place for it
		*out = filepath.Join(dir, "quick.jsonl")
	}
	here := machine()
	for _, s := range chosen {
		found, err := s.run(ctx, moip)
		if err != nil {
			return err
		}
		if err := result.Keep(*out, here, s.names(), found); err != nil {
			return err
		}
	}
	return tell(*out)
}

// choose makes sense of the flags.
func choose() (chosen []scenario, err error) {
	if *quick {
		*rounds, *calls = 1, min(*calls, 200)
	}
	if *rounds < 1 || *calls < 10 {
		return nil, errors.New("there must be a round, and ten calls, at least")
	}
	asked, err := regexp.Compile(*only)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	if _, err := regexp.Compile(*peers); err != nil {
		return nil, fmt.Errorf("-peers: %w", err)
	}
	for _, s := range scenarios {
		if slices.ContainsFunc(s.names(), asked.MatchString) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-run: no scenario is like %q: see -list", *only)
	}
	*calls, err = atMost(*calls)
	return chosen, err
}

// atMost returns how many of n calls the limit of descriptors allows: each takes two, in
// the gateway and here.
func atMost(n int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	const others = 200 // descriptors
	return min(n, int(min(limit.Max, 1<<20)-others)/2), nil
}
