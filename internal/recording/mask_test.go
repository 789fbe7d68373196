package recording

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"moip/videotex"
)

// masked returns what becomes of moments, one a line. Of each, text after > was
// typed, text after < is on the screen; a number of milliseconds may go before.
func masked(keys Keys, moments ...string) string {
	var out strings.Builder
	m := newMask(keys, func(m moment) {
		fmt.Fprintf(&out, "%s%s\n", map[Kind]string{Input: ">", Output: "<", Mark: "#"}[m.kind], m.data)
	})
	var now time.Duration
	for _, text := range moments {
		i := strings.IndexAny(text, "<>#")
		var ms int
		fmt.Sscan(text[:i], &ms)
		now += time.Duration(ms) * time.Millisecond
		kind := map[byte]Kind{'>': Input, '<': Output, '#': Mark}[text[i]]
		lent := []byte(text[i+1:])
		m.take(moment{at: now, kind: kind, data: lent})
		clear(lent)
	}
	m.end()
	return strings.TrimSuffix(out.String(), "\n")
}

func TestMask(t *testing.T) {
	const envoi, home = "\x13A", "\x1FCE"
	for name, test := range map[string]struct{ in, want []string }{
		"echo":             {[]string{">a", "<a", ">b", "<b", ">" + envoi}, []string{">a", "<a", ">b", "<b", ">" + envoi}},
		"echo, late":       {[]string{">ab", "1999<ab"}, []string{">ab", "<ab"}},
		"echo, too late":   {[]string{">ab", "2000<ab"}, []string{">**", "<ab"}},
		"fast typist":      {[]string{">a", ">b", "<a", ">c", "<bc"}, []string{">a", ">b", "<a", ">c", "<bc"}},
		"typed ahead":      {[]string{">SALON" + envoi, "<S", "<ALON"}, []string{">SALON" + envoi, "<S", "<ALON"}},
		"stars":            {[]string{">a", "<*", ">b", ">c", "<**", ">" + envoi}, []string{">*", "<*", ">*", ">*", "<**", ">" + envoi}},
		"stars by REP":     {[]string{">aaa", "<*\x12B"}, []string{">***", "<*\x12B"}},
		"stars after US":   {[]string{"<" + home, ">a", "<" + home + "*"}, []string{"<" + home, ">*", "<" + home + "*"}},
		"no echo":          {[]string{">ab", "100>" + envoi, "100<\x0Cab"}, []string{">**", ">" + envoi, "<\x0Cab"}},
		"the page has it":  {[]string{"<" + home, ">a", "<\x1FAA" + "a", ">b", "<" + "b"}, []string{"<" + home, ">*", "<\x1FAA" + "a", ">*", "<b"}},
		"part of it":       {[]string{"<" + home, ">abc" + envoi, "<ab ", "3000<x"}, []string{"<" + home, ">***" + envoi, "<ab ", "<x"}},
		"next field":       {[]string{">a", "<*", ">" + envoi, ">b", "<b"}, []string{">*", "<*", ">" + envoi, ">b", "<b"}},
		"article between":  {[]string{"<" + home, ">a", "<\x1F@A1,2\x18\n", "<a"}, []string{"<" + home, ">a", "<\x1F@A1,2\x18\n", "<a"}},
		"accents":          {[]string{">\x19Be", "<\x19Be", ">\x19Be", "<e"}, []string{">\x19Be", "<\x19Be", ">*", "<e"}},
		"split accent":     {[]string{">\x19", ">B", ">e", "<*"}, []string{">\x19", ">*", ">*", "<*"}},
		"mosaics":          {[]string{"<\x0E", ">a", "<a"}, []string{"<\x0E", ">*", "<a"}},
		"concealed":        {[]string{"<\x0C\x1BX ", ">a", "<a", ">b", "<b", ">" + envoi}, []string{"<\x0C\x1BX ", ">*", "<*", ">*", "<*", ">" + envoi}},
		"concealed, late":  {[]string{"<\x0C\x1BX ", ">ab" + envoi, "2500<a", "<b"}, []string{"<\x0C\x1BX ", ">**" + envoi, "<*", "<*"}},
		"concealed, paste": {[]string{"<\x0C\x1BX ", ">" + strings.Repeat("x", 300), "<x", "9000<x"}, []string{"<\x0C\x1BX ", ">" + strings.Repeat("*", 300), "<*", "<*"}},
		"concealed, later": {[]string{"<\x0C\x1BX ", ">a", "<a", "<\x0C\x1BX a"}, []string{"<\x0C\x1BX ", ">*", "<*", "<\x0C\x1BX a"}},
		"black on black":   {[]string{"<\x1B@", ">a", "<a"}, []string{"<\x1B@", ">*", "<*"}},
		"end of a row":     {[]string{"<\x1FAg", ">ab", "<ab"}, []string{"<\x1FAg", ">ab", "<ab"}},
		"an answer":        {[]string{"<\x1B9{", ">\x01Cu1\x04", ">a", "<a"}, []string{"<\x1B9{", ">\x01Cu1\x04", ">a", "<a"}},
		"not an answer":    {[]string{">\x01", ">se", ">cret\r"}, []string{">\x01", ">**", ">****\r"}},
		"cut answer":       {[]string{">\x01Cu", ">1\x04"}, []string{">\x01Cu", ">1\x04"}},
		"arrow, cut":       {[]string{">\x1B", ">[A"}, []string{">\x1B", ">[A"}},
		"marks keep order": {[]string{">a", "#x", "<*"}, []string{">*", "#x", "<*"}},
		"a space":          {[]string{"<\x1BT", ">a b", "<a b"}, []string{"<\x1BT", ">a b", "<a b"}},
		"loading a set":    {[]string{"<\x1FCE", ">0", "<\x1F#   B0\x1F#100", "3000<"}, []string{"<\x1FCE", ">*", "<\x1F#   B0\x1F#100", "<"}},
		"redefined":        {[]string{"<\x1FCE\x1B( B", ">a", "<a"}, []string{"<\x1FCE\x1B( B", ">*", "<*"}},
		"paste":            {[]string{">" + strings.Repeat("x", 300), "<x"}, []string{">" + strings.Repeat("*", 300), "<x"}},
		"flood":            {[]string{">a", "<" + strings.Repeat("\x1FAAx", maxHeld/4), "<y"}, []string{">*", "<" + strings.Repeat("\x1FAAx", maxHeld/4), "<y"}},
	} {
		if got, want := masked(KeysShown, test.in...), strings.Join(test.want, "\n"); got != want {
			t.Errorf("%s:\n%.300q, want\n%.300q", name, got, want)
		}
	}
	if got := masked(KeysNone, ">ab\x13A", "<ab", ">\x19Be"); got != ">**\x13A\n<ab\n>*" {
		t.Errorf("none: %q", got)
	}
	if got := masked(KeysAll, ">ab\x13A", "<**", ">\x01", ">x"); got != ">ab\x13A\n<**\n>\x01\n>x" {
		t.Errorf("all: %q", got)
	}
}

// What is typed into a field that shows stars is not recorded, however late these
// come and whatever else is drawn meanwhile, be it the same letters.
func TestMaskHidesPasswords(t *testing.T) {
	const letters = "abc"
	rapid.Check(t, func(rt *rapid.T) {
		var in []string
		secrets := ""
		cursor := "\x1F" + string(rune(0x42+rapid.IntRange(0, 20).Draw(rt, "row"))) + "A"
		in = append(in, "<\x0C"+cursor)
		drawn := 0
		echo := func(n int) {
			for ; n > 0 && drawn < len(secrets); n-- {
				drawn++
				in = append(in, fmt.Sprint(rapid.IntRange(0, 400).Draw(rt, "echo ms"))+"<*")
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "typed") {
			text := rapid.StringMatching("[abc]{1,3}").Draw(rt, "text")
			secrets += text
			in = append(in, fmt.Sprint(rapid.IntRange(0, 1000).Draw(rt, "ms"))+">"+text)
			if rapid.Bool().Draw(rt, "article") {
				in = append(in, "<"+string(videotex.Article(letters)))
			}
			if rapid.Bool().Draw(rt, "elsewhere") { // by a service that writes there, and comes back
				at := string(rune(0x41 + drawn))
				in = append(in, "<\x1FX"+at+text+cursor[:2]+at)
			}
			echo(rapid.IntRange(0, 3).Draw(rt, "echoes"))
		}
		echo(len(secrets))
		in = append(in, ">\x13A", "<\x0Cabc")
		out := masked(KeysShown, in...)
		for line := range strings.Lines(out) {
			if line[0] == '>' && strings.ContainsAny(line, letters) {
				rt.Fatalf("%q became\n%q", in, out)
			}
		}
	})
}

// Nothing is lost: what is recorded is what was, but for asterisks, in its order.
func FuzzMask(f *testing.F) {
	f.Add([]byte("\x01ia\x01pa\x02i\x13A\x04p\x1FAA*"))
	f.Add([]byte("\x01i\x01\x06isecret\x04p\x1BX *\x04i\x19Be\r"))
	f.Add([]byte("\x02i\x19A\x01i\x10p")) // an accent whose letter never comes
	f.Add([]byte("\x01ia\x03p\x1B%\x12")) // nothing is repeated where nothing is drawn
	f.Fuzz(func(t *testing.T, p []byte) {
		var want, got [2][]byte
		last := time.Duration(-1)
		m := newMask(KeysShown, func(m moment) {
			if m.at < last {
				t.Errorf("%v after %v", m.at, last)
			}
			last = m.at
			which := 0
			if m.kind == Input {
				which = 1
			}
			got[which] = append(got[which], m.data...)
		})
		var now time.Duration
		for len(p) > 2 {
			n := min(int(p[0]&0x1F), len(p)-2)
			kind, which := Output, 0
			if p[1]&1 == 1 {
				kind, which = Input, 1
			}
			now += time.Duration(p[0]>>5) * 300 * time.Millisecond
			data := p[2 : 2+n]
			want[which] = append(want[which], data...)
			m.take(moment{at: now, kind: kind, data: data})
			p = p[2+n:]
		}
		m.end()
		if m.waiting() || m.size != 0 || m.open != 0 {
			t.Error("something is held back")
		}
		for i := range got {
			if len(got[i]) > len(want[i]) {
				t.Errorf("%q became %q", want[i], got[i])
			}
		}
	})
}
