package terminal

import (
	"io"
	"sync/atomic"

	"github.com/gdamore/tcell/v3"
	"golang.org/x/text/encoding/unicode"
)

// A tty is a terminal whose input can be ended.
type tty struct {
	tcell.Tty
	ended atomic.Bool // until the next Start
}

func (t *tty) Start() error {
	t.ended.Store(false)
	return t.Tty.Start()
}

func (t *tty) Read(p []byte) (int, error) {
	if t.ended.Load() {
		return 0, io.EOF
	}
	n, err := t.Tty.Read(p)
	if t.ended.Load() {
		return 0, io.EOF
	}
	return n, err
}

// end ends the input: a Read that waits returns, and all others do at once. Nor
// does anybody hear of a new size, for which tcell would draw while it leaves.
func (t *tty) end() {
	t.ended.Store(true)
	t.NotifyResize(nil)
	t.Drain()
}

// tcell's own decoder never gets past a byte that is not UTF-8.
func init() {
	tcell.RegisterEncoding("UTF-8", unicode.UTF8)
	tcell.RegisterEncoding("UTF8", unicode.UTF8)
}

// leave makes the terminal what it was, until Resume. What is typed meanwhile is
// lost.
//
// tcell waits there for its readers to end, and they may be waiting for somebody
// to take what has been typed. So it is taken: until the reader of the tty has
// ended, which is told, and then until the other has.
func (v *view) leave() {
	t, _ := v.screen.Tty()
	t.(*tty).end()
	for !v.deaf {
		_, v.deaf = (<-v.screen.EventQ()).(*tcell.EventError)
	}
	left := make(chan struct{})
	go func() {
		v.screen.Suspend()
		close(left)
	}()
	for {
		select {
		case <-v.screen.EventQ():
		case <-left:
			return
		}
	}
}

// suspend gives the terminal back while the program is stopped.
func (v *view) suspend() error {
	v.leave()
	stop()
	err := v.screen.Resume()
	v.deaf = err != nil
	return err
}
