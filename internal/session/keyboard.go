package session

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/videotex"
)

const (
	sepWait  = 200 * time.Millisecond // for the letter of a SEP
	escWait  = 150 * time.Millisecond // for what follows an ESC
	askWait  = time.Minute            // for the answer of a terminal, behind a page on a slow line
	finAgain = 10 * time.Second       // in which a second Connexion/Fin ends the call
	finReact = 2 * time.Second        // for the portal to react to Connexion/Fin
	maxAsked = 32
)

// A question was put to the terminal by a leg, which is nil if it has left.
type question struct {
	by     *leg
	answer videotex.Answer
	until  time.Duration
}

// typed takes what the caller sent.
func (c *Call) typed(p []byte) {
	if c.state == Over {
		return
	}
	c.in += uint64(len(p))
	c.typing(p)
	c.pressing(len(p))
	for {
		var key []byte
		if key, p = c.keys.Next(p); key == nil {
			break
		}
		c.key(key)
	}
	c.deliver()
	c.clear(halfKey)
	if held := c.keys.Held(); len(held) == 1 && held[0] == videotex.ESC {
		c.set(halfKey, escWait)
	} else if len(held) > 0 {
		c.set(halfKey, sepWait)
	}
}

// key takes one whole key, or a run of plain ones.
func (c *Call) key(key []byte) {
	if c.answered(key) {
		return
	}
	c.lastKey = c.now()
	if c.pressed++; key[0] >= ' ' { // a run of plain ones
		c.pressed += uint64(len(key) - 1)
	}
	stars := c.stars
	c.stars = 0
	switch {
	case videotex.IsFin(key), stars >= 3 && videotex.Function(key) == videotex.Sommaire:
		// Not all keyboards have Connexion/Fin.
		c.deliver()
		c.fin()
	default:
		plain := bytes.TrimRight(key, "*")
		if c.stars = len(key) - len(plain); len(plain) == 0 {
			c.stars += stars
		}
		c.batch = append(c.batch, key...)
	}
}

// deliver gives the keys of the batch to whoever holds the keyboard.
func (c *Call) deliver() {
	keys := c.batch
	c.batch = c.batch[:0]
	if len(keys) == 0 {
		return
	}
	switch {
	case c.state == AtService:
		if !c.press(c.service, c.route, keys) {
			c.recall(ReasonStalled, errAhead)
		}
	case c.state == Dialing, c.state == AtPortal && c.portal == nil && !c.waiting:
		c.typeAhead(keys)
	case c.state == AtPortal && c.portal == nil:
		c.whileWaiting(keys)
	case c.state == AtPortal:
		if !c.press(c.portal, c.reached, keys) {
			c.hangup(ReasonStalled, errAhead)
		}
	}
	if cap(c.batch) > 64 { // was a paste
		c.batch = nil
	}
}

// press gives keys to l, which r leads to, in the case of letters that it wants
// and with the echo that it lacks. It reports false if too many wait there.
func (c *Call) press(l *leg, r *Route, keys []byte) bool {
	if r.Case == CaseTyped && !r.Echo {
		return c.give(l, keys)
	}
	var reader videotex.KeyReader
	for key, rest := reader.Next(keys); key != nil; key, rest = reader.Next(rest) {
		if key[0] >= 0x20 { // a run of characters, in place
			r.Case.turn(key)
		}
		if r.Echo {
			c.echo(l, key)
		}
	}
	if !c.give(l, keys) {
		return false
	}
	c.show()
	return true
}

// turn gives all letters of p the case.
func (c Case) turn(p []byte) {
	for i, b := range p {
		switch {
		case c == CaseUpper && 'a' <= b && b <= 'z':
			p[i] = b - 'a' + 'A'
		case c == CaseLower && 'A' <= b && b <= 'Z':
			p[i] = b - 'A' + 'a'
		}
	}
}

// echo shows a key in the stream of l: characters, also those with an accent,
// and CR as CR LF, which begins a line as hosts of text do. What other keys do,
// such as Correction, only l can show.
func (c *Call) echo(l *leg, key []byte) {
	switch {
	case key[0] == videotex.CR:
		c.screen.Echo(l, []byte{videotex.CR, videotex.LF})
	case key[0] == videotex.SS2 && videotex.Decode(key) != 0:
		c.screen.Echo(l, key)
	case key[0] >= 0x20:
		for i := range key {
			if videotex.Decode(key[i:i+1]) != 0 {
				c.screen.Echo(l, key[i:i+1])
			}
		}
	}
}

// typeAhead keeps keys for whom is being dialled.
func (c *Call) typeAhead(keys []byte) {
	c.ahead = append(c.ahead, keys...)
	switch {
	case len(c.ahead) <= maxDialed:
	case c.state == Dialing:
		c.recall(ReasonStalled, errAhead)
	default:
		c.hangup(ReasonStalled, errAhead)
	}
}

// catchUp delivers what was typed ahead.
func (c *Call) catchUp() {
	c.batch = append(c.batch, c.ahead...)
	c.ahead = nil
	c.deliver()
}

// answered reports whether key was an answer of the terminal, and not a key.
// It goes to the leg that asked, wherever the keyboard is by now, and nowhere
// if that leg has left.
func (c *Call) answered(key []byte) bool {
	a := videotex.AnswerOf(key)
	if a == 0 {
		// The start of an identification is no key. Without its end it could
		// still pass for one at a portal that reads less carefully than we do.
		if key[0] == videotex.SOH && c.state != AtService {
			if len(key) > 1 {
				c.key(key[1:])
			}
			return true
		}
		return false
	}
	i := c.asker(a)
	if i < 0 && a == videotex.Identity {
		i = c.asker(videotex.RAM)
	}
	if i < 0 {
		return isAnswer(key, a) // nobody asked
	}
	by := c.asked[i].by
	c.asked = slices.Delete(c.asked, i, i+1)
	if a != videotex.Identity || c.identify(key) {
		c.deliver()
		c.give(by, key)
	}
	return true
}

// isAnswer reports whether key, which may be the answer a, can be nothing else.
func isAnswer(key []byte, a videotex.Answer) bool {
	return a != 0 && (key[0] == videotex.SOH || key[0] == videotex.ESC && a != videotex.ToTele)
}

// asker returns the index of the first question that waits for a, -1 if none
// does.
func (c *Call) asker(a videotex.Answer) int {
	now := c.now()
	return slices.IndexFunc(c.asked, func(q question) bool { return q.answer == a && q.until >= now })
}

// identify notes who the terminal says it is. It reports false for the
// identification with which a gateway introduces itself to its portal: a
// terminal has no business to give that one.
func (c *Call) identify(key []byte) bool {
	c.identity = [3]byte(key[1:4])
	if c.identity == [3]byte{0x7F, 0x7F, 0x7F} {
		return false
	}
	c.mark("terminal %s", strings.Trim(strconv.Quote(string(c.identity[:])), `"`))
	return true
}

// asks notes that a stream puts a question to the terminal.
func (c *Call) asks(by any, a videotex.Answer) {
	l, _ := by.(*leg)
	c.enquired = c.enquired || a == videotex.Identity
	if len(c.asked) == maxAsked {
		c.asked = c.asked[1:]
	}
	for len(c.asked) > 0 && c.asked[0].until < c.now() {
		c.asked = c.asked[1:]
	}
	c.asked = append(c.asked, question{l, a, c.now() + askWait})
}

// forget turns answers to l's questions away.
func (c *Call) forget(l *leg) {
	for i := range c.asked {
		if c.asked[i].by == l {
			c.asked[i].by = nil
		}
	}
}

// fin obeys Connexion/Fin.
func (c *Call) fin() {
	switch {
	case c.state == Dialing:
		c.ahead = nil // as ^C flushes the input of a tty
		c.recall(ReasonFin, nil)
	case c.state == AtService:
		c.recall(ReasonFin, nil)
	case c.state != AtPortal:
	case c.portal == nil, c.reached.Fin == FinClose, c.lastFin > 0 && c.now()-c.lastFin < finAgain:
		c.hangup(ReasonFin, nil)
	default:
		c.lastFin = c.now()
		c.set(finUnheard, finReact)
		c.give(c.portal, c.reached.Fin.bytes())
	}
}

func (f Fin) bytes() []byte {
	switch f {
	case FinModem:
		return []byte{videotex.SEP, videotex.LineReleased}
	case FinClose:
		return nil
	}
	return []byte{videotex.SEP, videotex.ConnexionFin}
}
