package trace

import (
	"encoding/binary"
	"fmt"

	"moip/internal/telnet"
)

// What telnet is made of (RFC 854).
const (
	tIAC, tSB, tSE          = 255, 250, 240
	tWILL, tDONT            = 251, 254
	tTTYPE, tNAWS, tENVIRON = 24, 31, 39
	tLocation               = 23
	maxSub                  = 256
)

// A commands decoder takes telnet's commands out of a stream.
type commands struct {
	state byte // 0 in data, else what the next byte follows: IAC, a verb, SB, or SE for IAC within SB
	sub   []byte
	size  int // of the subnegotiation
}

// write decodes p: commands are told, data goes on to hear.
func (d *commands) write(p []byte, hear func([]byte), out *items) {
	from := 0
	for i, b := range p {
		switch d.state {
		case 0:
			if b == tIAC {
				hear(p[from:i])
				d.state = tIAC
			}
			continue
		case tIAC:
			d.command(b, hear, out)
		case tSB:
			if b == tIAC {
				d.state = tSE
			} else {
				d.collect(b)
			}
		case tSE:
			d.endSub(b, hear, out)
		default:
			out.addf("IAC %s %s", telnet.CommandName(d.state), telnet.OptionName(b))
			d.state = 0
		}
		from = i + 1
	}
	if d.state == 0 {
		hear(p[from:])
	}
}

// command takes the byte after IAC.
func (d *commands) command(b byte, hear func([]byte), out *items) {
	switch {
	case b == tIAC:
		hear([]byte{tIAC})
		d.state = 0
	case b == tSB:
		d.state, d.sub, d.size = tSB, nil, 0
	case b >= tWILL && b <= tDONT:
		d.state = b
	default:
		out.add("IAC " + telnet.CommandName(b))
		d.state = 0
	}
}

func (d *commands) collect(b byte) {
	if d.size++; len(d.sub) < maxSub {
		d.sub = append(d.sub, b)
	}
}

// endSub takes the byte after an IAC within SB.
func (d *commands) endSub(b byte, hear func([]byte), out *items) {
	switch b {
	case tIAC:
		d.state = tSB
		d.collect(tIAC)
	case tSE:
		d.state = 0
		out.add("IAC SB " + d.subnegotiation() + " IAC SE")
	default: // its IAC SE is missing
		out.add("IAC SB " + d.subnegotiation() + " (unfinished)")
		d.state = tIAC
		d.command(b, hear, out)
	}
}

func (d *commands) subnegotiation() string {
	if len(d.sub) == 0 {
		return "of nothing"
	}
	code, p := d.sub[0], d.sub[1:]
	told := telnet.OptionName(code)
	verb := func() {
		if len(p) > 0 && p[0] < 2 {
			told += [...]string{" IS", " SEND"}[p[0]]
			p = p[1:]
		}
	}
	switch {
	case code == tNAWS && len(p) == 4:
		return fmt.Sprintf("NAWS %dx%d", binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:]))
	case code == tTTYPE:
		verb()
	case code == tENVIRON:
		verb()
		return told + environ(p)
	}
	if len(p) > 0 {
		told += " " + quoteBytes(p)
	}
	if d.size > maxSub {
		told += fmt.Sprintf(" (%d bytes)", d.size)
	}
	return told
}

// environ names the variables of NEW-ENVIRON (RFC 1572).
func environ(p []byte) (told string) {
	verbs := [...]string{" VAR", " VALUE", " ESC", " USERVAR"}
	for len(p) > 0 {
		n := 0
		for n < len(p) && int(p[n]) >= len(verbs) {
			n++
		}
		if n > 0 {
			told += " " + quoteBytes(p[:n])
		} else {
			told, n = told+verbs[p[0]], 1
		}
		p = p[n:]
	}
	return told
}
