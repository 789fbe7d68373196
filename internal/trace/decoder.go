package trace

import (
	"fmt"

	"moip/internal/discreet"
	"moip/internal/session"
)

// A decoder turns what passes on one leg in one direction into lines.
type decoder struct {
	keys     bool // it comes from a terminal
	commands commands
	keyboard keyboard
	page     page
}

// newDecoder returns a decoder of what is sent to a leg, or comes from it. Terminals are
// at the caller's end.
func newDecoder(leg session.Leg, sent bool) *decoder {
	return &decoder{keys: (leg == session.LegCaller) != sent}
}

// lines decodes what passes; raw has bytes in hexadecimals too.
func (d *decoder) lines(what session.Passage, p []byte, raw bool) []string {
	var out items
	switch what {
	case session.PassBytes:
		d.write(p, &out)
	case session.PassTelnet:
		d.commands.write(p, func(data []byte) { d.write(data, &out) }, &out)
	case session.PassFrame:
		frame(p, &out)
	case session.PassHead:
		head(p, &out)
	case session.PassEnd:
		d.keyboard.flush(&out)
		out.endLine()
		fallthrough
	case session.PassNote:
		out.add(discreet.Text(string(p)))
	}
	lines := out.take()
	if raw && (what == session.PassBytes || what == session.PassTelnet || what == session.PassFrame) {
		lines = append(dump(p), lines...)
	}
	return lines
}

func (d *decoder) write(p []byte, out *items) {
	if d.keys {
		d.keyboard.write(p, out)
	} else {
		d.page.write(p, out)
	}
}

// dump writes bytes in hexadecimals.
func dump(p []byte) (lines []string) {
	const each = 32
	for ; len(p) > each; p = p[each:] {
		lines = append(lines, fmt.Sprintf("% X", p[:each]))
	}
	if len(p) > 0 {
		lines = append(lines, fmt.Sprintf("% X", p))
	}
	return lines
}
