package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gdamore/tcell/v3"

	"moip/internal/recording"
	"moip/internal/session"
	"moip/videotex"
)

const (
	// stillTime without news makes a page still.
	stillTime = time.Second
	// flashTime is how long what flashes shows, and how long it does not.
	flashTime = time.Second
)

// identity is what the terminal says of itself: an emulator, of nobody's make.
var identity = [3]byte{'M', 'g', '1'}

// A call is a terminal that has called somebody. All of it belongs to run; the
// view is set before.
type call struct {
	model  *videotex.Screen
	parser videotex.Parser // knows what the model does not tell: the bell, the standard
	view   *view           // of the model, nil if nobody looks

	line   *line
	lost   error             // why there is no line any more
	record *recording.Writer // nil for none
	pace   pace

	still *time.Timer // runs out when the page is
	keys  [][]byte    // to be typed, one part whenever the page is still
	text  string      // is to be on the screen at the end
}

func newCall(o Options) *call {
	c := &call{
		model:  videotex.NewScreen(),
		record: o.Record,
		pace:   newPace(o.Speed),
		still:  time.NewTimer(stillTime),
		keys:   o.Keys,
	}
	c.model.Identify(identity[0], identity[1], identity[2])
	return c
}

// run is the call: until the user leaves, it is too late, or what is to be dumped
// is there.
func (c *call) run(ctx context.Context, end session.Endpoint, late <-chan time.Time) error {
	c.line = pickUp(end)
	defer c.line.hangUp()
	defer c.restore()
	var flash <-chan time.Time
	var events <-chan tcell.Event
	if c.view != nil {
		flash, events = time.Tick(flashTime), c.view.screen.EventQ()
	}
	tick := c.pace.tick()
	for done := false; !done; c.show() {
		heard, hung := c.sources()
		select {
		case p := <-heard:
			c.hear(p)
		case err := <-hung:
			done = c.lose(err)
		case failed := <-c.line.panic:
			panic(failed)
		case <-tick:
			c.draw()
		case <-c.still.C:
			done = c.next()
		case <-flash:
			c.view.flash()
		case ev, ok := <-events:
			done = !ok || c.handle(ev)
		case <-late:
			done = true
		case <-ctx.Done():
			done = true
		}
	}
	if c.lost != nil && !errors.Is(c.lost, io.EOF) {
		return fmt.Errorf("the connection is lost: %w", c.lost)
	}
	return c.record.Err()
}

// sources returns what may be listened to now: the line while there is room for
// what it brings, and its end when all that is drawn.
func (c *call) sources() (heard <-chan []byte, hung <-chan error) {
	if !c.pace.full() {
		heard = c.line.heard
	}
	if c.pace.empty() {
		hung = c.line.hung
	}
	return heard, hung
}

// restore makes the user's terminal what it was. It is deferred, so that it is
// done in a panic as well.
func (c *call) restore() {
	if c.view != nil {
		c.view.close()
	}
}

// hear takes what has been received.
func (c *call) hear(p []byte) {
	c.record.Add(recording.Output, p)
	c.pace.add(p)
	c.draw()
}

// draw draws what the line has delivered by now, and answers what is asked there.
func (c *call) draw() {
	p := c.pace.take()
	if len(p) == 0 {
		return
	}
	c.ring(p)
	c.model.Write(p)
	c.send(c.model.Replies())
	c.still.Reset(stillTime)
}

// send sends what the terminal has to say.
func (c *call) send(p []byte) {
	c.record.Add(recording.Input, p)
	c.line.send(p)
}

// ring rings the bell if p does, once however often that is.
func (c *call) ring(p []byte) {
	rings := false
	for _, b := range p {
		q := c.parser.Step(b)
		rings = rings || len(q) == 1 && q[0] == videotex.BEL
	}
	if rings && c.view != nil {
		c.view.screen.Beep()
	}
}

// lose is told why the line is closed. It reports whether the call is over: if
// somebody looks, the page stays.
func (c *call) lose(err error) (done bool) {
	c.lost = err
	if c.view == nil {
		return true
	}
	c.model.Indicate('F') // not connected any more
	return false
}

// next is told when the page is still, and types the next part. It reports
// whether there is nothing more to wait for.
func (c *call) next() (done bool) {
	if len(c.keys) == 0 {
		return c.text != "" && c.shown()
	}
	c.send(c.keys[0])
	c.keys = c.keys[1:]
	c.still.Reset(stillTime)
	return false
}

// shown reports whether the text is on the screen.
func (c *call) shown() bool { return strings.Contains(c.model.String(), c.text) }

// handle obeys an event of the terminal. It reports whether the user leaves.
func (c *call) handle(event tcell.Event) (leaves bool) {
	switch ev := event.(type) {
	case *tcell.EventResize:
		c.view.screen.Sync()
	case *tcell.EventKey:
		if ev.Key() == tcell.KeyCtrlZ {
			return c.view.suspend() != nil
		}
		sent, leaves := pressed(ev, c.parser.Mode())
		c.send(sent)
		if videotex.IsFin(sent) { // it does not wait for the page
			c.pace.hurry()
			c.draw()
		}
		c.view.help = sent == nil // what a Minitel does not have asks what it has
		return leaves
	case *tcell.EventError: // the terminal is gone
		c.view.deaf = true
		return true
	}
	return false
}

// show draws the screen, if anybody looks. While keys wait, it does not: a paste
// is many.
func (c *call) show() {
	if c.view == nil || len(c.view.screen.EventQ()) > 0 {
		return
	}
	message := ""
	switch {
	case errors.Is(c.lost, io.EOF):
		message = "Fin de l'appel, Ctrl-C pour quitter"
	case c.lost != nil:
		message = "Liaison coupée, Ctrl-C pour quitter"
	}
	c.view.show(c.model, message)
}
