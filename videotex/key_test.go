package videotex

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// keys returns the keys of p in hexadecimal, and at last what is held.
func keys(r *KeyReader, p []byte) (all []string) {
	for {
		var key []byte
		if key, p = r.Next(p); key == nil {
			return all
		}
		all = append(all, fmt.Sprintf("%x", key))
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"ULLA\x13\x41", "554c4c41 1341"},
		{"\x13\x49x\x13\x59", "1349 78 1359"},
		{"\x19Be\x19\x23a", "194265 1923 61"},
		{"\x1b[A\x1b[4l\x1bOM\x1bx", "1b5b41 1b5b346c 1b4f4d 1b78"},
		{"\x1b\x29\x34\r", "1b29340d"},
		{"\x01Cu<\x04\x1f\x41\x42", "014375 3c04 1f4142"},
		{"\x1b\x3a\x73\x40\x1b\x3b\x73\x59\x40", "1b3a7340 1b3b735940"},
		{"\x13\x13\x41", "13 1341"},
		{"\x13\r", "13 0d"},
		{"\x1b\x1b\x1b[A", "1b 1b 1b5b41"},
		{"a\rb\x00c", "61 0d 62 00 63"},
		{"\x80\xff\xe9", "80ffe9"},
		{"\x01ab\x13\x41", "016162 1341"},
		{"\x13", " +13"},
		{"\x1b[1", " +1b5b31"},
	} {
		var r KeyReader
		got := strings.Join(keys(&r, []byte(c.typed)), " ")
		if held := r.Held(); len(held) > 0 {
			got += fmt.Sprintf(" +%x", held)
		}
		if want := strings.ReplaceAll(c.want, "014375 3c04", "0143753c04"); got != want {
			t.Errorf("%q: got %s, want %s", c.typed, got, want)
		}
	}
}

func TestIsFin(t *testing.T) {
	for key, want := range map[string]bool{
		"\x13\x49": true, "\x13\x59": true, "\x1b\x29\x34\r": true, "\x13\x41": false, "I": false, "\x13": false,
	} {
		if IsFin([]byte(key)) != want {
			t.Errorf("%q: %v", key, !want)
		}
	}
}

// TestAnswers asks each question and compares the answer's kind with that of
// what the firmware answered.
func TestAnswers(t *testing.T) {
	for question, answer := range map[string]string{
		"\x1b\x39\x7b": "\x01Bz6\x04", "\x05": "\x01\x04", "\x1b\x39\x7a": "\x01block\x04", "\x1b\x61": "\x1f\x45\x50", "\x1b\x39\x70": "\x1b\x3a\x71\x46",
		"\x1b\x39\x72": "\x1b\x3a\x73\x40", "\x1b\x39\x74": "\x1b\x3a\x75\x64", "\x1b\x39\x76": "\x1b\x3a\x77\x43",
		"\x1b\x3a\x6a\x43": "\x1b\x3a\x73\x40", "\x1b\x3a\x72\x59": "\x1b\x3b\x73\x59\x40",
		"\x1b\x3b\x69\x59\x43": "\x1b\x3b\x73\x59\x44", "\x1b\x3b\x61\x58\x51": "\x1b\x3b\x63\x58\x4f",
		"\x1b\x3a\x62\x58": "\x1b\x3b\x63\x58\x4f", "\x1b\x3a\x64\x5a": "\x1b\x3a\x77\x41",
		"\x1b\x3a\x66\x03": "\x13\x57", "\x1b\x3a\x6b\x64": "\x1b\x3a\x75\x64", "\x1b\x3a\x32\x7d": "\x13\x70",
		"\x1b\x3a\x32\x7e": "\x13\x71", "\x1b\x3a\x31\x7d": "\x1b\x5b?z", "\x1b\x5b?{": "\x13\x5e",
		"\x1b\x39\x7f": "\x13\x5e", "\x1b\x3a\x7c\x6a": "\x13\x5c",
		"\x1b\x3a\x69\x46": "a", "\x1b\x3a\x64\x52": "a", "\x1b\x3a\x41\x41": "\x13\x41", "\x1b\x39": "a", "\x1bA": "a",
	} {
		if q, a := Question([]byte(question)), AnswerOf([]byte(answer)); q != a {
			t.Errorf("%q asks for %02x, %q is %02x", question, q, answer, a)
		}
	}
}

// FuzzKeys checks that no byte is lost or changed, and that it makes no
// difference how keys are cut.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("ULLA\x13\x41\x13\x13\x49\x01Cu<\x04\x1b[A\x19Be"), uint8(1))
	f.Fuzz(func(t *testing.T, typed []byte, at uint8) {
		var whole, cut KeyReader
		w := keys(&whole, typed)
		n := min(int(at), len(typed))
		c := append(keys(&cut, typed[:n]), keys(&cut, typed[n:])...)
		all := strings.Join(w, "") + fmt.Sprintf("%x", whole.Held())
		if all != fmt.Sprintf("%x", typed) {
			t.Fatalf("%x becomes %s", typed, all)
		}
		// A run of plain characters is one key, or two where it is cut.
		if strings.Join(c, "")+fmt.Sprintf("%x", cut.Held()) != all || len(c) < len(w) || len(c) > len(w)+1 {
			t.Fatalf("%q, cut at %d: %v, not %v", typed, n, c, w)
		}
	})
}

func TestEncode(t *testing.T) {
	for text, want := range map[string]string{
		"Été à Nîmes":  "Et\x19Be \x19Aa N\x19Cimes",
		"ça, œuvre":    "\x19Kca, \x19zuvre",
		"l’été… 5 €":   "l'\x19Bet\x19Be... 5 EUR",
		"a\x1b[A日\r\n": "a?[A???",
		"~^|":          "???",
	} {
		if got := string(Encode(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestArticleReader(t *testing.T) {
	for stream, want := range map[string]string{
		"page\x1f@A1,20 F\x18\nmore":                "\x1f@A1,20 F\x18\n",
		"\x1f00\x18\x1bT Serveur inconnu\x0b\x1fQL": "\x1f00\x18\x1bT Serveur inconnu\n",
		"\x1f@A1\n\x1f@A2\n":                        "\x1f@A2\n",
		"\x1f@Aa\x1b\x39\x7b\x1b[2J\x1f@Eb\n":       "\x1f@Aa\x1f@Eb\n",
		"\x1f@A\x12B\x19Be\x12B\n":                  "\x1f@A\x19Be\x12B\n",
		"\x1f@A\x1f\x23A\n":                         "",
		"page\n":                                    "",
		"\x1f@A" + strings.Repeat("x", 1000) + "\n": "\x1f@A" + strings.Repeat("x", maxArticle-3) + "\n",
	} {
		var r ArticleReader
		if got := string(r.Write([]byte(stream))); got != want {
			t.Errorf("%q: %q, want %q", stream, got, want)
		}
	}
	var r ArticleReader
	r.Write([]byte("\x1f@Ahalf"))
	if rest := r.Skip([]byte(" an article\npage")); string(rest) != "page" || !r.AtRest() {
		t.Errorf("after the article: %q", rest)
	}
}

func TestPage(t *testing.T) {
	p := Page{}.Clear().At(0, 1).At(24, 40).Attr(Red, Background+Blue, Inverse).Text("né").Repeat('-', 1).Repeat('.', 40)
	if want := "\x14\x0c\x1f@A\x1fXh\x1bA\x1bT\x1b]n\x19Be-.\x12g"; !bytes.Equal(p, []byte(want)) {
		t.Errorf("%q, want %q", []byte(p), want)
	}
}

// A load of a character set ends where US sends the cursor to row 00. That US is the
// article's, which else would be written on the page.
func TestArticleAfterALoad(t *testing.T) {
	const load = "\x1f\x23\x20\x20\x20\x42\x49\x1f\x23\x21\x30@@@@@\x30"
	for in, want := range map[string]string{
		load + "\x1f\x40\x41cost\n":                               "\x1f\x40\x41cost\n",
		load + "\x1f00cost\n" + "\x1f\x41\x41":                    "\x1f00cost\n",
		"\x1f\x40\x41cost" + load + "\x1f\x40\x51more\n":          "\x1f\x40\x41cost\x1f\x40\x51more\n",
		load + "\x1f\x40\x41cost\n@@\x1f\x41\x41page":             "\x1f\x40\x41cost\n",
		load + "\x1f\x40\x41cost\n@@\x1f\x40\x42again\n":          "\x1f\x40\x42again\n",
		"\x1f\x40\x41a\x1b\x25hidden\x1b\x25\x40b\x1b\x25\x40c\n": "\x1f\x40\x41abc\n",
	} {
		var whole, pieces ArticleReader
		got := string(whole.Write([]byte(in)))
		last := ""
		for _, b := range []byte(in) {
			if a := pieces.Write([]byte{b}); a != nil {
				last = string(a)
			}
		}
		if got != want || last != want {
			t.Errorf("%q: %q, byte by byte %q, want %q", in, got, last, want)
		}
	}
}
