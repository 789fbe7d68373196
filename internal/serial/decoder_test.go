package serial

import (
	"bytes"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name    string
		decoder decoder
		from    string
		to      string
		wrong   int
	}{
		{"7E1", decoder{parity: ParityLine, marks: true}, "A\x00\x13", "A\x00\x13", 0},
		{"7E1, wrong parity", decoder{parity: ParityLine, marks: true}, "A\xff\x00BC", "A\xc2C", 1},
		{"7E1, break", decoder{parity: ParityLine, marks: true}, "A\xff\x00\x00C", "A\x80C", 1},
		{"7E1 that the adapter only claims to do", decoder{parity: ParityLine, marks: true}, "A\xc3", "A\xc3", 1},
		{"software", decoder{parity: ParitySoftware, marks: true}, "A\xc3", "AC", 0},
		{"software, wrong parity", decoder{parity: ParitySoftware, marks: true}, "\xc1C", "\xc1\xc3", 2},
		{"software, DEL", decoder{parity: ParitySoftware, marks: true}, "\xff\xffA", "\x7fA", 0},
		{"software, DEL, nothing marked", decoder{parity: ParitySoftware}, "\xffA", "\x7fA", 0},
		{"software, no stop bit", decoder{parity: ParitySoftware, marks: true}, "\xff\x00AA", "\xc1A", 1},
		{"software, no stop bit of FF", decoder{parity: ParitySoftware, marks: true}, "\xff\x00\xffA", "\xffA", 1},
		{"what a Discard has torn", decoder{parity: ParitySoftware, marks: true}, "\xffA\x42", "AB", 0},
		{"none", decoder{parity: ParityNone}, "\xff\x00A\xc1", "\xff\x00A\xc1", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for cut := range len(test.from) + 1 {
				d := test.decoder
				first, second := []byte(test.from[:cut]), []byte(test.from[cut:])
				n, wrong := d.decode(first)
				m, more := d.decode(second)
				if got := string(first[:n]) + string(second[:m]); got != test.to || wrong+more != test.wrong {
					t.Errorf("cut at %d: %q with %d wrong, not %q with %d", cut, got, wrong+more, test.to, test.wrong)
				}
			}
		})
	}
}

func TestEven(t *testing.T) {
	for c := range 256 {
		if got := even(byte(c)); got&0x7F != byte(c)&0x7F || bits.OnesCount8(got)%2 != 0 {
			t.Errorf("even(%#02x) = %#02x", c, got)
		}
	}
}

// The kernel's side of the marks, and ours: whatever was on the line comes out,
// wherever the reads end.
func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent, want []byte
		wrong := 0
		for range rapid.IntRange(0, 40).Draw(t, "characters") {
			c := rapid.Byte().Draw(t, "character")
			if rapid.Bool().Draw(t, "without stop bit") {
				sent = append(sent, 0xFF, 0, c)
				want = append(want, c|0x80)
				wrong++
				continue
			}
			if c == 0xFF {
				sent = append(sent, 0xFF)
			}
			sent = append(sent, c)
			if even(c) == c {
				want = append(want, c&0x7F)
			} else {
				want = append(want, c|0x80)
				wrong++
			}
		}
		d := decoder{parity: ParitySoftware, marks: true}
		var got []byte
		counted := 0
		for len(sent) > 0 {
			read := sent[:rapid.IntRange(1, len(sent)).Draw(t, "read")]
			sent = sent[len(read):]
			n, bad := d.decode(read)
			got = append(got, read[:n]...)
			counted += bad
		}
		if !bytes.Equal(got, want) || counted != wrong {
			t.Errorf("%x with %d wrong, not %x with %d", got, counted, want, wrong)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("A\xff\x00B\xff\xff\xff\x00\x00"), uint(2), true, true)
	f.Add([]byte("\xc1\x00"), uint(1), false, false)
	f.Fuzz(func(t *testing.T, b []byte, cut uint, software, marks bool) {
		parity := ParityLine
		if software {
			parity = ParitySoftware
		}
		whole, torn := decoder{parity: parity, marks: marks}, decoder{parity: parity, marks: marks}
		at := cut % uint(len(b)+1)
		first, second := bytes.Clone(b[:at]), bytes.Clone(b[at:])
		n, wrong := torn.decode(first)
		m, more := torn.decode(second)
		all := bytes.Clone(b)
		k, bad := whole.decode(all)
		if got := append(first[:n:n], second[:m]...); !bytes.Equal(got, all[:k]) || wrong+more != bad {
			t.Errorf("torn: %x with %d wrong, whole: %x with %d", got, wrong+more, all[:k], bad)
		}
		high := 0
		for _, c := range all[:k] {
			high += int(c >> 7)
		}
		if high != bad {
			t.Errorf("%d wrong in %x", bad, all[:k])
		}
		if !marks && k != len(b) {
			t.Errorf("%d of %d bytes", k, len(b))
		}
	})
}
