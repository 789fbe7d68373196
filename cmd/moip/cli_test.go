package main

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"moip/internal/testkit/soon"
)

func TestMain(m *testing.M) {
	testscript.Main(clean{m}, map[string]func(){"moip": main})
}

// A clean run of tests leaves no goroutine.
type clean struct{ m *testing.M }

func (c clean) Run() int {
	code := c.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestCommandLine plays the scripts in testdata. They have a command of their
// own, appears, which waits for a file, and know a port that is TAKEN, which is
// SILENT, too: whoever calls there gets no answer.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"appears": appears},
		Setup: func(env *testscript.Env) error {
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { taken.Close() })
			env.Setenv("TAKEN", taken.Addr().String())
			env.Setenv("SILENT", taken.Addr().String())
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's second thoughts, a second of them
			return nil
		},
	})
}

func appears(ts *testscript.TestScript, _ bool, files []string) {
	there := func() bool { _, err := os.Stat(ts.MkAbs(files[0])); return err == nil }
	if !soon.Or(soon.Patience, there) {
		ts.Fatalf("%s does not appear", files[0])
	}
}
