package terminal

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"sync"

	"moip/internal/session"
)

// A line is the connection of a call, with a goroutine that reads it and one that
// waits while it takes nothing.
type line struct {
	end   session.Endpoint
	heard chan []byte    // what is received
	hung  chan error     // why nothing more will be
	panic chan string    // of a goroutine
	kept  chan struct{}  // what was sent is not all taken
	gone  chan struct{}  // closed when nobody listens any more
	both  sync.WaitGroup // goroutines
}

// pickUp starts the goroutines.
func pickUp(end session.Endpoint) *line {
	l := &line{
		end:   end,
		heard: make(chan []byte),
		hung:  make(chan error, 1),
		panic: make(chan string, 2),
		kept:  make(chan struct{}, 1),
		gone:  make(chan struct{}),
	}
	for _, work := range []func(){l.read, l.flush} {
		l.both.Go(func() {
			defer l.failing()
			work()
		})
	}
	return l
}

// failing hands a panic over to whoever has the terminal, to restore it first.
func (l *line) failing() {
	if failed := recover(); failed != nil {
		l.panic <- fmt.Sprintf("%v\n%s", failed, debug.Stack())
	}
}

// hangUp ends the connection, and waits for the goroutines' end.
func (l *line) hangUp() {
	close(l.gone)
	l.end.Close()
	l.both.Wait()
}

func (l *line) read() {
	for {
		p, err := l.end.Receive()
		if err != nil {
			l.hung <- err
			return
		}
		select {
		case l.heard <- bytes.Clone(p):
		case <-l.gone:
			return
		}
	}
}

func (l *line) flush() {
	for {
		select {
		case <-l.kept:
			l.end.Flush()
		case <-l.gone:
			return
		}
	}
}

// send sends p, which may be empty. It never blocks.
func (l *line) send(p []byte) {
	if len(p) > 0 && l.end.Send(p) {
		select {
		case l.kept <- struct{}{}:
		default: // flush is told already
		}
	}
}
