package trace

import (
	"fmt"

	"moip/videotex"
)

// A page decodes what goes to a terminal.
type page struct {
	parser  videotex.Parser
	text    []rune
	mosaics bool // the text is of them
	last    [2]byte

	loaded, forms int  // bytes and characters of a load of redefinable characters
	begins        bool // the next byte of it may begin one
	unseen        int  // bytes to which the terminal is deaf
}

// write decodes p. What is whole by then is told.
func (d *page) write(p []byte, out *items) {
	for _, b := range p {
		loading, deaf := d.parser.Loading(), d.parser.Deaf()
		s := d.parser.Step(b)
		switch {
		case loading:
			d.load(b&0x7F, out)
		case deaf:
			d.unseen++
			if !d.parser.Deaf() {
				d.flush(out)
			}
		case s != nil:
			d.sequence(s, out)
		}
		d.last = [2]byte{d.last[1], b & 0x7F}
	}
	d.flush(out)
}

// load takes a byte of a load. The US that ends it goes somewhere.
func (d *page) load(b byte, out *items) {
	d.loaded++
	if b >= 0x40 && d.begins {
		d.forms++
	}
	d.begins = b == 0x30
	if !d.parser.Loading() {
		d.loaded = max(d.loaded-3, 0)
		d.flush(out)
		out.add(located([]byte{videotex.US, d.last[1], b}, d.parser.Mode()))
	}
}

func (d *page) sequence(s []byte, out *items) {
	r, mosaics := rune(0), false
	switch {
	case len(s) == 1 && s[0] >= 0x20:
		mosaics = d.parser.Mosaics()
		r = shown(s[0], mosaics)
	case (s[0] == videotex.SS2 || s[0] == videotex.SYN) && len(s) > 1:
		r = videotex.Decode(append([]byte{videotex.SS2}, s[1:]...))
	}
	if r == 0 {
		d.flush(out)
		out.add(sequenceName(s, d.parser.Mode()))
		return
	}
	if mosaics != d.mosaics {
		d.flush(out)
	}
	d.text, d.mosaics = append(d.text, r), mosaics
}

// shown returns what a character of G0 or G1 looks like.
func shown(code byte, mosaics bool) rune {
	if mosaics {
		return videotex.Cell{Set: videotex.G1, Code: code&0x1F | code&0x40>>1}.Rune()
	}
	return videotex.Cell{Set: videotex.G0, Code: code}.Rune()
}

// flush tells of what has come together.
func (d *page) flush(out *items) {
	if len(d.text) > 0 {
		text := quote(string(d.text))
		if d.mosaics {
			text = "mosaics " + text
		}
		out.add(text)
		d.text = d.text[:0]
	}
	if d.loaded > 0 {
		out.addf("DRCS load, %d bytes, %d characters", d.loaded, d.forms)
		d.loaded, d.forms = 0, 0
	}
	if d.unseen > 0 {
		out.addf("%d bytes that are not shown", d.unseen)
		d.unseen = 0
	}
}

// controls are the names of the control characters, and what those do that show.
var controls = [0x20]string{
	"NUL", "SOH", "STX", "ETX", "EOT", "ENQ (asks for the RAM)", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF (clear)", "CR",
	"SO (mosaics)", "SI (text)", "DLE", "CON (cursor on)", "REP", "SEP", "COF (cursor off)", "NAK", "SYN", "ETB",
	"CAN (clear to the end of the row)", "SS2", "SUB", "ESC", "FS", "SS3", "RS (home)", "US",
}

// name returns the bare name of a control character.
func name(b byte) string {
	n := controls[b]
	for i, c := range n {
		if c == ' ' {
			return n[:i]
		}
	}
	return n
}

// sequenceName names a whole sequence of the Parser's.
func sequenceName(s []byte, mode videotex.Mode) string {
	if s[0] >= 0x20 {
		return refs(s)
	}
	if len(s) == 1 {
		return controls[s[0]]
	}
	written := name(s[0]) + " " + refs(s[1:])
	switch s[0] {
	case videotex.REP:
		if s[1] > 0x40 {
			return fmt.Sprintf("REP x%d", s[1]-0x40)
		}
	case videotex.US:
		return located(s, mode)
	case videotex.ESC:
		if s[1] == 0x5B {
			return csi(s)
		}
		return with(written, escapeMeaning(s[1:]))
	}
	return written
}

// with adds what something means, if that is known.
func with(written, meaning string) string {
	if meaning == "" {
		return written
	}
	return written + " (" + meaning + ")"
}

// located is US and what follows it.
func located(s []byte, mode videotex.Mode) string {
	written, meaning := "US "+refs(s[1:]), ""
	switch {
	case len(s) == 2: // card reader and the like
	case s[1] == 0x23:
		meaning = "loads redefinable characters"
	default:
		row, ok := videotex.Place(s[1], s[2], mode)
		switch {
		case !ok:
			meaning = "nowhere"
		case s[1] < 0x40: // two digits of the row
			meaning = fmt.Sprintf("row %d", row)
		default:
			meaning = fmt.Sprintf("row %d column %d", row, s[2]-0x40)
		}
	}
	return with(written, meaning)
}

var colours = [8]string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}

// attributes are ESC 4/8 to 4/15 and 5/8 to 5/15 (2-2-1-2-6-2).
var attributes = map[byte]string{
	0x48: "flashing", 0x49: "steady", 0x4C: "normal size", 0x4D: "double height", 0x4E: "double width", 0x4F: "double size",
	0x58: "masked", 0x59: "no lining", 0x5A: "lining", 0x5C: "not inverted", 0x5D: "inverted", 0x5F: "unmasked",
}

// designations are ESC with intermediates.
var designations = map[string]string{
	"\x28\x40": "G0 for text", "\x28\x20\x42": "G'0 for text", "\x29\x63": "G1 for mosaics", "\x29\x20\x43": "G'1 for mosaics",
	"\x23\x20\x58": "masks the screen", "\x23\x20\x5F": "unmasks the screen",
	"\x25": "deaf until ESC 2/5 4/0", "\x25\x40": "hears again",
}

// escapeMeaning says what ESC and what follows it mean.
func escapeMeaning(s []byte) string {
	switch c := s[0]; {
	case c >= 0x40 && c <= 0x47:
		return "ink " + colours[c&7]
	case c >= 0x50 && c <= 0x57:
		return "paper " + colours[c&7]
	case c == 0x61:
		return "where is the cursor?"
	case c >= 0x39 && c <= 0x3B && len(s) == int(c)-0x37:
		return order(s)
	case c < 0x30:
		return designations[string(s)]
	default:
		return attributes[c]
	}
}

// controlSequences are named by their last byte.
var controlSequences = map[byte]string{
	'A': "up", 'B': "down", 'C': "right", 'D': "left", 'H': "to row;column", 'f': "to row;column", 'J': "clear the page",
	'K': "clear the row", 'P': "delete characters", '@': "insert characters", 'M': "delete rows", 'L': "insert rows",
	'h': "mode on", 'l': "mode off", 'm': "attributes", '{': "to Vidéotex",
}

// csi names ESC 5/11 and what follows it.
func csi(s []byte) string {
	return with("CSI "+clip(string(s[2:]), 24), controlSequences[s[len(s)-1]])
}
