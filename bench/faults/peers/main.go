// Command peers does to a gateway what its peers do at their worst, and prints what came of
// it: the figures of doc/reliability.md. Run it where MoIP's module is:
//
//	go run ./bench/faults/peers flood   the portal sends a gigabyte without pause
//	go run ./bench/faults/peers visit   a service does
//	go run ./bench/faults/peers storm   9,000 call in the second after a restart, and the portal dies
//	go run ./bench/faults/peers stop    the gateway is stopped for 5, 30 and 120 s
//	go run ./bench/faults/peers cut     the network loses all, in silence; as root
//
// Callers, portal and services are this process; the gateway is another.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// patience is how long anything may take that must happen.
const patience = 30 * time.Second

var (
	program = flag.String("moip", "", "the program, built anew if empty")
	callers = flag.Int("callers", 0, "how many call (0 for the usual number of each fault)")
	stops   = flag.String("stops", "5s,30s,120s", "how long the gateway is stopped, each in turn")
	size    = flag.Int64("bytes", 1<<30, "what is sent without pause")
)

func main() {
	faults := map[string]func() error{
		"flood": func() error { return flood(false) },
		"visit": func() error { return flood(true) },
		"storm": storm, "stop": stop, "cut": cut,
	}
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./bench/faults/peers [flags] flood|visit|storm|stop|cut")
		flag.PrintDefaults()
	}
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[len(os.Args)-1]
	}
	fault, known := faults[name]
	flag.CommandLine.Parse(os.Args[1:max(len(os.Args)-1, 1)])
	if !known || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := fault(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// orUsual returns how many call.
func orUsual(n int) int {
	if *callers > 0 {
		return *callers
	}
	return n
}
