package telnet

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Facts are what the peer of a server told of itself. Nobody vouches for them.
// Texts are printable ASCII and, all in all, no longer than a few hundred
// bytes. What was not told is zero.
type Facts struct {
	Terminal string            // as the peer names it, "XTERM"
	Window   string            // columns and rows, "80x24", 0 for unknown
	Location string            // in the peer's words
	Environ  map[string]string // variables that have a value; not to be changed
}

// Facts returns what the peer told so far.
func (c *Conn) Facts() Facts {
	if c.facts == nil {
		return Facts{}
	}
	return *c.facts
}

// Bytes of subnegotiations.
const (
	is   = 0 // RFC 1091 and 1572
	send = 1

	envVar     = 0 // RFC 1572
	envValue   = 1
	envEsc     = 2
	envUserVar = 3
)

// inquire asks a server's peer about itself. A client offers what it has to tell.
func (c *Conn) inquire(reply []byte) []byte {
	if c.side == Client {
		if c.place != "" {
			reply = c.ask(reply, ours, optLocation)
		}
		return reply
	}
	for _, code := range []byte{optTerminal, optWindow, optEnviron, optLocation} {
		reply = c.ask(reply, theirs, code)
	}
	return reply
}

// begin says what is due as soon as an option is agreed: as a server, which
// fact we want; as a client, the size of a Minitel's screen, which the server
// does not ask for (RFC 1073), and the location (RFC 779). The terminal's type is asked once: asked again,
// the peer would change to its next type (RFC 1091).
func (c *Conn) begin(reply []byte, at end, code byte) []byte {
	switch {
	case at == theirs && (code == optTerminal || code == optEnviron):
		return append(reply, iac, sb, code, send, iac, se)
	case at == ours && code == optWindow:
		return append(reply, iac, sb, optWindow, 0, 40, 0, 25, iac, se)
	case at == ours && code == optLocation:
		reply = append(reply, iac, sb, optLocation)
		reply = append(reply, c.place...)
		return append(reply, iac, se)
	}
	return reply
}

// subnegotiate obeys what stood between IAC SB and IAC SE, unless it concerns
// an option that is not agreed.
func (c *Conn) subnegotiate(reply, p []byte) []byte {
	if len(p) < 2 {
		return reply
	}
	code, p := p[0], p[1:]
	switch {
	case c.agreed(theirs, code):
		c.learn(code, p)
	case code == optTerminal && p[0] == send && c.agreed(ours, code):
		if o := c.option(ours, code); o.answers < maxAnswers {
			o.answers++
			reply = append(reply, iac, sb, optTerminal, is)
			reply = append(reply, "minitel1b"...)
			reply = append(reply, iac, se)
		}
	}
	return reply
}

// learn takes a fact from a subnegotiation. What it says of a fact replaces
// what was said before.
func (c *Conn) learn(code byte, p []byte) {
	if c.facts == nil {
		c.facts = new(Facts)
	}
	switch {
	case code == optTerminal && p[0] == is:
		c.facts.Terminal = printable(p[1:])
	case code == optWindow && len(p) == 4:
		c.facts.Window = fmt.Sprintf("%dx%d", binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:]))
	case code == optEnviron && p[0] == is:
		c.facts.Environ = environ(p[1:])
	case code == optLocation:
		c.facts.Location = printable(p)
	}
}

// environ reads the variables of a NEW-ENVIRON IS (RFC 1572): each begins with
// VAR or USERVAR and its name, and has a value if VALUE follows.
func environ(p []byte) map[string]string {
	var variables map[string]string
	var name, value []byte
	var to *[]byte // what the next byte belongs to, nil before the first name
	store := func() {
		if n, v := printable(name), printable(value); n != "" && v != "" {
			if variables == nil {
				variables = make(map[string]string)
			}
			variables[n] = v
		}
		name, value, to = nil, nil, &name
	}
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case envVar, envUserVar:
			store()
		case envValue:
			to = &value
		case envEsc:
			i++ // the next byte is text, whatever it is
			fallthrough
		default:
			if to != nil && i < len(p) {
				*to = append(*to, p[i])
			}
		}
	}
	store()
	return variables
}

// printable drops what does not belong in a log or on an operator's screen.
func printable(p []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(p))
}
