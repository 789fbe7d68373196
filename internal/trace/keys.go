package trace

import (
	"fmt"

	"moip/videotex"
)

// A keyboard decodes what comes from a terminal: keys, and answers.
type keyboard struct{ reader videotex.KeyReader }

// write decodes p. What is whole by then is told.
func (d *keyboard) write(p []byte, out *items) {
	text := ""
	flush := func() {
		if text != "" {
			out.add(quote(text))
			text = ""
		}
	}
	for key, rest := d.reader.Next(p); key != nil; key, rest = d.reader.Next(rest) {
		if s, ok := typed(key); ok {
			text += s
			continue
		}
		flush()
		out.add(keyName(key))
	}
	flush()
}

// flush tells of half a key.
func (d *keyboard) flush(out *items) {
	if half := d.reader.Flush(); len(half) > 0 {
		out.add(keyName(half) + " (unfinished)")
	}
}

// typed returns the characters that key is, if it is of those.
func typed(key []byte) (string, bool) {
	if key[0] >= 0x20 {
		text := ""
		for _, b := range key {
			if b < 0x7F {
				text += string(rune(b))
			} else {
				text += fmt.Sprintf(`\x%02X`, b)
			}
		}
		return text, true
	}
	if r := videotex.Decode(key); r > 0 {
		return string(r), true
	}
	return "", false
}

// answers are the kinds of answers that have one meaning.
var answers = map[videotex.Answer]string{
	videotex.Routing: "answer: routes", videotex.Terminal: "answer: status of the terminal", videotex.Functions: "answer: functions",
	videotex.Speed: "answer: speed of the line", videotex.Protocol: "answer: status of the protocol", videotex.ToTele: "answer: in Téléinformatique",
	videotex.Transparent: "answer: transparence is over", videotex.Copied: "answer: copied", videotex.WasReset: "answer: was reset",
	videotex.NowMixte: "answer: 80 columns", videotex.NowVideotex: "answer: 40 columns",
}

// keyName names a key, or an answer.
func keyName(key []byte) string {
	if n := videotex.KeyName(key); n != "" {
		return n
	}
	written := refs(key)
	if key[0] < 0x20 {
		written = name(key[0])
		if len(key) > 1 {
			written += " " + refs(key[1:])
		}
	}
	switch a := videotex.AnswerOf(key); a {
	case 0:
	case videotex.Identity:
		id := [3]byte(key[1:4])
		meaning := videotex.TerminalName(id)
		if meaning == "" {
			meaning = "unknown"
		}
		return fmt.Sprintf("answer: ENQROM %s, %s", quoteBytes(id[:]), meaning)
	case videotex.RAM:
		return "answer: ENQRAM " + quoteBytes(key[1:len(key)-1])
	case videotex.Cursor:
		return fmt.Sprintf("answer: cursor at row %d column %d", key[1]&0x3F, key[2]&0x3F)
	default:
		return with(written, answers[a])
	}
	if len(key) > 2 && key[0] == videotex.ESC && key[1] == 0x5B {
		return csi(key)
	}
	return written
}
