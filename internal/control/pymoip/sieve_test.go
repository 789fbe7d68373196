package pymoip

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const details = "PID=0,IP=127.0.0.1,PORT=38178,Access=WS"

// sifted puts chunks through a sieve. Beside what passes it returns what was
// found, and for each chunk whether there were keys.
func sifted(chunks ...string) (passed string, found []string, typed []bool) {
	s := sieve{found: func(details []byte, err error) {
		if err != nil {
			details = fmt.Append(nil, err)
		}
		found = append(found, string(details))
	}}
	for _, chunk := range chunks {
		p, keys := s.sift([]byte(chunk))
		passed += string(p)
		typed = append(typed, keys)
	}
	return passed + string(s.flush(nil)), found, typed
}

func TestSieve(t *testing.T) {
	const head = introductionHead
	for _, test := range []struct {
		in, out string
		found   []string
	}{
		{"", "", nil},
		{"3615 ULLA\x13A", "3615 ULLA\x13A", nil},
		{head + details + "\n", "", []string{details}},
		{"ab" + head + details + "\ncd", "abcd", []string{details}},
		{head + details + "\n" + head + details + "x\n", "", []string{details, details + "x"}},
		{"\x01Cu3\x04", "\x01Cu3\x04", nil},
		{head + details + "\n\x01Cu3\x04", "\x01Cu3\x04", []string{details}},
		{"\x01\x7f\x7fx", "\x01\x7f\x7fx", nil},
		{"\x01\x01\x7f\x01" + head + details + "\n", "\x01\x01\x7f\x01", []string{details}},
		{"\x01\x7f\x7f\x7f", "\x01\x7f\x7f\x7f", nil}, // and the end
		{head, "", nil},
		{head + details, "", nil},
		{head + "Allo", "Allo", []string{errHeadAlone.Error()}},
		{head + "PIC", "PIC", []string{errHeadAlone.Error()}},
		{head + "\n", "\n", []string{errHeadAlone.Error()}},
		{head + head + details + "\n", "", []string{errHeadAlone.Error(), details}},
		{head + "PID=0\x13AB", "\x13AB", []string{errBroken.Error()}},
		{head + "PID=0\xe9", "\xe9", []string{errBroken.Error()}},
		{head + "PID=" + head + details + "\n", "", []string{errBroken.Error(), details}},
		{head + "PID=" + strings.Repeat("1", detailsLimit-4) + "\nx", "x", []string{"PID=" + strings.Repeat("1", detailsLimit-4)}},
		{head + "PID=" + strings.Repeat("1", detailsLimit-4) + "xy\n", "xy\n", []string{errEndless.Error()}},
	} {
		for cut := range len(test.in) + 1 {
			out, found, _ := sifted(test.in[:cut], test.in[cut:])
			if out != test.out || !slices.Equal(found, test.found) {
				t.Errorf("%q cut at %d: %q, found %q", test.in, cut, out, found)
			}
		}
	}
}

// Nothing is held back that begins no introduction.
func TestSieveHoldsLittle(t *testing.T) {
	s := sieve{}
	for _, step := range [][2]string{
		{"a", "a"}, {"\x13", "\x13"}, {"\x01", ""}, {"C", "\x01C"}, {"u3\x04", "u3\x04"},
		{"\x01\x7f", ""}, {"\x7f\x01", "\x01\x7f\x7f"}, {"b", "\x01b"},
	} {
		if passed, _ := s.sift([]byte(step[0])); string(passed) != step[1] {
			t.Errorf("%q: %q passes, want %q", step[0], passed, step[1])
		}
	}
}

func TestSieveTellsKeys(t *testing.T) {
	for _, test := range []struct {
		chunks []string
		typed  []bool
	}{
		{[]string{""}, []bool{false}},
		{[]string{"a"}, []bool{true}},
		{[]string{"\x01Cu3\x04"}, []bool{false}},
		{[]string{"\x01", "C", "u3", "\x04", "a"}, []bool{false, false, false, false, true}},
		{[]string{"\x01Cu3\x04\x13A"}, []bool{true}},
		{[]string{"\x13\x01Cu3\x04"}, []bool{true}},
		{[]string{"\x01C", "\x13", "A"}, []bool{false, true, true}}, // broken off
		{[]string{"\x01" + strings.Repeat("x", answerLimit-1), "x"}, []bool{false, true}},
		{[]string{introductionHead + details + "\n"}, []bool{false}},
	} {
		if _, _, typed := sifted(test.chunks...); !slices.Equal(typed, test.typed) {
			t.Errorf("%q: %v, want %v", test.chunks, typed, test.typed)
		}
	}
}

// What comes out is what went in but for the introductions, however the stream
// is cut.
func TestSieveLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in, out strings.Builder
		var want []string
		for range rapid.IntRange(0, 6).Draw(t, "introductions") {
			keys := rapid.SliceOf(rapid.SampledFrom([]byte("\x01\x7f\x04\x13PID=\x0aAx\xe9"))).Draw(t, "keys")
			if strings.Contains(string(keys), introductionHead) {
				t.Skip("by chance")
			}
			text := rapid.StringMatching(`PID=[ -~]{0,60}`).Draw(t, "details")
			in.Write(keys)
			in.WriteString(introductionHead + text + "\n")
			out.Write(keys)
			want = append(want, text)
		}
		rest := in.String()
		var chunks []string
		for len(rest) > 0 {
			n := rapid.IntRange(1, min(len(rest), 70)).Draw(t, "cut")
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		passed, found, _ := sifted(chunks...)
		if passed != out.String() || !slices.Equal(found, want) {
			t.Fatalf("%q: %q, found %q", chunks, passed, found)
		}
	})
}

func FuzzSieve(f *testing.F) {
	f.Add([]byte("ab"+introductionHead+details+"\ncd"), 3)
	f.Add([]byte(introductionHead+"PI"+introductionHead+"PID=\x01\x7f"), 1)
	f.Add([]byte("\x01Cu3\x04\x01\x01\x7f\x7f\x7f\x04"), 2)
	f.Add([]byte(introductionHead+"I"), 1)
	introductions := regexp.MustCompile(`\x01\x7f\x7f\x7f\x04(PID=[ -~]{0,508}\n?|(P|PI|PID)$)?`)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		size = max(1, min(size, len(stream)))
		var chunks []string
		for chunk := range slices.Chunk(stream, size) {
			chunks = append(chunks, string(chunk))
		}
		passed, _, _ := sifted(chunks...)
		if want := introductions.ReplaceAllString(string(stream), ""); passed != want {
			t.Fatalf("%q in chunks of %d: %q, want %q", stream, size, passed, want)
		}
	})
}
