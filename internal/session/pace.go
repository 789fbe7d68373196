package session

import (
	"time"

	"moip/videotex"
)

// Speeds are those that a caller's line may have, in bit/s (1-5-1-2).
var Speeds = []int{300, 1200, 4800, 9600}

const (
	// cutTime is how often a line with a speed is given what is due on it. More
	// often would be smoother, and cost more.
	cutTime = 200 * time.Millisecond
	// maxCut bounds what it is given at once.
	maxCut = 60
)

// ByteTime is how long a line of some speed takes for a byte: start, seven bits,
// parity, stop (1-5-1-3).
func ByteTime(speed int) time.Duration { return 10 * time.Second / time.Duration(speed) }

// pace returns the speed of the caller's line, or if that is lower, the one that
// whoever has the screen is to be shown at; 0 if there is none.
func (c *Call) pace() int {
	shown := c.reached.Speed
	if c.state == AtService {
		shown = c.route.Speed
	}
	return Slower(c.speed, shown)
}

// Slower returns the lower of two speeds, of which 0 is none.
func Slower(a, b int) int {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// pourPaced is pour for a line of some speed: it sends the bytes whose time on the
// line has begun, and has the alarm ring for more. So what has been sent is never
// ahead of the line by more than a sequence.
func (c *Call) pourPaced(out []byte, speed int) {
	each := ByteTime(speed)
	for now := c.now(); ; {
		if c.free == 0 {
			c.free = now // a line that was idle has saved up nothing
		}
		if now < c.free {
			break
		}
		p := c.screen.Next(out, min(1+int((now-c.free)/each), maxCut))
		if len(p) == 0 {
			c.free = 0
			c.clear(paced)
			return
		}
		c.free += time.Duration(len(p)) * each
		if c.send(p) {
			c.flush(c.caller) // it is slower than it should be, and shows again after that
			return
		}
	}
	// What waits is an article, if it is nothing else.
	cut := min(int(cutTime/each), maxCut, max(c.screen.Size(), 1))
	// Where sending took longer than the line takes, that is past, and now.
	c.set(paced, max(c.free+time.Duration(max(cut, 1)-1)*each-c.now(), 1))
}

// ordered is told of orders as they leave for the terminal: one that changes the
// speed of a line changes that of ours.
func (c *Call) ordered(q []byte) {
	if speed, ok := videotex.LineSpeed(q); ok {
		c.speed = speed
	}
}

// draining is how long the farewell may take: the time that the limit allows
// for a caller who takes nothing, and that of the line.
func (c *Call) draining() time.Duration {
	if speed := c.pace(); speed > 0 && c.Limits.Drain > 0 {
		return c.Limits.Drain + time.Duration(c.screen.Size())*ByteTime(speed)
	}
	return c.Limits.Drain
}
