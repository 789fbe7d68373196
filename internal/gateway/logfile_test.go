package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// A disk takes so many bytes.
type disk struct {
	bytes.Buffer
	room int
}

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// A full disk costs the file lines, which are counted, and the terminal none; what is
// written again begins on a line of its own.
func TestLogFile(t *testing.T) {
	d, terminal := &disk{room: 20}, &bytes.Buffer{}
	f := &logFile{file: d, terminal: terminal, lost: new(atomic.Uint64)}
	for n := range 5 {
		fmt.Fprintf(f, "line %d of the log\n", n)
	}
	d.room = 1000
	for n := range 2 {
		fmt.Fprintf(f, "line %d afterwards\n", n)
	}
	kept := strings.SplitAfter(d.String(), "\n")
	if len(kept) != 6 || kept[0] != "line 0 of the log\n" || kept[1] != "li\n" || !strings.HasSuffix(kept[2], "lines=4\n") ||
		kept[3] != "line 0 afterwards\n" || kept[4] != "line 1 afterwards\n" {
		t.Errorf("the file has %q", kept)
	}
	if n := strings.Count(terminal.String(), "line "); n != 7 {
		t.Errorf("the terminal has %d lines:\n%s", n, terminal)
	}
	if n := strings.Count(terminal.String(), "cannot be written"); n != 1 || f.lost.Load() != 4 {
		t.Errorf("the terminal is told %d times, and %d lines are lost:\n%s", n, f.lost.Load(), terminal)
	}
}
