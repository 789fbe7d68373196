package telnet

// Bytes of RFC 854 and codes of options.
const (
	nul = 0x00
	lf  = 0x0A
	cr  = 0x0D

	se   = 240 // the first of the commands of RFC 854
	sb   = 250
	will = 251
	wont = 252
	do   = 253
	dont = 254
	iac  = 255

	optBinary   = 0
	optEcho     = 1
	optSGA      = 3
	optLocation = 23
	optTerminal = 24
	optWindow   = 31
	optEnviron  = 39
)

// An end is where an option is performed.
type end int

const (
	ours   end = iota // we say WILL or WONT, the peer DO or DONT
	theirs            // the peer says WILL or WONT, we DO or DONT
)

// sides is a set of Sides.
type sides uint8

const (
	none   sides = 0
	server sides = 1 << Server
	client sides = 1 << Client
)

// options are those we agree to, if we are one of the given sides: at our end
// and at the peer's. All else is refused, in particular an ECHO by a terminal,
// which would send us our own pages as keys.
var options = [...]struct {
	code byte
	may  [2]sides // by end
}{
	{optBinary, [2]sides{server | client, server | client}},
	{optEcho, [2]sides{server, client}},
	{optSGA, [2]sides{server | client, server | client}},
	{optLocation, [2]sides{client, server}}, // a client, if it has one to tell
	{optTerminal, [2]sides{client, server}},
	{optWindow, [2]sides{client, server}},
	{optEnviron, [2]sides{none, server}},
}

// maxAnswers bounds how often one option is agreed to again, or answered when
// agreed, at one end; who goes on is refused. Some hosts turn their ECHO off
// and on around every password, so it is not 1. It must have an end because
// RFC 1143 rules out loops only between peers that keep to it: after a stray
// WILL, WONT two perfect ends can go on correcting each other for ever.
const maxAnswers = 20

// An option is one option at one end, in one of the six states of RFC 1143:
// NO, YES, and WANTNO or WANTYES with an empty queue or the opposite queued.
type option struct {
	on      bool  // YES or, if asked, WANTYES
	asked   bool  // the peer's answer is awaited
	queued  bool  // and then the opposite is to be asked
	answers uint8 // given, up to maxAnswers
}

// ask makes us want the option on or off, and reports whether the peer is to
// be told so now. We never want one off; the method is kept whole so that it
// can be held against the RFC.
func (o *option) ask(on bool) (tell bool) {
	if o.asked {
		o.queued = on != o.on
		return false
	}
	o.asked = on != o.on
	o.on = on
	return o.asked
}

// hear takes the peer's word on the option, and reports whether the peer is to
// be told ours, which is then o.on. An announcement of what is so already is
// not answered, which is what keeps two ends from answering each other for
// ever.
func (o *option) hear(on bool) (tell bool) {
	switch {
	case !o.asked: // the peer's own wish
		tell = on != o.on
		o.on = on
	case on == o.on: // our wish is granted, the next may be due
		tell = o.queued
		o.on, o.asked = o.on != o.queued, o.queued
	default: // refused or, should we have asked for off, a peer in error
		o.on, o.asked = on && o.queued, false
	}
	o.queued = false
	return tell
}

// agreed reports whether the option is in force.
func (o *option) agreed() bool { return o.on && !o.asked }

// option returns the state of an option, or nil if we never agree to it.
func (c *Conn) option(at end, code byte) *option {
	if code == optLocation && at == ours && c.place == "" {
		return nil
	}
	for i := range options {
		if o := &options[i]; o.code == code && o.may[at]&(1<<c.side) != 0 {
			return &c.options[i][at]
		}
	}
	return nil
}

// agreed reports whether an option is in force.
func (c *Conn) agreed(at end, code byte) bool {
	o := c.option(at, code)
	return o != nil && o.agreed()
}

// ask proposes to turn on an option that we agree to.
func (c *Conn) ask(reply []byte, at end, code byte) []byte {
	if c.option(at, code).ask(true) {
		reply = tell(reply, at, code, true)
	}
	return reply
}

// maxOffers is how many times a peer may say WILL, WONT, DO or DONT. Terminals do so some
// 30 times, and hosts whenever they ask for a password.
const maxOffers = 2000

// Endless reports whether the peer negotiates without end: no terminal does, nor any host.
func (c *Conn) Endless() bool { return c.offers == maxOffers }

// negotiate obeys IAC WILL, WONT, DO or DONT.
func (c *Conn) negotiate(reply []byte, verb, code byte) []byte {
	c.offers = min(c.offers+1, maxOffers)
	at, on := theirs, verb == will
	if verb == do || verb == dont {
		at, on = ours, verb == do
	}
	o := c.option(at, code)
	if o == nil || on && !o.on && o.answers == maxAnswers {
		if on {
			reply = c.refuse(reply, at, code)
		}
		return reply // WONT and DONT of what is off need no answer
	}
	before := o.agreed()
	if o.hear(on) {
		reply = tell(reply, at, code, o.on)
	}
	if o.agreed() && !before {
		o.answers++
		reply = c.begin(reply, at, code)
	}
	return reply
}

// refuse says no, once for each option and end, or a peer that asks without
// end would be answered without end.
func (c *Conn) refuse(reply []byte, at end, code byte) []byte {
	if c.refused == nil {
		c.refused = new([2][256 / 8]byte)
	}
	bits, bit := &c.refused[at][code/8], byte(1)<<(code%8)
	if *bits&bit != 0 {
		return reply
	}
	*bits |= bit
	return tell(reply, at, code, false)
}

// tell appends our word on an option.
func tell(reply []byte, at end, code byte, on bool) []byte {
	verb := byte(will)
	if at == theirs {
		verb = do
	}
	if !on {
		verb++ // WONT follows WILL, and DONT follows DO
	}
	return append(reply, iac, verb, code)
}
