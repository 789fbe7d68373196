package videotex

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pages returns the pages that merging is tried on: our own, and those of the
// corpus where it is there.
func pages(t testing.TB) map[string][]byte {
	t.Helper()
	names, _ := filepath.Glob("testdata/*.vdt")
	if len(names) == 0 {
		t.Fatal("no pages")
	}
	if dir := os.Getenv("MOIP_CORPUS"); dir != "" {
		more, _ := filepath.Glob(filepath.Join(dir, "open", "*.vdt"))
		if len(more) == 0 {
			t.Fatalf("MOIP_CORPUS=%s has no pages", dir)
		}
		names = append(names, more...)
	} else {
		t.Log("MOIP_CORPUS is not set: on pages of our own only")
	}
	all := map[string][]byte{}
	for _, name := range names {
		p, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = p
	}
	return all
}

// randomPage returns a stream of n sequences, most of which belong together.
func randomPage(r *rand.Rand, n int) []byte {
	var p []byte
	for range n {
		switch r.IntN(26) {
		case 0:
			p = append(p, US, byte(0x41+r.IntN(24)), byte(0x41+r.IntN(40)))
		case 1:
			p = append(p, ESC, byte(0x40+r.IntN(16)))
		case 2:
			p = append(p, ESC, byte(0x50+r.IntN(10)), ' ')
		case 3:
			p = append(p, SS2, byte(0x40+r.IntN(16)), "aeiouc"[r.IntN(6)])
		case 4, 5:
			p = append(p, 'z', REP, byte(0x40+r.IntN(12)))
		case 6:
			p = append(p, 'y', ESC, byte(0x40+r.IntN(8)), REP, byte(0x40+r.IntN(12)), REP, 0x42)
		case 7:
			p = append(p, US, 0x40, byte(0x41+r.IntN(20)), 'r', '0', LF)
		case 8:
			p = append(p, "\x1f00dix\n"...)
		case 9:
			p = append(p, byte(SI-r.IntN(2)))
		case 10:
			p = append(p, fmt.Sprintf("\x1b\x00[%d;%dH", r.IntN(30), r.IntN(45))...)
		case 11:
			p = append(p, "\x1b[P\x1b[L\x1b[M\x1b[K\x1b[4h\x1b[4l"[3*r.IntN(4):][:3]...)
		case 12:
			p = append(p, "\x1f\x23\x41\x30\x60\x54\x48\x64\x46\x4f\x7c\x40\x6a\x65\x57\x70\x43\x70\x30\x1f\x43\x41"...)
		case 13:
			p = append(p, "\x1b\x28\x20\x42A\x1b\x28\x40"...)
		case 14:
			p = append(p, "\x1b\x25nothing\x1b\x25\x40"...)
		case 15:
			p = append(p, "\x1b\x3a\x66\x04abcd"...)
		case 16: // orders in the middle of other sequences
			p = append(p, "\x1f\x45\x1b\x39\x7b\x50\x19\x42\x1b\x61e\x12\x1b\x39\x7b\x42"...)
		case 17:
			p = append(p, "\x1b\x3b\x61\x00\x51\x1b\x39\x00"...)
		case 18: // abandoned sequences
			p = append(p, "\x1f\x42\x0d\x19\x0a\x1b[3\x09\x13\x08"...)
		case 19:
			p = append(p, CAN)
		case 20:
			p = append(p, byte(1+r.IntN(0x1f)))
		default:
			p = append(p, byte(0x20+r.IntN(0x60)))
		}
	}
	return p
}

// merge sends page to a screen through a Mixer, in random pieces, with an
// article at random moments, and returns the screen and how many articles it
// was sent.
func merge(r *rand.Rand, page []byte) (*Screen, int) {
	var m Mixer
	s := NewScreen()
	articles := 0
	send := func() {
		if p := m.Next(nil, 1+r.IntN(80)); p != nil {
			s.Write(p)
		}
	}
	for rest := page; len(rest) > 0; {
		n := 1 + r.IntN(min(30, len(rest)))
		m.Write("service", rest[:n])
		rest = rest[n:]
		if r.IntN(2) == 0 {
			articles++
			m.Article(Article(fmt.Sprintf("%d,50 F é", articles)))
		}
		if r.IntN(4) == 0 {
			m.Badge([]string{"ENR", ""}[r.IntN(2)])
		}
		for range r.IntN(3) {
			send()
		}
	}
	s.Write(m.Next(nil, 1<<16))
	return s, articles
}

// same compares what a page has become with and without articles. The heads of
// sequences that never end are left out of both.
func same(page []byte, merged *Screen) bool {
	var m Mixer
	m.Write("service", page)
	alone := NewScreen()
	alone.Write(m.Next(nil, len(page)+1))
	return alone.State() == merged.State()
}

// TestArticlesSpoilNoPage also counts what becomes of pages if an article is
// let in at any byte, to show that the pages are not easy.
func TestArticlesSpoilNoPage(t *testing.T) {
	rounds := 3000
	if raceEnabled {
		rounds = 300
	}
	r := rand.New(rand.NewPCG(1, 2))
	spoiled := 0
	for i := range rounds {
		page := append([]byte{FF}, randomPage(r, 40)...)
		if merged, _ := merge(r, page); !same(page, merged) {
			t.Fatalf("round %d: %q", i, page)
		}
		cut := r.IntN(len(page))
		naive := NewScreen()
		naive.Write(page[:cut])
		naive.Write(Article("naive"))
		naive.Write(page[cut:])
		if !same(page, naive) {
			spoiled++
		}
	}
	if spoiled < rounds/5 {
		t.Errorf("one article at a random byte spoils only %d pages of %d", spoiled, rounds)
	}
	t.Logf("one article at a random byte spoils %d pages of %d", spoiled, rounds)
}

func TestArticlesSpoilNoRealPage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, page := range pages(t) {
		total := 0
		for range 20 {
			merged, n := merge(r, page)
			total += n
			if !same(page, merged) {
				t.Errorf("%s is spoiled", name)
				break
			}
		}
		if total == 0 {
			t.Errorf("%s: no article was let in", name)
		}
	}
}

// A badge stands behind all articles and over what they have there, also when it
// is said while one waits, and behind what the stream has there; it leaves no trace.
func TestBadge(t *testing.T) {
	long := strings.Repeat("x", 36)
	row := func(text, badge string) string { return fmt.Sprintf("%-33.33s%-3s    ", text, badge) }
	var m Mixer
	s := NewScreen()
	expect := func(want string) {
		t.Helper()
		s.Write(m.Next(nil, 100))
		got, _, _ := strings.Cut(s.String(), "\n")
		if got != want {
			t.Errorf("row 00 is\n%q, want\n%q", got, want)
		}
		for column := 34; column <= 36; column++ {
			if c := s.Cell(0, column); (c.Attr&Inverted != 0) != (c.Rune() == rune("ENR"[column-34])) {
				t.Errorf("column %d: %+v", column, c)
			}
		}
	}
	m.Badge("ENR")
	expect(row("", "ENR"))
	m.Article(Article("0,12 F"))
	expect(row("0,12 F", "ENR"))
	m.Article(Article(long))
	expect(row(long, "ENR"))
	m.Write(nil, []byte("\x1F\x40\x41\x18"+long+"\n")) // by whoever has the screen
	expect(row(long, "ENR"))
	m.Badge("")
	expect(row(long, ""))
	m.Article(Article("0,24 F"))
	m.Badge("ENR")
	m.Badge("")
	expect(row("0,24 F", ""))
	m.Article(Article(long))
	expect(long + "    ")
	m.Write(nil, []byte("\x1F\x40\x41\x18\n"))
	expect(row("", ""))
	m.Badge("")
	if p := m.Next(nil, 100); p != nil {
		t.Errorf("no badge is taken away by %q", p)
	}
}

// TestMixerTakesOver cuts a stream anywhere, gives the terminal to another, and
// checks that it is at rest then and nothing of the first is left over.
func TestMixerTakesOver(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		page := randomPage(r, 20)
		page = page[:r.IntN(len(page)+1)]
		if r.IntN(3) == 0 {
			page = append(page, []string{"\x1b\x3a\x32\x7d", "\x1b\x3a\x31\x7d", "\x1f\x23", "\x1b\x25", "\x1f\x40\x41", "\x1b\x3a\x66\x7f", "\x1f<"}[r.IntN(7)]...)
		}
		var m Mixer
		m.Write("service", page)
		out := m.Next(nil, r.IntN(40))
		if r.IntN(2) == 0 {
			m.Discard()
		}
		m.Switch("portal")
		m.Write("portal", []byte("\x0c"))
		out = append(out, m.Next(nil, 1<<16)...)
		var p Parser
		for i, b := range out {
			p.Step(b)
			if i == len(out)-2 && !(p.AtRest() && p.Mode() == Videotex) {
				t.Fatalf("%q becomes %q: not at rest", page, out)
			}
		}
		if out[len(out)-1] != FF {
			t.Fatalf("%q becomes %q", page, out)
		}
	}
}

// A stream that shows nothing but what the article does may not be repeated.
func TestRepeatAfterArticle(t *testing.T) {
	for stream, want := range map[string]string{
		"a|\x12\x43":             "aaa",
		"\x19\x42e|\x12\x42":     "\x19\x42e\x19\x42e",
		"a|\x12\x41\x12\x41":     "a\x12\x41",
		"a|\x12\x40\x12\x41":     "a",
		"a|b\x12\x41":            "b\x12\x41",
		"a|\x12\x33":             "",
		"a|\x12\x1b\x39\x7b\x42": "\x1b\x39\x7baa",
		"a|\x12\r":               "\x12\r",
		"\x19\x42e|\x0e\x12\x41": "\x0e\x0f\x19\x42e\x0e",
	} {
		before, after, _ := strings.Cut(stream, "|")
		var m Mixer
		m.Write(nil, []byte(before))
		m.Next(nil, 100)
		m.Article(Article("x"))
		m.Next(nil, 1)
		m.Write(nil, []byte(after))
		if got := m.Next(nil, 100); string(got) != want {
			t.Errorf("%q: %q, want %q", stream, got, want)
		}
	}
}

// TestEchoSpoilsNoPage types at random moments while a page is written in random
// pieces. Each character must go out once, in order, where the terminal is first
// at rest behind what was written by then. The page has no REP, so that its
// sequences go out as they are.
// After an article the mixer looks at each sequence. It changes no byte for that,
// whatever the parity.
func TestBytesAfterArticle(t *testing.T) {
	var m Mixer
	var page []byte
	for b := 0x80; b <= 0xFF; b++ {
		page = append(page, byte(b))
	}
	a := Article("0,12 F")
	m.Article(a)
	m.Write(nil, page)
	if got := m.Next(nil, 1<<10); !bytes.Equal(got, append(a, page...)) {
		t.Errorf("%q", got)
	}
}

func TestEchoSpoilsNoPage(t *testing.T) {
	typed := []string{"x", "\x19Be", "\r\n", " "}
	rounds, put, off := 2000, 0, 0
	if raceEnabled {
		rounds = 300
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range rounds {
		page := bytes.ReplaceAll(randomPage(r, 60), []byte{REP}, []byte{BEL})
		echoes := map[int]string{} // by how much of the page came before
		var m Mixer
		var out []byte
		for at := 0; at < len(page); {
			n := 1 + r.IntN(min(30, len(page)-at))
			m.Write("service", page[at:at+n])
			at += n
			for range r.IntN(3) {
				key := typed[r.IntN(len(typed))]
				m.Echo("service", []byte(key))
				echoes[at] += key
			}
			for range r.IntN(3) {
				out = m.Next(out, 1+r.IntN(80))
			}
		}
		out = m.Next(out, 1<<16)

		var want []byte
		var p Parser
		waiting := ""
		for i := range len(page) + 1 {
			if waiting += echoes[i]; waiting != "" && p.free() {
				want, waiting = append(want, waiting...), ""
				put++
			} else if waiting != "" {
				off++
			}
			if i < len(page) {
				p.Step(page[i])
				want = append(want, page[i])
			}
		}
		if got := append(out, m.waiting()...); !bytes.Equal(sequences(got), sequences(want)) {
			t.Fatalf("%q\nwith %v becomes\n%q, not\n%q", page, echoes, got, want)
		}
	}
	if put < 10*rounds || off < 10*rounds {
		t.Errorf("only %d were let in, and put off %d times", put, off)
	}
}

// sequences returns those of p that a terminal obeys.
func sequences(p []byte) (all []byte) {
	var parser Parser
	for _, b := range p {
		all = append(all, parser.Step(b)...)
	}
	return all
}

func TestEcho(t *testing.T) {
	for name, test := range map[string]struct {
		play func(m *Mixer)
		want string
	}{
		"in a sequence": {func(m *Mixer) {
			m.Write("a", []byte("page\x1f"))
			m.Echo("a", []byte("x"))
			m.Write("a", []byte("B"))
			m.Echo("a", []byte("y"))
			m.Write("a", []byte("Aon"))
		}, "page\x1fBAxyon"},
		"on row 00": {func(m *Mixer) {
			m.Write("a", []byte("\x1f\x40\x41top"))
			m.Echo("a", []byte("x"))
			m.Write("a", []byte("\nx"))
		}, "\x1f\x40\x41top\nxx"},
		"before REP": {func(m *Mixer) {
			m.Write("a", []byte("a"))
			m.Echo("a", []byte("x"))
			m.Write("a", []byte("\x12\x43\x12\x43"))
		}, "axaaa\x12\x43"},
		"in 80 columns": {func(m *Mixer) {
			m.Write("a", []byte("\x1b\x3a\x31\x7dlogin: "))
			m.Echo("a", []byte("x"))
		}, "\x1b\x3a\x31\x7dlogin: x"},
		"before anything": {func(m *Mixer) {
			m.Echo("a", []byte("x"))
		}, "x"},
		"behind another": {func(m *Mixer) {
			m.Write("a", []byte("page\x1f"))
			m.Switch("b")
			m.Echo("b", []byte("x"))
		}, "pagex"},
		"of who has left": {func(m *Mixer) {
			m.Write("a", []byte("page\x1f"))
			m.Echo("a", []byte("x"))
			m.Write("a", []byte("B"))
			m.Echo("a", []byte("y"))
			m.Write("b", []byte("hello"))
			m.Echo("b", []byte("z"))
		}, "pagehelloz"},
		"discarded": {func(m *Mixer) {
			m.Write("a", []byte("page"))
			m.Echo("a", []byte("x"))
			m.Discard()
			m.Write("a", []byte("hello"))
			m.Echo("a", []byte("y"))
		}, "helloy"},
	} {
		var m Mixer
		test.play(&m)
		if got := string(m.Next(nil, 1<<16)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// However much is typed while a page is not taken or a sequence does not end, no
// more than so much waits, in whole characters.
func TestEchoIsBounded(t *testing.T) {
	var m Mixer
	m.Write("a", []byte("\x1f"))
	for range 10000 {
		m.Echo("a", []byte("\x19Be"))
	}
	if n := cap(m.echo); n > 2*maxEcho || len(m.parts) > 2 {
		t.Errorf("%d bytes and %d parts are held", n, len(m.parts))
	}
	m.Write("a", []byte("BA"))
	out := string(m.Next(nil, 1<<16))
	if want := "\x1fBA" + strings.Repeat("\x19Be", maxEcho/3); out != want {
		t.Errorf("%q", out)
	}
	for range 10000 {
		m.Echo("a", []byte("x"))
		m.Write("a", []byte("\r"))
	}
	if n := len(m.parts); n > maxEcho+1 {
		t.Errorf("%d parts", n)
	}
}

func TestMixerAsks(t *testing.T) {
	var asked []string
	m := Mixer{Asked: func(by any, a Answer) { asked = append(asked, fmt.Sprintf("%v %02x", by, a)) }}
	m.Write("a", []byte("\x1b\x39\x7b\x1b\x3a\x72\x59"))
	m.Switch("b")
	m.Write("b", []byte("\x1f\x45\x1b\x61\x50\x1b\x3a\x66\x03\x1b\x39\x7b"))
	m.Next(nil, 100)
	if got := strings.Join(asked, ", "); got != "a 01, a 73, b 1f, b d7" {
		t.Error(got)
	}
}

// TestMixerForgets checks that what was sent is not kept, also where there is
// always more to send.
func TestMixerForgets(t *testing.T) {
	var m Mixer
	for range 10000 {
		m.Write("service", []byte("every chunk ends within a sequence\x1f\x41"))
		m.Next(nil, 1024)
	}
	if n := cap(*m.queue); n > 8<<10 {
		t.Errorf("%d bytes are held for %d that wait", n, m.Size())
	}
}

func TestMixerAllocates(t *testing.T) {
	var m Mixer
	out := make([]byte, 0, 1<<10)
	page := []byte("\x1f\x42\x41bonjour \x19\x42e\x12\x44")
	if n := testing.AllocsPerRun(100, func() {
		m.Write(t, page)
		if len(m.Next(out, 1000)) != len(page) {
			t.Fatal("not all is sent")
		}
	}); n > 0 {
		t.Errorf("%v allocations for a page", n)
	}
}

// FuzzMixer checks that a Mixer without articles changes nothing, however the
// stream is cut, and holds back no more than a sequence.
func FuzzMixer(f *testing.F) {
	f.Add([]byte("\x1f\x41\x41a\x12\x45\x1b\x3a\x66\x04abcd\x19\x42e"), uint8(1))
	f.Add([]byte("\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;27H"), uint8(7))
	f.Add([]byte("\x1f\x23\x20\x20\x20\x42\x49\x1f\x23\x41\x30\x60\x54\x1f\x40\x41\x1f\x43\x41x\x1b\x25a\x1b\x2f\x3f"), uint8(3))
	f.Fuzz(func(t *testing.T, p []byte, step uint8) {
		var m Mixer
		var out []byte
		for i := 0; i < len(p); i += int(step) + 1 {
			m.Write(nil, p[i:min(len(p), i+int(step)+1)])
			out = m.Next(out, 1<<16)
			if m.Size() > maxUnit {
				t.Fatalf("%d bytes held back", m.Size())
			}
		}
		if !bytes.HasPrefix(p, out) || len(p)-len(out) != m.Size() {
			t.Fatalf("wrote %q, got %q, %d are held", p, out, m.Size())
		}
		m.Switch(t)
		out = m.Next(out, 1<<16)
		m.Article(Article("x"))
		if got := m.Next(nil, 1); !bytes.Equal(got, Article("x")) {
			t.Fatalf("%q, and then no article: %q", out, got)
		}
	})
}

func BenchmarkMixer(b *testing.B) {
	page := bytes.Repeat([]byte("\x1f\x42\x41bonjour \x19\x42e\x12\x44 tout le monde"), 30)
	out := make([]byte, 0, 2048)
	var m Mixer
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		m.Write(b, page)
		for len(m.Next(out, 1000)) > 0 {
		}
	}
}

// BenchmarkMixerEcho is of a key's echo.
func BenchmarkMixerEcho(b *testing.B) {
	for _, echo := range []string{"a", "\x19Be", "\x08 \x08a\x1bA.."} {
		b.Run(fmt.Sprint(len(echo)), func(b *testing.B) {
			p, out := []byte(echo), make([]byte, 0, 2048)
			var m Mixer
			b.ReportAllocs()
			for b.Loop() {
				m.Write(b, p)
				for len(m.Next(out, 1000)) > 0 {
				}
			}
		})
	}
}

// colours is a page of 1,000 bytes, in colours and mosaics.
func colours() []byte {
	p := []byte("\x0c\x1f\x41\x41")
	for i := 0; len(p) < 1000; i++ {
		p = append(p, ESC, byte(0x40+i%8), ESC, byte(0x50+i%7), ' ')
		p = append(p, "MoIP, 3615"...)
		if i%3 == 0 {
			p = append(p, "\x0e\x5f\x35\x12\x46\x0f"...)
		}
		if i%4 == 0 {
			p = append(p, US, byte(0x42+i%20), 0x41)
		}
	}
	return p[:1000]
}

func BenchmarkMixerColours(b *testing.B) {
	page := colours()
	out := make([]byte, 0, 2048)
	var m Mixer
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		m.Write(b, page)
		for len(m.Next(out, 1000)) > 0 {
		}
	}
}

func BenchmarkArticleReader(b *testing.B) {
	page := colours()
	var r ArticleReader
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		r.Write(page)
	}
}
