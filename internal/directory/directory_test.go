package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"moip/internal/session"
	"moip/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const services = `
[[service]]
code = "teaser"
aliases = ["3614  Teaser", "*TEA-1"]
title = "Le Teaser, café & cœur à 0 F"
url = "ws://minitel.3614teaser.fr:8080/ws"
ping = "10s"
subprotocols = ["binary", "tty"]
frames = "text"
fin = 59
dial_timeout = "3s"
origin = "https://3614teaser.fr"
ca = "teaser.pem"

[[service]]
code = "3611"
url = "ws://3611.re/ws"
fin = "close"

[[service]]
code = "3615.zboub"
url = "tcp://abasty-retro.fr:1967"
`

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	if err := os.WriteFile(path, []byte(services), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Service{
		{
			Title:   "Le Teaser, café & cœur à 0 F",
			Aliases: []string{"3614 TEASER", "*TEA-1"},
			Route: session.Route{
				Name:         "TEASER",
				URL:          "ws://minitel.3614teaser.fr:8080/ws",
				Ping:         10 * time.Second,
				Subprotocols: []string{"binary", "tty"},
				Frames:       session.FramesText,
				Fin:          session.FinModem,
				DialTimeout:  3 * time.Second,
				Origin:       "https://3614teaser.fr",
				CA:           filepath.Join(filepath.Dir(path), "teaser.pem"),
			},
		},
		{Title: "3611", Route: session.Route{Name: "3611", URL: "ws://3611.re/ws", Fin: session.FinClose}},
		{Title: "3615.ZBOUB", Route: session.Route{Name: "3615.ZBOUB", URL: "tcp://abasty-retro.fr:1967"}},
	}
	if diff := cmp.Diff(want, d.Services()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path+": ") {
		t.Error(err)
	}
}

func TestLookup(t *testing.T) {
	d, err := Parse("services.toml", []byte(services))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"TEASER":             "TEASER",
		"teaser":             "TEASER",
		"  Teaser ":          "TEASER",
		"3614 teaser":        "TEASER",
		"3614   teaser":      "TEASER",
		"*tea-1":             "TEASER",
		"3611":               "3611",
		"3615.zboub":         "3615.ZBOUB",
		"":                   "",
		" ":                  "",
		"361":                "",
		"3614teaser":         "",
		"3615*zboub":         "",
		"\x13A":              "",
		"é":                  "",
		"3611\xff":           "",
		"3611" + blanks(77):  "",
		"3611" + blanks(76):  "3611",
		blanks(1<<20) + "36": "",
	} {
		s, ok := d.Lookup(code)
		if s.Name != want || ok != (want != "") {
			t.Errorf("%.40q: %q, %v, want %q", code, s.Name, ok, want)
		}
	}
}

func blanks(n int) string { return strings.Repeat(" ", n) }

func TestZeroDirectory(t *testing.T) {
	var d Directory
	if s, ok := d.Lookup("3611"); ok {
		t.Errorf("found %v", s)
	}
	if n := len(d.Services()); n != 0 {
		t.Errorf("%d services", n)
	}
}

func TestFaults(t *testing.T) {
	const good = "[[service]]\ncode = 'A'\nurl = 'ws://a'\n"
	for _, test := range []struct{ text, want string }{
		{"[[service]\n", "1: column 10: expected ']]' to close array table name"},
		{"[service]\n", "1: service: must be a list of tables (write [[service]], and its keys below)"},
		{"[[services]]\n", "1: services: unknown key (did you mean service?)"},
		{good + "uri = 'ws://b'\n", "4: service.uri: unknown key (did you mean service.url?)"},
		{good + "tariff = 3\n", "4: service.tariff: unknown key"},
		{good + "\n[[service]]\nurl = 'ws://b'\n", `5: service.code: is missing (write code = "..." as people type it)`},
		{"[[service]]\nurl = 'ws://b'\ncode = ' '\n", `3: service.code: is missing (write code = "..." as people type it)`},
		{"[[service]]\nurl = 'ws://b'\ncode = 3611\n", "3: service.code: must be a string (write it in quotes)"},
		{"[[service]]\nurl = 'ws://b'\ncode = 'été'\n", `3: service.code: "ÉTÉ" is not a code (write 1 to 20 of A to Z, 0 to 9, blank and .*-)`},
		{"[[service]]\nurl = 'ws://b'\ncode = 'ABCDEFGHIJKLMNOPQRSTU'\n", `3: service.code: "ABCDEFGHIJKLMNOPQRSTU" is not a code (write 1 to 20 of A to Z, 0 to 9, blank and .*-)`},
		{good + "aliases = ['B',\n'']\n", `4: service.aliases: "" is not a code (write 1 to 20 of A to Z, 0 to 9, blank and .*-)`},
		{good + "aliases = 'B'\n", `4: service.aliases: must be a list of strings (write ["..."])`},
		{good + good, `5: service.code: "A" is taken already (a code or an alias names one service)`},
		{good + "aliases = ['B',\n'b']\n", `4: service.aliases: "B" is taken already (a code or an alias names one service)`},
		{good + "aliases = ['a']\n", `4: service.aliases: "A" is taken already (a code or an alias names one service)`},
		{good + "title = 'Tu as gagné à la loterie d’été de 1990 !'\n", `4: service.title: is 40 columns wide (38 fit)`},
		{good + "title = \"a\\u001Bb\"\n", `4: service.title: '\x1b' cannot be shown on a Minitel (write French, without control characters)`},
		{good + "title = '漢字'\n", `4: service.title: '漢' cannot be shown on a Minitel (write French, without control characters)`},
		{"[[service]]\ncode = 'SALON'\nurl = 'htp://x'\n", `3: service.url: ` + upstream.Check(session.Route{URL: "htp://x"}).Error()},
		{"[[service]]\ncode = 'SALON'\n", `1: service.url: is missing (write url = "ws://...", or wss, telnet, tcp)`},
		{"[[service]]\ncode = 'SALON'\nurl = 'builtin'\n", `3: service.url: ` + upstream.Check(session.Route{URL: "builtin"}).Error()},
		{good + "ping = '10x'\n", `4: service.ping: "10x" is not a duration (write 10m, 90s, or 0 for none)`},
		{good + "dial_timeout = '1h'\n", `4: service.dial_timeout: 1h is out of range (100ms to 5m, or 0 for none)`},
		{good + "fin = 'none'\n", `4: service.fin: "none" is unknown (use 49, 59 or close)`},
		{"[[service]]\ncode = 'A'\n" + good + "ping = '5ms'\nfins = 49\n", `7: service.fins: unknown key (did you mean service.fin?)
services.toml:1: service.url: is missing (write url = "ws://...", or wss, telnet, tcp)
services.toml:4: service.code: "A" is taken already (a code or an alias names one service)
services.toml:6: service.ping: 5ms is out of range (100ms to 24h, or 0 for none)`},
	} {
		d, err := Parse("services.toml", []byte(test.text))
		if diff := cmp.Diff("services.toml:"+test.want, fmt.Sprint(err)); diff != "" || d != nil {
			t.Errorf("%q: %s", test.text, diff)
		}
	}
}

func TestFaultsAreBounded(t *testing.T) {
	_, err := Parse("services.toml", []byte(strings.Repeat("[[service]]\n", 1000)))
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 11 { // and one that there are more
		t.Errorf("%d lines", lines)
	}
}

func TestTitle(t *testing.T) {
	for title, want := range map[string]bool{
		"Élégance à Noël, où ça ?":      true,
		strings.Repeat("é", maxTitle):   true,
		strings.Repeat("€", 13):         false, // EUR, in 39 columns
		strings.Repeat("x", maxTitle+1): false,
		"e\u0301":                       false,
		"a\nb":                          false,
		"?":                             true,
	} {
		if err := checkTitle(title); (err == nil) != want {
			t.Errorf("%q: %v", title, err)
		}
	}
}

func FuzzDirectory(f *testing.F) {
	f.Add(services)
	f.Add("service = [{code = 'A', url = 'ws://x'}, {code = 'ſ', aliases = [[]], title = '\\u0000'}]\n")
	f.Add("[[service]]\n[[service.url]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("services.toml", []byte(text))
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "services.toml:") {
					t.Errorf("%q does not begin with the file", line)
				}
			}
			return
		}
		for _, s := range d.Services() {
			for _, code := range append(s.Aliases, s.Name) {
				if found, ok := d.Lookup(strings.ToLower(code)); !ok || found.Name != s.Name {
					t.Errorf("%q leads to %q, %v, not to %q", code, found.Name, ok, s.Name)
				}
			}
		}
	})
}
