//go:build linux

// Package cluster has several gateways be one hub, with real processes: HAProxy before them,
// callers who call again when they are cut, operators who order this and that by any of the
// gateways, and one fault after the other. In the end all books are held against each other.
package cluster

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	plain   = flag.Bool("plain", false, "run the program without the race detector")
	whole   = flag.Bool("cluster.whole", false, "run TestWhole, as root")
	callers = flag.Int("cluster.callers", 3000, "how many callers TestWhole has")
	inside  = flag.String("inside", "", "the program, for a test that runs again in a network of its own")
)

// program is the one that is tested.
var program string

// patience is how long anything may take that must happen.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	program = *inside
	dir, err := os.MkdirTemp("", "moip-cluster")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	end := func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}
	if program == "" {
		program = filepath.Join(dir, "moip")
		build := exec.Command("go", "build", fmt.Sprintf("-race=%t", !*plain), "-o", program, "moip/cmd/moip")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			end(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(end))
}
