package trace

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"moip/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite the traces in testdata")

var passages = map[string]session.Passage{
	"bytes": session.PassBytes, "telnet": session.PassTelnet, "frame": session.PassFrame, "head": session.PassHead,
	"note": session.PassNote, "end": session.PassEnd,
}

// TestDecode plays testdata: each has what passes, as lines of "LEG from|to WHAT STRING", and
// how that is told.
func TestDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var told strings.Builder
			decoders := map[string]*decoder{}
			for line := range strings.Lines(string(archive.Files[0].Data)) {
				var leg, way, what, quoted string
				if n, _ := fmt.Sscanf(line, "%s %s %s %q", &leg, &way, &what, &quoted); n != 4 {
					t.Fatalf("%q is no line", line)
				}
				d := decoders[leg+way]
				if d == nil {
					for l := session.LegCaller; l <= session.LegService; l++ {
						if l.String() == leg {
							d = newDecoder(l, way == To)
						}
					}
					decoders[leg+way] = d
				}
				for _, text := range d.lines(passages[what], []byte(quoted), strings.Contains(path, "raw")) {
					fmt.Fprintln(&told, way, leg+":", text)
				}
			}
			if *update {
				archive.Files[1].Data = []byte(told.String())
				if err := os.WriteFile(path, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Files[1].Data); told.String() != want {
				t.Errorf("it is told\n%s\nwant\n%s", &told, want)
			}
		})
	}
}

// Whatever passes, and however it is cut, lines are short and can be written to any
// terminal.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"\x1b[2J\x1b:1}\xff\xfd\x01\xff\xfa\x18\x00xterm\xff\xf0", "\x0c\x1fAA\x1b\x54 \x12g\x0e\x7f\x19Be", "\x01Cu<\x04\x1fAB\x13A",
		"\x88\x05\x03\xe8\x1b[m", "GET http://me:secret@x/\x1b]0;x\x07 HTTP/1.1\r\nHost: \u202e\u009b31m\r\n", "\x1f# \x20BI\x1f#A0@@@0@@\x1fAA",
		strings.Repeat("\x1f\x41\x41x", 100), strings.Repeat("\xff\xfa", 300), "\x1b%\x1b[31m\x1b%@",
	} {
		f.Add([]byte(seed), uint8(3), false)
		f.Add([]byte(seed), uint8(200), true)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint8, sent bool) {
		kept := bytes.Clone(p)
		for what := range session.PassEnd + 1 {
			for leg := session.LegCaller; leg <= session.LegPortal; leg++ {
				d := newDecoder(leg, sent)
				for rest := p; len(rest) > 0; {
					n := min(int(cut)+1, len(rest))
					for _, line := range d.lines(what, rest[:n], true) {
						checkLine(t, line)
					}
					rest = rest[n:]
				}
			}
		}
		checkLine(t, Entry{Call: 1, Leg: "service", Way: To, Service: clip(string(p), maxName), What: clip(string(p), maxAbout)}.String())
		if !bytes.Equal(p, kept) {
			t.Error("bytes were changed")
		}
	})
}

func checkLine(t *testing.T, line string) {
	t.Helper()
	if n := utf8.RuneCountInString(line); n > 300 {
		t.Errorf("%d characters: %q", n, line)
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(line) {
		t.Errorf("at %d is no character to show: %q", i, line)
	}
	if line == "" {
		t.Error("an empty line")
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"17": "17", "192.0.2.7": "192.0.2.7/32", "192.0.2.7/24": "192.0.2.0/24", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::1/128",
		"": "", "0": "", "-1": "", "nowhere": "", "fe80::1%eth0": "", "192.0.2.0/33": "",
	} {
		target, err := ParseTarget(s)
		got := ""
		switch {
		case err != nil:
		case target.Call() != 0:
			got = strconv.Itoa(int(target.Call()))
		default:
			got = target.from.String()
		}
		if got != want {
			t.Errorf("%q is %q (%v), want %q", s, got, err, want)
		}
	}
	for s, want := range map[string]Legs{"": AllLegs, "all": AllLegs, "portal": {false, true}, "cable": {}} {
		if got, err := ParseLegs(s); got != want || (err != nil) != (want == Legs{}) {
			t.Errorf("%q is %v (%v), want %v", s, got, err, want)
		}
	}
}

// A call from beside has a zone in its address, which no network has.
func TestTargetHas(t *testing.T) {
	target, err := ParseTarget("fe80::/10")
	if err != nil || !target.has(1, netip.MustParseAddrPort("[fe80::1%eth0]:4000")) {
		t.Errorf("%v, and a call from there is not meant", err)
	}
}
