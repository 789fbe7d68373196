// Package trace tells what passes on the lines of a call, decoded: telnet's options,
// WebSocket frames, videotex sequences and keys by their names.
//
// A Desk follows calls for those who ask. What passes is copied into a bounded queue of
// each Tracer, and becomes text only when its reader takes it, so that nobody who reads
// slowly costs a call more than the copy.
package trace

import (
	"fmt"
	"strings"
	"unicode"
)

// notice is what a trace begins with.
const notice = "A trace shows all that is typed, passwords too."

// An Entry is a line of a trace. What is in it can be written to any terminal: there
// are no control characters, and it is no longer than some 300 characters.
type Entry struct {
	Call    uint64  `json:"call,omitempty"`
	After   float64 `json:"after"`             // seconds since the call began
	Leg     string  `json:"leg,omitempty"`     // caller, portal or service; none if it is about the call
	Service string  `json:"service,omitempty"` // the name of the service
	Way     string  `json:"way,omitempty"`     // from the leg, to it, or none
	What    string  `json:"what"`
	Over    bool    `json:"over,omitempty"` // the call has ended, and this is the last
}

// About reports whether the line is about the trace, and no call.
func (e Entry) About() bool { return e.Call == 0 && e.Leg == "" }

// The ways.
const (
	From = "from"
	To   = "to"
)

// String returns the line as it is printed. The number of the call is left to whoever
// follows several. What is about no call is told bare.
func (e Entry) String() string {
	if e.About() {
		return e.What
	}
	leg := e.Leg
	if e.Service != "" {
		leg += " " + e.Service
	}
	switch {
	case leg == "":
		leg = "call"
	case e.Way == From:
		leg += " →"
	case e.Way == To:
		leg = "← " + leg
	}
	return fmt.Sprintf("%+9.3f  %-10s  %s", e.After, leg, e.What)
}

const (
	maxItem = 120 // characters of what stands between two blanks of a line
	maxLine = 100 // after so many a new line is begun
)

// items are put together to lines.
type items struct {
	lines []string
	line  []string
	width int
}

func (i *items) add(item string) {
	if item == "" {
		return
	}
	item = clip(item, maxItem)
	if i.width > 0 && i.width+len(item) > maxLine {
		i.endLine()
	}
	i.line = append(i.line, item)
	i.width += len(item) + 2
}

func (i *items) addf(format string, a ...any) { i.add(fmt.Sprintf(format, a...)) }

func (i *items) endLine() {
	if len(i.line) > 0 {
		i.lines = append(i.lines, strings.Join(i.line, "  "))
		i.line, i.width = nil, 0
	}
}

// take returns the lines.
func (i *items) take() []string {
	i.endLine()
	return i.lines
}

// clip returns s as it can be shown, in n characters or a few more, which then say how
// many there are.
func clip(s string, n int) string {
	var b strings.Builder
	count := 0
	for _, r := range s {
		if count < n {
			if !unicode.IsPrint(r) { // direction marks are not, either
				r = '·'
			}
			b.WriteRune(r)
		}
		count++
	}
	if count > n {
		fmt.Fprintf(&b, "… (%d)", count)
	}
	return b.String()
}

// quote returns text in quotes, cut if it is long.
func quote(text string) string {
	const most = 60
	if cut := clip(text, most); len([]rune(text)) > most {
		at := strings.LastIndex(cut, "…")
		return `"` + cut[:at] + `…"` + cut[at+len("…"):]
	} else {
		return `"` + cut + `"`
	}
}

// quoteBytes is quote for bytes that are ASCII, or not.
func quoteBytes(p []byte) string {
	var b strings.Builder
	for _, c := range p {
		if c >= 0x20 && c < 0x7F {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02X`, c)
		}
	}
	return quote(b.String())
}

// ref writes a byte as the STUM does: column and row of the code table, as 1/15.
func ref(b byte) string { return fmt.Sprintf("%d/%d", b>>4, b&0xF) }

// refs writes bytes as the STUM does.
func refs(p []byte) string {
	all := make([]string, len(p))
	for i, b := range p {
		all[i] = ref(b)
	}
	return strings.Join(all, " ")
}

// Line is String for a line of its own, with the number of the call if there are several.
func (e Entry) Line(several bool) string {
	switch {
	case !several, e.About():
		return e.String()
	case e.Call == 0:
		return "-  " + e.String()
	}
	return fmt.Sprintf("%d  %s", e.Call, e)
}
