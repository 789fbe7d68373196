package videotex

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// divided returns the sequences of a stream in hexadecimal, with a * after
// each that leaves the terminal at rest.
func divided(stream string) string {
	var p Parser
	var all []string
	for _, b := range []byte(stream) {
		s := p.Step(b)
		if s == nil {
			continue
		}
		word := fmt.Sprintf("%x", s)
		if p.AtRest() {
			word += "*"
		}
		all = append(all, word)
	}
	return strings.Join(all, " ")
}

// TestSequences follows the table of sequences as firmware obeys them.
func TestSequences(t *testing.T) {
	for _, c := range []struct{ name, stream, want string }{
		{"plain", "a\r\x0c", "61* 0d* 0c*"},
		{"bit 7 is no code", "\xc1\x9f\x41\x41", "41* 1f4141*"},
		{"padding", "\x1f\x00B\x00C\x00", "1f4243*"},
		{"REP, SEP, SS3", "\x12B\x13I\x1dX", "1242* 1349* 1d58*"},
		{"accents", "\x19\x23\x19Be\x16Be", "1923* 194265* 164265*"},
		{"no accent in mosaics", "\x0e\x19Be", "0e* 19* 42* 65*"},
		{"accent after mosaics", "\x0e\x0f\x19Be\x0e\x0c\x19Be\x0e\x1e\x19Be", "0e* 0f* 194265* 0e* 0c* 194265* 0e* 1e* 194265*"},
		{"US resets mosaics, unless it names no place", "\x0e\x1fAA\x19Be\x0e\x1fZA\x19B", "0e* 1f4141* 194265* 0e* 1f5a41* 19* 42*"},
		{"a control character abandons", "\x1f\r\x12\n\x19B\x0c\x1b[3\x08", "0d* 0a* 0c* 08*"},
		{"and may start anew", "\x13\x19Be\x1fA\x12C\x1b\x1bA", "194265* 1243* 1b41*"},
		{"PRO", "\x1b\x39\x7b\x1b\x3a\x69\x43\x1b\x3b\x61\x58\x51", "1b397b* 1b3a6943* 1b3b615851*"},
		{"PRO takes anything", "\x1b\x39\r\x1b\x3a\x00\x1b\x1b\x3b\x00\x00\x00", "1b390d* 1b3a001b* 1b3b000000*"},
		{"PRO in other sequences", "\x1fE\x1b\x39\x7bP\x19B\x1b\x61e", "1b397b 1f4550* 1b61 194265*"},
		{"padding in ESC", "\x1b\x00A\x1b\x00\x39\x7b", "1b41* 1b397b*"},
		{"CSI", "\x1b[3;5H\x1b[?25h\x1b[<1 p", "1b5b333b3548* 1b5b3f323568* 1b5b3c312070*"},
		{"intermediates", "\x1b\x28\x20B\x1b\x23\x20X\x1b!\"#$%0", "1b282042* 1b232058* 1b212223242530*"},
		{"three bytes", "\x1b\x35XY", "1b3558* 59*"},
		{"deaf", "\x1b\x25ABC\x1b\x25\x40X", "1b25 41 42 43 1b25 40* 58*"},
		{"deaf, other end", "\x1b\x25A\x1b\x2f\x38B\x1b\x2f\x3fX", "1b25 41 1b2f 38 42 1b2f 3f* 58*"},
		{"deaf for nothing", "\x1b\x25\x40X", "1b25 40* 58*"},
		{"PRO to the deaf", "\x1b\x25\x1b\x39\x7bX", "1b25 1b397b 58"},
		{"loading", "\x1f\x23A0@\x0d@\x1fCAX", "1f2341 30 40 0d 40 1f 43 41* 58*"},
		{"row 00 suspends loading", "\x1f\x23A0@\x1f@AX\n@\x1fCA", "1f2341 30 40 1f 40 41 58 0a 40 1f 43 41*"},
		{"no place ends loading", "\x1f\x23A0@\x1fZZA", "1f2341 30 40 1f 5a 5a* 41*"},
		{"PRO while loading", "\x1f\x23A0\x1b\x39\x7b@\x1fCA", "1f2341 30 1b397b 40 1f 43 41*"},
		{"card reader", "\x1f<AB\rX", "1f3c 41 42 0d* 58*"},
		{"row 00", "\x1f@Aab\n", "1f4041 61 62 0a*"},
		{"row 00, decimal", "\x1f00a\nb", "1f3030 61 0a* 62*"},
		{"row 00 left by US, FF, RS", "\x1f@A\x1fAA\x1f@A\x0c\x1f@A\x1e", "1f4041 1f4141* 1f4041 0c* 1f4041 1e*"},
		{"row 00 not left by CR, VT", "\x1f@A\r\x0b", "1f4041 0d 0b"},
		{"row 00 keeps mosaics", "\x0e\x1f@A\x19Be\n\x19", "0e* 1f4041 194265 0a* 19*"},
		{"no place in row 00", "\x1f@\x69a", "1f4069* 61*"},
		{"Mixte leaves row 00 by LF only", "\x1b\x3a\x32\x7d\x1f@A\x0c\x1fAA\n", "1b3a327d* 1f4041 0c 1f4141 0a*"},
		{"Mixte, what ESC keeps and hides", "\x1b\x3a\x32\x7d\x1b7A\x1b%\x40B\x1f@A\x1b7AB\n", "1b3a327d* 1b37* 41* 1b2540* 42* 1f4041 1b3741 42 0a*"},
		{"Mixte loads nothing", "\x1b\x3a\x32\x7d\x1f\x23AB", "1b3a327d* 1f2341* 42*"},
		{"Téléinformatique has no PRO", "\x1b\x3a\x31\x7d\x1b\x39\x7b\x1b[?{a", "1b3a317d 1b39 7b 1b5b3f7b* 61*"},
		{"transparence", "\x1b\x3a\x66\x03\x1b\x39\x7bX", "1b3a6603 1b39 7b* 58*"},
		{"transparence does not count padding", "\x1b\x3a\x66\x02\x00\x1b\x00{X", "1b3a6602 1b7b* 58*"},
		{"reset ends deafness", "\x1b\x25A\x1b\x39\x7fX", "1b25 41 1b397f* 58*"},
		{"reset", "\x1f@A\x1b\x39\x7fa", "1f4041 1b397f* 61*"},
	} {
		if got := divided(c.stream); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.stream, got, c.want)
		}
	}
}

// checkNext checks that next, and run, tell of a stream what Step tells.
func checkNext(t *testing.T, stream []byte) {
	t.Helper()
	var fast, slow Parser
	for rest := stream; len(rest) > 0; {
		for n := fast.run(rest); n > 0; n-- {
			if s := slow.Step(rest[0]); len(s) != 1 || s[0] != rest[0]&0x7F {
				t.Fatalf("%q: no run at %q, but %q", stream, rest, s)
			}
			rest = rest[1:]
		}
		if len(rest) == 0 {
			break
		}
		got, n := fast.next(rest)
		var want []byte
		for i, b := range rest[:n] {
			if want = slow.Step(b); want != nil && i < n-1 {
				t.Fatalf("%q: %q is two sequences", stream, rest[:n])
			}
		}
		if !bytes.Equal(got, want) || forgetful(fast) != forgetful(slow) {
			t.Fatalf("%q: at %q %q, %+v; want %q, %+v", stream, rest, got, fast, want, slow)
		}
		rest = rest[n:]
	}
}

// forgetful returns p without what is left in it of sequences that are over.
func forgetful(p Parser) Parser {
	clear(p.seq[p.n:])
	clear(p.pro[p.np:])
	return p
}

func TestNext(t *testing.T) {
	for _, page := range pages(t) {
		checkNext(t, page)
	}
	for seed := range uint64(200) {
		checkNext(t, randomPage(rand.New(rand.NewPCG(seed, 0)), 300))
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte("\x1fA\x1b\x39\x7bA\x19Be\x1b[1;2H\x1b\x25a\x1b\x25\x40\x1f\x23A0@\x1fAA"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var p Parser
		for _, b := range stream {
			if s := p.Step(b); len(s) > maxSequence {
				t.Fatalf("a sequence of %d bytes", len(s))
			}
		}
		checkNext(t, stream)
		p.Rest(nil)
		if !p.AtRest() || p.Mode() != Videotex {
			t.Fatalf("%q: not at rest", stream)
		}
	})
}
