package test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"moip/videotex"
)

// words are what scripts call bytes that cannot be read.
var words = map[string]string{
	"NUL": "\x00", "SOH": "\x01", "EOT": "\x04", "ENQ": "\x05", "BEL": "\x07", "BS": "\x08", "HT": "\x09",
	"LF": "\x0A", "VT": "\x0B", "FF": "\x0C", "CR": "\x0D", "SO": "\x0E", "SI": "\x0F",
	"CON": "\x11", "REP": "\x12", "SEP": "\x13", "COF": "\x14", "SYN": "\x16", "CAN": "\x18", "SS2": "\x19",
	"ESC": "\x1B", "RS": "\x1E", "US": "\x1F",

	"Envoi": "\x13A", "Retour": "\x13B", "Répétition": "\x13C", "Guide": "\x13D", "Annulation": "\x13E",
	"Sommaire": "\x13F", "Correction": "\x13G", "Suite": "\x13H", "Fin": "\x13I",

	"ENQROM": "\x1B9{",
	"IAC":    "\xFF", "DONT": "\xFE", "DO": "\xFD", "WONT": "\xFC", "WILL": "\xFB", "SB": "\xFA", "SE": "\xF0",
}

// others are more words, for bytes that have another name or need none.
var others = map[string]string{
	"SP":     " ",
	"BINARY": "\x00", "ECHO": "\x01", "SGA": "\x03", "TTYPE": "\x18", "NAWS": "\x1F", // telnet's options
}

var (
	token = regexp.MustCompile(`<([^<>]*)>|«\s*([^«»]*?)\s*»|\\x([0-9A-Fa-f]{2})|(?s:.)`)
	span  = regexp.MustCompile(`^([0-9A-F]{2})\.\.([0-9A-F]{2})$`)
	times = regexp.MustCompile(`^(.*)\*([0-9]+)$`)
)

// encode returns the bytes that a script writes as text:
//
//	ABC é          as a Minitel shows it, é being SS2 B e
//	<SEP> <Envoi>  the bytes of that name, see words
//	<80..FF>       a range
//	<A*300>        a repetition
//	\xE9           a byte
//	« texte »      a message of the gateway on row 00
func encode(text string) (out []byte, err error) {
	for _, t := range token.FindAllStringSubmatch(text, -1) {
		switch whole, word, article, hex := t[0], t[1], t[2], t[3]; {
		case strings.HasPrefix(whole, "«") && len(whole) > len("«"):
			out = append(out, videotex.Article(article)...)
		case hex != "":
			b, _ := strconv.ParseUint(hex, 16, 8)
			out = append(out, byte(b))
		case strings.HasPrefix(whole, "<") && len(whole) > 1:
			p, err := named(word)
			if err != nil {
				return nil, err
			}
			out = append(out, p...)
		case whole[0] < utf8.RuneSelf:
			out = append(out, whole...)
		default:
			out = append(out, videotex.Encode(whole)...)
		}
	}
	return out, nil
}

func named(word string) ([]byte, error) {
	if p := words[word] + others[word]; p != "" {
		return []byte(p), nil
	}
	if r := span.FindStringSubmatch(word); r != nil {
		first, _ := strconv.ParseUint(r[1], 16, 8)
		last, _ := strconv.ParseUint(r[2], 16, 8)
		var p []byte
		for b := first; b <= last; b++ {
			p = append(p, byte(b))
		}
		return p, nil
	}
	if r := times.FindStringSubmatch(word); r != nil {
		n, err := strconv.Atoi(r[2])
		return []byte(strings.Repeat(r[1], n)), err
	}
	return nil, fmt.Errorf("<%s> is not a word", word)
}

// names are words by their bytes, to be shown.
var names = func() map[string]string {
	names := map[string]string{}
	for word, p := range words {
		names[p] = "<" + word + ">"
	}
	return names
}()

// show writes bytes as a script does.
func show(p []byte) string {
	const most = 1200
	if len(p) > most {
		return fmt.Sprintf("%s ... (%d bytes) ... %s", show(p[:most/2]), len(p), show(p[len(p)-most/2:]))
	}
	var out strings.Builder
	for len(p) > 0 {
		n := 0
		for size := min(3, len(p)); size > 0 && n == 0; size-- {
			if name, ok := names[string(p[:size])]; ok {
				out.WriteString(name)
				n = size
			}
		}
		switch {
		case n > 0:
		case p[0] < 0x20 || p[0] >= 0x7F:
			fmt.Fprintf(&out, `\x%02X`, p[0])
			n = 1
		default:
			out.WriteByte(p[0])
			n = 1
		}
		p = p[n:]
	}
	return out.String()
}

// utf8Of is how a text frame carries bytes.
func utf8Of(p []byte) []byte {
	var text []byte
	for _, b := range p {
		text = utf8.AppendRune(text, rune(b))
	}
	return text
}

// latin1Of returns the bytes that a text frame carries.
func latin1Of(text []byte) ([]byte, error) {
	var p []byte
	for _, r := range string(text) {
		if r > 0xFF { // this is also what invalid UTF-8 looks like
			return nil, errors.New("a text frame with more than Latin-1: " + strconv.Quote(string(text)))
		}
		p = append(p, byte(r))
	}
	return p, nil
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"<SOH>Cu<<EOT>":            "\x01Cu<\x04",
		"3615 ULLA <Envoi>":        "3615 ULLA \x13A",
		"é<SS2>Be\\xE9":            "\x19Be\x19Be\xE9",
		"« Au revoir »":            "\x1F@AAu revoir\x18\n",
		"<FD..FF><AB*2><SP>«»<SP>": "\xFD\xFE\xFFABAB \x1F@A\x18\n ",
	} {
		if got, err := encode(text); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", text, got, err)
		}
	}
	if _, err := encode("<Evnoi>"); err == nil {
		t.Error("a slip passes")
	}
	if got := show([]byte("A\x13A\x1B9{\x1F@A\xE9\xFF\x00")); got != `A<Envoi><ENQROM><US>@A\xE9<IAC><NUL>` {
		t.Error(got)
	}
}
