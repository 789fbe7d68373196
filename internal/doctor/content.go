package doctor

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"

	"moip/internal/telnet"
	"moip/videotex"
)

// A kind is what a stream is, as far as one can tell from its bytes.
type kind string

const (
	nothing  kind = "nothing"
	teletel  kind = "videotex"
	viewdata kind = "videotex of Prestel's kind, or very plain one"
	ansi     kind = "ANSI: text for terminals of 80 columns"
	text     kind = "text without any order for a terminal"
	web      kind = "a page of the web"
	ssh      kind = "SSH"
)

// A content is what is known of a stream.
type content struct {
	kind   kind
	parity bool     // bytes have seven bits, and an even parity
	eight  bool     // bytes have eight bits
	utf8   bool     // and they are letters in UTF-8
	clears bool     // the screen
	asks   []string // of the terminal, each once
	pymoip bool     // it begins as PyMoIP's servers do
}

// about is what p, the beginning of a stream, is about.
func about(p []byte) content {
	var c content
	c.parity, c.eight = eighth(p)
	c.utf8 = c.eight && utf8.Valid(p)
	if c.parity {
		p = stripped(p)
	}
	c.pymoip = bytes.Contains(p, []byte("\x1B9{\x05\x1B9z"))
	marks := c.walk(p)
	c.kind = marks.kind(p)
	return c
}

// eighth tells what the eighth bits of p are for.
func eighth(p []byte) (parity, eight bool) {
	const few = 8 // bytes say nothing of a rule
	even := true
	for _, b := range p {
		eight = eight || b >= 0x80
		even = even && bits.OnesCount8(b)%2 == 0
	}
	if eight && even && len(p) >= few {
		return true, false
	}
	return false, eight
}

// stripped returns p without parity.
func stripped(p []byte) []byte {
	p = slices.Clone(p)
	for i := range p {
		p[i] &= 0x7F
	}
	return p
}

// marks count what tells one kind from another.
type marks struct{ teletel, attributes, clears, csi int }

func (m marks) kind(p []byte) kind {
	start := bytes.ToLower(bytes.TrimSpace(p[:min(len(p), 64)]))
	switch {
	case len(p) == 0:
		return nothing
	case bytes.HasPrefix(start, []byte("ssh-")):
		return ssh
	case bytes.HasPrefix(start, []byte("http/")), bytes.HasPrefix(start, []byte("<!doctype")), bytes.HasPrefix(start, []byte("<html")):
		return web
	case m.csi > m.teletel:
		return ansi
	case m.teletel > 0:
		return teletel
	case m.attributes+m.clears > 0:
		return viewdata
	}
	return text
}

// walk steps through p as a terminal does.
func (c *content) walk(p []byte) (m marks) {
	var parser videotex.Parser
	for _, b := range p {
		s := parser.Step(b)
		if len(s) == 0 {
			continue
		}
		if a := videotex.Question(s); a != 0 {
			if asked := question(a); !slices.Contains(c.asks, asked) {
				c.asks = append(c.asks, asked)
			}
		}
		switch {
		case s[0] == videotex.FF:
			m.clears++
		case len(s) == 1 && (s[0] == videotex.SO || s[0] == videotex.CON), s[0] == videotex.US, s[0] == videotex.REP, s[0] == videotex.SS2:
			m.teletel++
		case len(s) > 1 && s[0] == videotex.ESC && s[1] >= 0x39 && s[1] <= 0x3B: // PRO1 to PRO3
			m.teletel++
		case len(s) > 2 && s[0] == videotex.ESC && s[1] == '[':
			m.csi++
		case len(s) == 2 && s[0] == videotex.ESC && s[1] >= 0x40 && s[1] < 0x60:
			m.attributes++
		}
	}
	c.clears = m.clears > 0
	return m
}

// question says what a terminal is asked for.
func question(a videotex.Answer) string {
	switch a {
	case videotex.Identity:
		return "what it is (ENQROM)"
	case videotex.RAM:
		return "what is in its memory (ENQRAM)"
	case videotex.Cursor:
		return "where the cursor is"
	case videotex.Speed:
		return "its speed, or another one"
	case videotex.Functions:
		return "how it works, or to work otherwise"
	case videotex.Routing:
		return "which of its modules are connected"
	case videotex.Terminal:
		return "its state"
	case videotex.Protocol:
		return "its protocol, or another one"
	case videotex.NowMixte, videotex.NowVideotex, videotex.ToTele:
		return "for another standard"
	}
	return fmt.Sprintf("for an answer of the kind %02Xh", byte(a))
}

// Bytes of telnet (RFC 854).
const (
	iac  = 255
	will = 251
	dont = 254
)

// negotiations returns what a peer wants by telnet, each once: "WILL ECHO".
func negotiations(p []byte) (all []string) {
	for i := 0; i+1 < len(p); i++ {
		if p[i] != iac {
			continue
		}
		verb := p[i+1]
		i++ // the verb, or the second half of the byte 255 itself
		if verb < will || verb > dont || i+1 >= len(p) {
			continue
		}
		said := telnet.CommandName(verb) + " " + telnet.OptionName(p[i+1])
		if !slices.Contains(all, said) {
			all = append(all, said)
		}
		i++
	}
	return all
}
