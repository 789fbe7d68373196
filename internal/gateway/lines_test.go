package gateway

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A stopped writer takes nothing until it is let go.
type stopped struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *stopped) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(p)
}

// Who tells the log waits for nobody; what is lost for that is told, and the rest is in
// order.
func TestLines(t *testing.T) {
	out := &stopped{}
	out.mu.Lock()
	l := newLines(out)
	for n := range 2 * maxLines {
		fmt.Fprintf(l, "line %d\n", n)
		for n == 0 && len(l.waiting) > 0 {
			runtime.Gosched() // until it is being written: all that is lost comes last
		}
	}
	out.mu.Unlock()
	l.close()
	fmt.Fprintln(l, "too late, and harmless")
	kept, next, lost := 0, 0, 0
	for line := range strings.Lines(out.String()) {
		n := 0
		if _, count, ok := strings.Cut(line, " lines="); ok {
			fmt.Sscan(count, &n)
			lost += n
		} else if _, err := fmt.Sscanf(line, "line %d\n", &n); err != nil || n < next {
			t.Fatalf("%q behind line %d", line, next-1)
		} else {
			kept, next = kept+1, n+1
		}
	}
	if kept+lost != 2*maxLines || kept < maxLines {
		t.Errorf("%d lines, and %d lost, of %d", kept, lost, 2*maxLines)
	}
}

// The end does not wait for ever for somebody who takes nothing.
func TestLinesStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		l := newLines(w)
		fmt.Fprintln(l, "nobody reads this")
		l.close()
		r.Close()
		<-l.done
	})
}
