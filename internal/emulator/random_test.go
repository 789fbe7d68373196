package emulator

import (
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moip/videotex"
)

var seed = flag.Uint64("seed", 0, "of the random streams; 0 is another one each time")

// A generator makes streams that are mostly sequences, whole and well-formed or
// not quite.
type generator struct{ *rand.Rand }

// between returns a character from first to last.
func (g generator) between(first, last byte) string {
	return string(rune(first) + rune(g.IntN(int(last-first)+1)))
}

func (g generator) of(all ...string) string { return all[g.IntN(len(all))] }

// some returns up to n of what next makes.
func (g generator) some(n int, next func() string) string {
	var b strings.Builder
	for range g.IntN(n + 1) {
		b.WriteString(next())
	}
	return b.String()
}

func (g generator) char() string { return g.between(0x20, 0x7F) }

// place goes to where there is much to go wrong, more often than elsewhere.
func (g generator) place() string {
	row := g.of("@", "A", "B", "W", "X", g.between(0x40, 0x58))
	column := g.of("A", "B", "g", "h", g.between(0x41, 0x68))
	return "\x1F" + row + column
}

// escape is an attribute, most often.
func (g generator) escape() string {
	return "\x1B" + g.of(g.between(0x40, 0x47), g.between(0x48, 0x4F), g.between(0x50, 0x57), g.of("X", "_", "Y", "Z", "\\", "]"), g.char())
}

func (g generator) csi() string {
	number := func() string { return g.of("", "0", "1", "2", "4", "9", "24", "40", "80", "100", g.char()) }
	parameters := g.of(number(), number()+";"+number(), number()+";"+number()+";"+number())
	return "\x1B[" + parameters + g.of("A", "B", "C", "D", "H", "J", "K", "P", "@", "L", "M", "4h", "4l", "m", g.char())
}

func (g generator) order() string {
	return g.of(
		"\x1B9"+g.of("p", "r", "t", "v", "{", "\x7F", g.char()),
		"\x1B:"+g.of("iC", "jC", "iE", "jE", "iD", "jD", "iG", "rY", "rX", "rZ", "|j", "dR", "eR", "dZ", "e[", "b"+g.between(0x4F, 0x5C), g.char()+g.char()),
		"\x1B;"+g.of("iYA", "jYA", "iYC", "jYC", "iXA", "jXA", g.char()+g.char()+g.char()),
		"\x1B;"+g.of("a", "`")+g.between(0x57, 0x5C)+g.between(0x4F, 0x54),
		"\x1B:f"+g.between(1, 9),
		"\x1Ba", "\x05",
	)
}

// standard changes it, more often than not, and asks what has become of the rest.
func (g generator) standard() string {
	return g.some(2, g.order) + g.of("\x1B:2}", "\x1B:2~", "\x1B:1}", "\x1B[?{", "\x1B:1}\x1B[?{", "\x1B9\x7F", "\x1B9\x7F") +
		g.of("", "", "\x1B9r\x1B9v\x1B:rX\x1B:rY\x1B:bX\x1B:bZ\x1B:bQ")
}

// load defines redefinable characters, of which few have many uses.
func (g generator) load() string {
	header := g.of("", "\x1F#   BI", "\x1F#   CI", "\x1F# "+g.char()+g.char()+g.char()+g.char())
	define := func() string {
		pattern := g.some(18, func() string { return g.of(g.between(0x40, 0x7F), g.between(0x40, 0x7F), g.any()) })
		return g.of("\x1F#"+g.of("!", "A", "a", "~", g.char())+"0", "", "0") + pattern + g.of("0", "0", "")
	}
	return header + g.some(4, define) + g.of(g.place(), g.place(), g.place()+"x", "")
}

func (g generator) designate() string {
	return "\x1B" + g.of("( B", "(@", ") C", ")c", "# X", "# _", "#!"+g.char(), g.between(0x20, 0x2F)+g.char()+g.char())
}

func (g generator) region() string {
	return g.of(
		"\x1B%"+g.some(3, g.any)+g.of("\x1B%@", "\x1B/?", "@", "\x1B/8", ""),
		"\x1F"+g.of("<", ">")+g.some(5, g.any)+g.of("\r", ""),
	)
}

func (g generator) any() string { return string(rune(g.IntN(0x100))) }

// iso is what 80 columns have for themselves.
func (g generator) iso() string {
	return g.of("\x1B"+g.of("7", "8", "D", "E", "M", "c", g.char()), "\x1B["+g.of("0", "1", "4", "5", "7", "22", "24", "25", "27", "1;7", "")+"m", "\x0E", "\x0F")
}

// overwriting tears a large character apart, more often than not.
func (g generator) overwriting() string {
	return "\x1B" + g.of("M", "N", "N", "O") + g.char() + g.of("\b", "\b\b", "\b\v") +
		g.of("x", "\x0E!", "\x0E\x1BZ!", "\x1BQ ", "\x1BL\x1BX ", "\x1BA\x1BNy", "\x1BMz", "\x1B[P", "\x1B[@")
}

// article is on row 00, and mostly ends there.
func (g generator) article() string {
	return "\x1F@" + g.between(0x41, 0x68) + g.some(3, g.part) + g.of("\n", "\n", "\n", "")
}

// part is the next part of a stream.
func (g generator) part() string {
	switch n := g.IntN(104); {
	case n < 22:
		return g.of(g.char(), g.some(6, g.char), g.some(45, g.char), g.of("A", "a", "!", " ", "  "))
	case n < 32:
		return g.between(0x07, 0x0F)
	case n < 48:
		return g.escape() + g.of("", " ", g.char())
	case n < 58:
		return g.place()
	case n < 63:
		return "\x12" + g.of(g.between(0x40, 0x48), g.between(0x40, 0x7F), g.char())
	case n < 68:
		return g.of("\x19", "\x16") + g.of(g.between(0x40, 0x4F)+g.of("a", "e", "c", "E", g.char()), g.char())
	case n < 75:
		return g.csi()
	case n < 80:
		return g.order()
	case n < 83:
		return g.designate()
	case n < 85:
		return g.load()
	case n < 86:
		return g.region()
	case n < 87:
		return g.standard()
	case n < 92:
		return g.iso()
	case n < 95:
		return g.of("\x11", "\x14", "\x18", "\x1A", "\x1E", "\x13"+g.char(), "\x1D"+g.char(), "\x00", "\n")
	case n < 100:
		return g.of(g.any(), g.between(0x00, 0x1F), "\x1B", "\x1F", "\x1F"+g.char()+g.char(), "\x1B"+g.any())
	case n < 102:
		return g.overwriting()
	default:
		return g.article()
	}
}

// part80 is one for 80 columns.
func (g generator) part80() string { return g.of(g.part(), g.part(), g.part(), g.iso(), g.csi()) }

// padded has NUL in some places.
func (g generator) padded(p []byte) []byte {
	for range g.IntN(len(p)/4 + 1) {
		p = slices.Insert(p, g.IntN(len(p)), videotex.NUL)
	}
	return p
}

func (g generator) stream() stream {
	head, part := g.of("", "\x0C", "\x0C", "\x1B:iC", "\x1B:2}"), g.part
	if head == "\x1B:2}" {
		part = g.part80
	}
	p := bytesOf(head + g.some(60, part))
	if g.IntN(50) == 0 {
		p = append(p, strings.Repeat(g.order(), 90)...) // more than is answered
	}
	if g.IntN(4) == 0 {
		p = g.padded(p)
	}
	s := stream{Stream: latin1(p), Identity: minitel1B, Letter: g.of("", "", "F", "C")}
	for left := len(p); left > 0 && g.IntN(20) > 0; left -= s.Chunks[len(s.Chunks)-1] {
		s.Chunks = append(s.Chunks, 1+g.IntN(min(left, 30)))
	}
	if g.IntN(4) == 0 {
		s.Identity = []int{0x42, 0x7A, 0x36} // a Minitel 12
	}
	return s
}

// TestRandomStreams compares the decoder with the model on streams that nobody
// would send.
func TestRandomStreams(t *testing.T) {
	const rounds, batch = 4, 500
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed=%d does this again", *seed)
	g := generator{rand.New(rand.NewPCG(*seed, 0))}
	d := newDecoder(t)
	for range rounds {
		streams := make([]stream, batch)
		for i := range streams {
			streams[i] = g.stream()
		}
		if i := firstFault(t, d, streams); i >= 0 {
			complain(t, d, streams[i])
			return
		}
	}
}

// fault says what is wrong with a digest, if anything is.
func fault(got digest, s stream) string {
	screen := model(s)
	switch {
	case got.View != hash(view(screen)):
		return "the decoder shows something else than the model"
	case got.Text != hash([]rune(screen.String())):
		return "the decoder reads otherwise than the model"
	case got.Replies != hex.EncodeToString(screen.Replies()):
		return "the decoder answers otherwise than the model"
	case !got.Torn && !resembles(model(stream{Stream: got.Page, Identity: s.Identity, Letter: s.Letter}), screen):
		return "what is saved shows something else"
	}
	return ""
}

// complain fails the test with as little of a stream as is at fault.
func complain(t *testing.T, d decoder, s stream) {
	t.Helper()
	for size := len(s.Stream) / 2; size > 0; {
		shorter := without(s, size)
		i := firstFault(t, d, shorter)
		if i < 0 {
			size /= 2
		} else {
			s = shorter[i]
		}
	}
	got := ask[[]digest](t, d, "digests", []stream{s})[0]
	t.Errorf("%s: %q in pieces of %d; saved as %q", fault(got, s), bytesOf(s.Stream), s.Chunks, got.Page)
	differ(t, "decoded", model(s).JSON(), []byte(ask[string](t, d, "dump", s)))
	saved(t, d, []string{"saved"}, []stream{s})
}

// without returns the stream without each of its parts of some size in turn.
func without(s stream, size int) (shorter []stream) {
	p := bytesOf(s.Stream)
	for at := 0; at < len(p); at += size {
		less := slices.Delete(slices.Clone(p), at, min(at+size, len(p)))
		shorter = append(shorter, stream{Stream: latin1(less), Identity: s.Identity, Letter: s.Letter})
	}
	return shorter
}

func firstFault(t *testing.T, d decoder, streams []stream) int {
	t.Helper()
	for i, got := range ask[[]digest](t, d, "digests", streams) {
		if fault(got, streams[i]) != "" {
			return i
		}
	}
	return -1
}
