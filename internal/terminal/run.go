// Package terminal is a Minitel in a text terminal, or one that nobody looks at:
// it draws what it receives with what the terminal has, and makes the Minitel's
// keys of those of a PC.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"moip/internal/recording"
	"moip/internal/session"
	"moip/videotex"
)

// Options are what a call may have besides. The zero value is usable.
type Options struct {
	Speed  int               // draw as a line of so many bit/s would, 0 for as fast as it comes
	Keys   [][]byte          // type this, as Script returns it
	Record *recording.Writer // of what is received and sent, nil for none
}

// What keeps Run and Dump from what they are to do, beside the end of the line.
var (
	ErrNoTerminal = errors.New("no terminal to draw on")
	ErrNotTyped   = errors.New("not all keys are typed")
	ErrNotShown   = errors.New("the text is not on the screen")
)

// Run is a Minitel on the terminal where the program was started; at the other
// end of its line is end. It returns when the user leaves or ctx is done: when
// the line closes, the last page stays until then. The error wraps ErrNoTerminal,
// or tells how the line broke or why something could not be recorded.
//
// The terminal is then what it was, after a panic as well, and end is closed.
func Run(ctx context.Context, end session.Endpoint, b Blocks, o Options) error {
	defer end.Close()
	v, err := openView(b)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	c := newCall(o)
	c.view = v
	v.help = true
	c.model.Indicate('C') // connected (1-3-2-4-4)
	return c.run(ctx, end, nil)
}

// Dump is Run without a terminal. It returns when the line closes; when all is
// typed, the text is on the screen and the page still; or after the time limit.
// An empty text is not waited for.
//
// The screen is that of the end, also with an error: one of Run's, ErrNotTyped or
// ErrNotShown. It has no C or F of the terminal's own, which could be taken for
// the text.
func Dump(ctx context.Context, end session.Endpoint, text string, limit time.Duration, o Options) (*videotex.Screen, error) {
	c := newCall(o)
	c.text = text
	err := c.run(ctx, end, time.After(limit))
	switch {
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	case err != nil:
	case len(c.keys) > 0:
		err = ErrNotTyped
	case !c.shown():
		err = ErrNotShown
	}
	return c.model, err
}
