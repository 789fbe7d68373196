// Package test plays whole calls against the gateway's own program, on real
// sockets. A call is a story, a file in testdata that reads from top to bottom:
//
//	portal listens ws
//	gateway starts --ws 127.0.0.1:0 --videotext $portal --nocommand
//	caller dials ws
//	portal answers
//	portal> <FF>Bonjour
//	caller< <FF>Bonjour
//
// A line says who does what. There is one gateway, or a second one and a portal
// alone, teletel, beside it; whoever listens is a server, whoever dials a caller,
// and both choose their own names. The verbs are in
// the tables of story_test.go. The address of a server is $name, that of a
// caller $name.ip and $name.port.
//
// "who> text" says text, "who< text" hears it: these bytes, and no others, are
// to come next. With "who< ... text" others may come first. Nothing is ever
// waited for by the clock: what is expected may take as long as patience lasts.
// A server with several calls has them numbered in the order in which it took
// them: "portal 1> text"; without a number the last is meant. In brackets
// stands how it is said or heard, see manners. Text is what a Minitel sends
// and shows, see encode.
//
// The other files of a story, such as a configuration, are there when the
// gateway starts. When the story is over the gateway is told to stop, and must
// do so in good order and leave nothing behind.
package test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"moip/internal/testkit/browsertest"
)

// program is the gateway.
var program string

var plain = flag.Bool("plain", false, "have the gateway built as operators have it, without the race detector: for figures")

func TestMain(m *testing.M) {
	flag.Parse()
	// Stories wait more than they work.
	flag.Set("test.parallel", "16")

	dir, err := os.MkdirTemp("", "moip-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	end := func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}
	program = filepath.Join(dir, "moip")
	build := exec.Command("go", "build", fmt.Sprintf("-race=%t", !*plain), "-o", program, "moip/cmd/moip")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		end(1)
	}
	goleak.VerifyTestMain(browsertest.Tests{M: m}, goleak.Cleanup(end))
}

func TestCalls(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name[:len(name)-len(".txtar")], func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tell(t, file, archive)
		})
	}
}
