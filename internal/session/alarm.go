package session

import (
	"cmp"
	"time"
)

// An alarm is something that happens to a call for want of something else.
type alarm int

const (
	halfKey    alarm = iota // the other half of a key has not come
	finUnheard              // the portal has not reacted to Connexion/Fin
	retry                   // time to dial the portal again
	waited                  // the portal has been away for too long
	remind                  // say again why the visit ended
	idleWarn
	idleOver
	visitWarn
	visitOver
	callWarn
	callOver
	drained // the farewell has had its time
	paced   // the caller's line has room for more
	badgeDue
	heardOut // the caller may be heard again, see tooFast
	alarms
)

// warning is how long before a limit the caller is told of it.
const warning = time.Minute

// now returns the time since the call began. It is never 0.
func (c *Call) now() time.Duration { return time.Since(c.began) + 1 }

// set makes a ring in d; 0 is never.
func (c *Call) set(a alarm, d time.Duration) {
	c.due[a] = 0
	if d > 0 {
		c.due[a] = c.now() + d
		c.arm(c.due[a])
	}
}

// clear keeps a from ringing. The timer is left alone: it may go off for
// nothing.
func (c *Call) clear(a alarm) { c.due[a] = 0 }

// quiet clears all alarms.
func (c *Call) quiet() {
	clear(c.due[:])
	if c.timer != nil {
		c.timer.Stop()
	}
	c.armed = 0
}

// arm sees to it that the timer goes off at t or before.
func (c *Call) arm(t time.Duration) {
	if c.armed != 0 && c.armed <= t {
		return
	}
	c.armed = t
	if c.timer == nil {
		c.timer = time.AfterFunc(t-c.now(), c.tick)
	} else {
		c.timer.Reset(t - c.now())
	}
}

// An alarm that is later than standstill says that the gateway has stood still, stopped by
// somebody or with its machine. What has come meanwhile has to be read yet, so all alarms
// wait for the time of catchingUp: the key, say, without which the call is idle.
const (
	standstill = time.Second
	catchingUp = time.Second
)

// tick rings what is due.
func (c *Call) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	late := c.armed != 0 && now-c.armed > standstill
	c.armed = 0
	if late && !c.stood { // twice in a row, the machine is only slow
		c.stood = true
		c.arm(now + catchingUp)
		return
	}
	c.stood = false
	for a, t := range c.due {
		if t != 0 && t <= now && c.due[a] == t {
			c.due[a] = 0
			c.ring(alarm(a))
		}
	}
	for _, t := range c.due {
		if t != 0 {
			c.arm(t)
		}
	}
}

func (c *Call) ring(a alarm) {
	switch a {
	case halfKey:
		c.key(c.keys.Flush())
		c.deliver()
	case finUnheard:
		if c.screen.Size() >= maxPage { // it is the portal that is not heard
			c.set(finUnheard, finReact)
		} else {
			c.hangup(ReasonFin, nil)
		}
	case retry:
		c.ringRetry()
	case waited:
		c.ringWaited()
	case remind:
		c.say(c.notice)
	case idleWarn, idleOver:
		c.ringIdle(a)
	case visitWarn:
		c.say("Fin de la visite dans 1 minute")
	case visitOver:
		c.recall(ReasonVisit, nil)
	case callWarn:
		c.say("Fin de l'appel dans 1 minute")
	case callOver:
		c.hangup(ReasonTotal, nil)
	case drained:
		c.drop(c.caller)
	case paced:
		c.show()
	case badgeDue:
		c.ringBadge()
	case heardOut:
		c.readOn()
	}
}

// ringIdle rings for real only if there was no key in the meantime: keys do
// not touch the alarm, for they are many.
func (c *Call) ringIdle(a alarm) {
	limit := c.Limits.Idle
	if a == idleWarn {
		limit -= warning
	}
	if quiet := c.now() - c.lastKey; quiet < limit {
		c.set(a, limit-quiet)
		return
	}
	if a == idleOver {
		c.hangup(ReasonIdle, nil)
		return
	}
	c.say("Êtes-vous là ? Fin dans 1 minute")
	c.set(idleWarn, limit)
}

// limitCall starts the clocks of a call.
func (c *Call) limitCall() {
	c.limit(idleWarn, idleOver, c.Limits.Idle)
	c.limit(callWarn, callOver, c.Limits.Call)
}

func (c *Call) limitVisit() {
	c.limit(visitWarn, visitOver, cmp.Or(c.route.Visit, c.Limits.Visit))
}

// limitAnew has the clocks that run go by other limits than before. A visit that had no
// limit has begun now.
func (c *Call) limitAnew(was Limits) {
	c.relimit(idleWarn, idleOver, c.lastKey, was.Idle, c.Limits.Idle)
	c.relimit(callWarn, callOver, 0, was.Call, c.Limits.Call)
	if c.state == AtService && c.route.Visit == 0 {
		begun := c.now()
		if due := c.due[visitOver]; due > 0 {
			begun = due - was.Visit
		}
		c.relimit(visitWarn, visitOver, begun, was.Visit, c.Limits.Visit)
	}
}

// relimit has a clock that began at some time go by another limit. Who is over it, or
// nearly, is warned and has a minute, as ever. A limit that stays the same is left alone:
// its warning may have been given.
func (c *Call) relimit(warn, over alarm, begun, was, is time.Duration) {
	if is == was {
		return
	}
	left := max(is-(c.now()-begun), min(is, warning))
	c.set(over, left)
	c.clear(warn)
	if is > warning {
		c.set(warn, max(left-warning, 1))
	}
}

func (c *Call) limit(warn, over alarm, d time.Duration) {
	c.set(warn, d-warning)
	c.set(over, d)
}
