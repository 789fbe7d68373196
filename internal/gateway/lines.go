package gateway

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// maxLines is how many lines of the log wait for whoever reads it.
	maxLines = 4096
	// lastLines is how long the end waits for them.
	lastLines = 2 * time.Second
)

// lines are those of the log, on their way. They are told under the locks of calls, and a
// terminal that somebody has stopped, or a disk that is slow, must not hold up those: if
// too many wait, some are lost, and the next that is written says how many.
type lines struct {
	out     io.Writer
	waiting chan []byte
	done    chan struct{}

	mu     sync.Mutex
	closed bool
	lost   int    // since it was told
	never  uint64 // taken in all
}

func newLines(out io.Writer) *lines {
	l := &lines{out: out, waiting: make(chan []byte, maxLines), done: make(chan struct{})}
	go l.run()
	return l
}

// Write takes a line. It never blocks, nor fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil
	}
	select {
	case l.waiting <- append([]byte(nil), p...):
	default:
		l.lost++
		l.never++
	}
	return len(p), nil
}

func (l *lines) run() {
	defer close(l.done)
	for line := range l.waiting {
		l.out.Write(line) // whom should one tell?
		if n := l.losses(); n > 0 {
			l.out.Write(ofTheLog("WARN", "lines of the log are lost: nobody took them in time", fmt.Sprintf("lines=%d", n)))
		}
	}
}

// losses returns how many lines were lost since it was last asked.
func (l *lines) losses() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lost
	l.lost = 0
	return n
}

// untaken returns how many lines were lost since the beginning.
func (l *lines) untaken() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.never
}

// close has what waits written, if it is taken soon.
func (l *lines) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.waiting)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(lastLines):
	}
}
