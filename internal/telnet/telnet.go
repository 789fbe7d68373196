// Package telnet is the telnet protocol of one connection, at either end of
// it: a state machine that turns bytes into bytes and does no input or output
// itself.
//
// It serves callers and services that may not speak telnet at all. A peer is
// taken for plain TCP until it sends its first telnet command; until then
// nothing is inserted into what it gets, apart from a server's greeting.
//
// Telnet is RFC 854 and 855, its option negotiation RFC 1143. The options are
// BINARY (RFC 856), ECHO (857), SUPPRESS-GO-AHEAD (858), SEND-LOCATION (779),
// TERMINAL-TYPE (1091), NAWS (1073) and NEW-ENVIRON (1572).
package telnet

// Side tells which end of the connection we are.
type Side int

const (
	Server Side = iota // a caller's terminal is the peer
	Client             // a service is the peer
)

// A Conn is the telnet state of one connection. It is not safe for concurrent
// use.
type Conn struct {
	side    Side
	options [len(options)][2]option // by place in the table of options, and end
	refused *[2][256 / 8]byte       // options refused already: a bit each, by end
	sub     []byte                  // what came of an unfinished subnegotiation
	facts   *Facts
	place   string // ours, "" if the peer is not to learn it
	state   state
	offers  uint16 // heard, of options, up to maxOffers
	verb    byte   // in state inOption
	cr      bool   // the last byte of data was CR
	telnet  bool   // the peer has sent a command: it is no plain TCP
}

// A state of the parser says what the next byte is.
type state uint8

const (
	inData       state = iota
	inCommand          // follows IAC
	inOption           // follows IAC and WILL, WONT, DO or DONT
	inSub              // belongs to a subnegotiation
	inSubCommand       // follows IAC in a subnegotiation
)

// maxSub is how many bytes of a subnegotiation are kept. The rest is skipped.
const maxSub = 256

// New returns the state of a connection on which nothing was said yet.
func New(side Side) *Conn { return &Conn{side: side} }

// TellLocation has a server told where its caller is, by SEND-LOCATION (RFC 779), once it
// speaks telnet. It is for a client, before anything is received. A location is up to 64
// bytes of ASCII; "" is none.
func (c *Conn) TellLocation(location string) { c.place = location }

// Greeting returns what is to be sent when the connection begins: a server's
// proposals, which bring a terminal into character mode without local echo,
// eight bits wide. A client has no greeting and answers the server's.
func (c *Conn) Greeting() []byte {
	if c.side == Client {
		return nil
	}
	greeting := c.ask(nil, ours, optEcho)
	greeting = c.ask(greeting, ours, optSGA)
	greeting = c.ask(greeting, theirs, optSGA)
	greeting = c.ask(greeting, ours, optBinary)
	return c.ask(greeting, theirs, optBinary)
}

// Receive takes the next bytes from the peer, cut anywhere. It decodes them in
// place and returns the data among them, which is part of p, and the reply to
// send, nil most of the time. The reply goes out as it is, before anything
// that is encoded later.
//
// All replies to a peer, whatever it sends and however long, are bounded.
func (c *Conn) Receive(p []byte) (data, reply []byte) {
	data = p[:0]
	for _, b := range p {
		switch c.state {
		case inData:
			if b == iac {
				c.state = inCommand
			} else if c.keeps(b) {
				data = append(data, b)
			}
		case inCommand:
			if b == iac { // the byte FFh itself
				c.state, c.cr = inData, false
				data = append(data, b)
			} else {
				reply = c.command(reply, b)
			}
		case inOption:
			c.state = inData
			reply = c.negotiate(reply, c.verb, b)
		case inSub:
			if b == iac {
				c.state = inSubCommand
			} else {
				c.collect(b)
			}
		case inSubCommand:
			switch b {
			case iac:
				c.state = inSub
				c.collect(b)
			case se:
				reply = c.subnegotiate(reply, c.sub)
				c.state, c.sub = inData, nil
			default: // its IAC SE is missing, and so may be more: forget it
				c.sub = nil
				reply = c.command(reply, b)
			}
		}
	}
	return data, reply
}

// keeps reports whether b, which is no part of a command, is data. It is not
// if it only completes the CR before it (RFC 854, page 11).
//
// A server's peer is a keyboard, where CR NUL, CR LF and CR are the same key,
// also over plain TCP. In BINARY the LF is a key of its own (RFC 856), but the
// NUL still goes: there are clients that agree to BINARY and send CR NUL all
// the same, and no key of a Minitel sends NUL.
//
// A client's peer writes on a screen, where LF after CR moves down. Its NUL
// goes unless it is in BINARY, where it may be one of a counted sequence.
func (c *Conn) keeps(b byte) bool {
	afterCR := c.cr
	c.cr = b == cr
	switch {
	case afterCR && b == nul:
		return c.side == Client && c.agreed(theirs, optBinary)
	case afterCR && b == lf:
		return c.side == Client || c.agreed(theirs, optBinary)
	}
	return true
}

// command obeys the byte after IAC, unless that is another IAC. Commands
// without an option, such as NOP, BRK, AYT or GA, mean nothing to a Minitel
// and are swallowed, and so are undefined ones.
func (c *Conn) command(reply []byte, b byte) []byte {
	switch b {
	case will, wont, do, dont:
		c.state, c.verb = inOption, b
	case sb:
		c.state = inSub
	default:
		c.state = inData
	}
	if b < se || c.telnet { // below SE it may be noise on a plain line
		return reply
	}
	c.telnet = true
	return c.inquire(reply)
}

// collect keeps a byte of a subnegotiation.
func (c *Conn) collect(b byte) {
	if len(c.sub) < maxSub {
		c.sub = append(c.sub, b)
	}
}

// Encode appends p to dst as it must stand on the wire, and returns the
// extended slice.
//
// A plain TCP peer gets p as it is. For others FFh is doubled and, if we are
// not in BINARY, NUL follows a CR that has no LF behind it (RFC 854, page 11).
// This includes a CR at the end of p, since a peer may wait for the byte after
// CR before it takes the key. Should p's successor begin with LF, the peer
// sees CR NUL LF, which is CR and LF: on a screen that is the same, NUL being
// padding.
func (c *Conn) Encode(dst, p []byte) []byte {
	if !c.telnet {
		return append(dst, p...)
	}
	binary := c.agreed(ours, optBinary)
	for i, b := range p {
		dst = append(dst, b)
		switch {
		case b == iac:
			dst = append(dst, iac)
		case b == cr && !binary && (i+1 == len(p) || p[i+1] != lf):
			dst = append(dst, nul)
		}
	}
	return dst
}
