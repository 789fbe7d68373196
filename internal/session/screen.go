package session

import (
	"sync"

	"moip/videotex"
)

// maxSend bounds what the caller is sent at once; a sequence or an article may
// go beyond it by its own length.
const (
	maxSend = 1 << 10
	maxOut  = maxSend + 512
)

var outs = sync.Pool{New: func() any { return new([maxOut]byte) }}

// show sends the caller what waits for the screen, as far as it is taken.
func (c *Call) show() {
	c.tell()
	if !c.caller.busy && !c.caller.gone {
		out := outs.Get().(*[maxOut]byte)
		if speed := c.pace(); speed > 0 {
			c.pourPaced(out[:0], speed)
		} else {
			c.pour(out[:0])
		}
		outs.Put(out)
	}
	if c.state == Over && !c.caller.busy && c.due[paced] == 0 {
		c.drop(c.caller)
	}
	c.readOn()
}

// pour sends until nothing waits or the caller's line is full. Then it sends
// no more than half a second's worth at 1200 bit/s at a time, since what has
// been sent cannot be taken back when the caller presses Connexion/Fin.
func (c *Call) pour(out []byte) {
	for {
		n := maxSend
		if c.slow {
			n = 60
		}
		p := c.screen.Next(out, n)
		if len(p) == 0 {
			c.slow = false
			return
		}
		if c.send(p) {
			c.slow = true
			c.flush(c.caller)
			return
		}
	}
}

// say shows text on row 00, as soon as the terminal is at rest.
func (c *Call) say(text string) {
	c.article(videotex.Article(text))
	c.show()
}
