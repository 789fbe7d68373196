package session

import "time"

// keysAtOnce is how long what a caller has sent may take, at the pace of Limits.Keys,
// before it has to wait: for 500 bytes a second, 4,000 may come at once. So a paste of a
// page is not held up.
const keysAtOnce = 8 * time.Second

// pressing notes that the caller has sent n bytes.
func (c *Call) pressing(n int) {
	if rate := c.Limits.Keys; rate > 0 {
		c.typedBy = max(c.typedBy, c.now()) + time.Duration(n)*time.Second/time.Duration(rate)
	}
}

// tooFast reports whether the caller has sent more than it may by now. Its reader waits
// then, until the alarm rings, and reads no more, so that TCP slows whoever sends: nothing
// is lost. It is a reader that waits, and not the call.
func (c *Call) tooFast() bool {
	if c.Limits.Keys == 0 || c.state == Over {
		return false
	}
	ahead := c.typedBy - c.now() - keysAtOnce
	if ahead <= 0 {
		return false
	}
	c.set(heardOut, ahead)
	return true
}
