package directory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
	"moip/internal/tariff"
	"moip/internal/upstream"
)

// builtin are the services that the starter directory finds inside.
var builtin = []string{"mire", "clavier", "heure", "pages", "salon", "echo"}

// A recording is where the file that names it says, and is inside.
func TestReplay(t *testing.T) {
	d, err := Parse("/etc/moip/services.toml", []byte(`
		[profile.show]
		url = "replay:shows/one.cast"
		record = true
		[[service]]
		code = "MUSEE"
		url = "replay:museum?speed=1200"
		[[service]]
		code = "SHOW"
		profile = "show"
	`))
	if err != nil {
		t.Fatal(err)
	}
	for code, url := range map[string]string{"MUSEE": "replay:/etc/moip/museum?speed=1200", "SHOW": "replay:/etc/moip/shows/one.cast"} {
		s, _ := d.Lookup(code)
		if s.URL != url || !IsInside(s.Route) || s.ProbeEvery() != 0 || s.Record != (code == "SHOW") {
			t.Errorf("%s is %+v", code, s)
		}
	}
}

func TestFaults(t *testing.T) {
	const good = "[[service]]\ncode = 'A'\nurl = 'ws://a'\n"
	for _, test := range []struct{ text, want string }{
		{"[[service]\n", "1: column 10: expected ']]' to close array table name"},
		{"[service]\n", "1: service: must be a list of tables (write [[service]], and its keys below)"},
		{"[[services]]\n", "1: services: unknown key (did you mean service?)"},
		{good + "uri = 'ws://b'\n", "4: service.uri: unknown key (did you mean service.url?)"},
		{good + "tarif = 3\n", "4: service.tarif: unknown key (did you mean service.tariff?)"},
		{good + "tariff = 3\n", "4: service.tariff: must be a table (write [service.tariff], and its keys below)"},
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
		{good + "aliases = [" + strings.Repeat("'B',", 21) + "]\n", `4: service.aliases: 21 are too many (20 fit)`},
		{good + "title = 'Tu as gagné à la loterie d’été de 1990 !'\n", `4: service.title: is 40 columns wide (38 fit)`},
		{good + "title = \"a\\u001Bb\"\n", `4: service.title: '\x1b' cannot be shown on a Minitel (write French, without control characters)`},
		{good + "title = '漢字'\n", `4: service.title: '漢' cannot be shown on a Minitel (write French, without control characters)`},
		{"[[service]]\ncode = 'SALON'\nurl = 'htp://x'\n", `3: service.url: ` + upstream.Check(session.Route{URL: "htp://x"}).Error()},
		{"[[service]]\ncode = 'SALON'\n", `1: service.url: is missing (write url = "ws://...", or wss, telnet, telnets, tcp, tcps)`},
		{"[[service]]\ncode = 'SALON'\nurl = 'builtin'\n", `3: service.url: ` + upstream.Check(session.Route{URL: "builtin"}).Error()},
		{good + "ping = '10x'\n", `4: service.ping: "10x" is not a duration (write 10m, 90s, or 0 for none)`},
		{good + "dial_timeout = '1h'\n", `4: service.dial_timeout: 1h is out of range (100ms to 5m, or 0 for none)`},
		{good + "fin = 'none'\n", `4: service.fin: "none" is unknown (use 49, 59 or close)`},
		{"[[service]]\ncode = 'SALON'\nurl = 'builtin:salon'\n", `3: service.url: "builtin:salon" is unknown (there are builtin:heure, builtin:mire)`},
		{"[[service]]\ncode = 'M'\nurl = 'builtin:miré'\n", `3: service.url: "builtin:miré" is unknown (there are builtin:heure, builtin:mire)`},
		{"[[service]]\ncode = 'M'\nurl = 'builtin:mir'\nping = '1ms'\n", `3: service.url: "builtin:mir" is unknown (did you mean "builtin:mire"? there are builtin:heure, builtin:mire)
services.toml:4: service.ping: 1ms is out of range (100ms to 24h, or 0 for none)`},
		{good + "[[service]]\ncode = '\xff'\n", `5: column 9: invalid UTF-8 character in literal string`},

		{good + "category = 'Petites annonces, etc'\n", `4: service.category: is 21 columns wide (20 fit)`},
		{good + "category = \"a\\nb\"\n", `4: service.category: '\n' cannot be shown on a Minitel (write French, without control characters)`},
		{good + "description = '" + strings.Repeat("é", 401) + "'\n", `4: service.description: has 401 characters (400 are the most)`},
		{good + "description = \"a\\tb\"\n", `4: service.description: '\t' cannot be shown on a Minitel (write French, without control characters)`},
		{good + "data = 'yes'\n", `4: service.data: "yes" is unknown (use none, path, query or typed)`},
		{"[[service]]\ncode = 'A'\nurl = 'tcp://a:1'\ndata = 'path'\n", `4: service.data: only a ws or wss URL has a path (use typed or none)`},
		{"[[service]]\ncode = 'A'\nurl = 'replay:'\n", "3: service.url: names no file (write replay:call.cast, or a folder)"},
		{"[[service]]\ncode = 'A'\nurl = 'replay:a'\ndata = 'path'\n", `4: service.data: only a ws or wss URL has a path (use typed or none)`},
		{"[[service]]\ncode = 'A'\nurl = 'builtin:mire'\ndata = 'query'\n", `4: service.data: only a ws or wss URL has a query (use typed or none)`},
		{good + "probe = '9s'\n", `4: service.probe: 9s is out of range (10s to 24h, or "none")`},
		{good + "probe = '25h'\n", `4: service.probe: 25h is out of range (10s to 24h, or "none")`},
		{good + "probe = 'never'\n", `4: service.probe: "never" is not a duration (write 10m, 90s, or 0 for none)`},
		{good + "visit = '169h'\n", `4: service.visit: 169h is out of range (100ms to 168h)`},
		{good + "unverified = 'yes'\n", `4: service.unverified: must be true or false (without quotes)`},

		{good + "palier = '36 99'\n", `4: service.palier: "36 99" is unknown (there are 36 11, 36 13, 36 14, 36 15, 36 16, 36 17)`},
		{good + "palier = '36 15'\ntariff = {minute = 1}\n", `4: service.palier: goes with no tariff (write one of the two)`},
		{good + "tariff = {minute = -1}\n", `4: service.tariff.minute: "-1": a price is not negative`},
		{good + "tariff = {\nconnection = '-0.12'}\n", `5: service.tariff.connection: "-0.12": a price is not negative`},
		{good + "[service.tariff]\nminute = 1001\n", `5: service.tariff.minute: "1001" is too much (a price is at most 1000)`},
		{good + "tariff.free = '25h'\n", `4: service.tariff.free: 25h is out of range (100ms to 24h)`},
		{good + "tariff = {currency = 'FLORIN'}\n", `4: service.tariff.currency: is 6 columns wide (4 fit)`},
		{good + "tariff = {currency = '¥'}\n", `4: service.tariff.currency: '¥' cannot be shown on a Minitel (write French, without control characters)`},
		{good + "tariff = {minut = 1}\n", `4: service.tariff.minut: unknown key (did you mean service.tariff.minute?)`},
		{"[palier.'été']\n", `1: palier.été: is no name (write 1 to 20 of a to z, 0 to 9, - and _)`},
		{"[palier.'3 6']\n[palier.36]\n", `2: palier.36: is there already, here or in another file (write it once)`},
		{"[palier.X]\nminute = '-1'\n", `2: palier.X.minute: "-1": a price is not negative`},
		{"[palier.X]\nfree = '5ms'\n", `2: palier.X.free: 5ms is out of range (100ms to 24h)`},

		{good + "profile = 'tyt'\n[profile.tty]\n[profile.deaf]\n", `4: service.profile: "tyt" is unknown (did you mean "tty"? there are deaf, tty)`},
		{good + "profile = ''\n", `4: service.profile: "" is unknown (there is none)`},
		{"[profile.a]\n[profile.A]\n", `1: profile.a: is there already, here or in another file (write it once)`},
		{"[profile.'a b']\n", `1: profile.a b: is no name (write 1 to 20 of a to z, 0 to 9, - and _)`},
		{"[profile.a]\ntitle = 'A'\n", `2: profile.a.title: unknown key`},
		{"[profile.a]\nprofile = 'b'\n", `2: profile.a.profile: unknown key`},
		{"[profile.a]\nping = '1ms'\ndata = 'x'\n[[service]]\ncode = 'A'\nurl = 'ws://a'\nprofile = 'a'\nfin = 'x'\n", `3: profile.a.data: "x" is unknown (use none, path, query or typed)
services.toml:2: profile.a.ping: 1ms is out of range (100ms to 24h, or 0 for none)
services.toml:8: service.fin: "x" is unknown (use 49, 59 or close)`},
		{"[profile.a]\nping = '1ms'\n[[service]]\ncode = 'A'\nurl = 'ws://a'\nprofile = 'a'\nping = '2ms'\n", `2: profile.a.ping: 1ms is out of range (100ms to 24h, or 0 for none)
services.toml:7: service.ping: 2ms is out of range (100ms to 24h, or 0 for none)`},
		{"[profile.a]\ndata = 'path'\n[[service]]\ncode = 'A'\nurl = 'tcp://a:1'\nprofile = 'a'\n", `3: service.data: only a ws or wss URL has a path (use typed or none)`},
		{"[profile.a]\nreal_ip = 'x-forwarded-for'\n[[service]]\ncode = 'A'\nurl = 'tcp://a:1'\nprofile = 'a'\n", `3: service.real_ip: only a WebSocket has headers (use proxy-v1, proxy-v2 or none, or a ws or wss URL)`},
		{"[profile.a]\npalier = '3615'\ntariff = {minute = 1}\n[[service]]\ncode = 'A'\nurl = 'ws://a'\nprofile = 'a'\n", `2: profile.a.palier: goes with no tariff (write one of the two)`},

		{"[[service]]\ncode = 'A'\nalias_of = 'b'\n", `3: service.alias_of: A leads to B, and nothing has that name (write the code of a service)`},
		{"[[service]]\ncode = 'A'\nalias_of = ''\n", `3: service.alias_of: "" is not a code (write 1 to 20 of A to Z, 0 to 9, blank and .*-)`},
		{"[[service]]\ncode = 'A'\nalias_of = 'A'\n", `3: service.alias_of: A leads to A (write the code of a service)`},
		{"[[service]]\ncode = 'A'\nalias_of = 'B'\n[[service]]\ncode = 'b'\nalias_of = 'a'\n", `3: service.alias_of: A leads to B leads to A (write the code of a service)
services.toml:6: service.alias_of: B leads to A leads to B (write the code of a service)`},
		{"[[service]]\ncode = 'A'\nalias_of = 'B'\naliases = ['B']\n", `3: service.alias_of: A leads to B leads to B (write the code of a service)`},
		{good + "[[service]]\ncode = 'B'\nalias_of = 'A'\nurl = 'ws://b'\nprofile = 'x'\n", `8: service.profile: goes with no alias_of (what an alias leads to has it)
services.toml:7: service.url: goes with no alias_of (what an alias leads to has it)`},
		{good + "[[service]]\ncode = 'A'\nalias_of = 'A'\n", `5: service.code: "A" is taken already (a code or an alias names one service)`},
		{chain(12), `3: service.alias_of: A0 leads to A1 leads to A2 leads to A3 leads to A4 leads to A5 leads to A6 leads to A7 leads to A8 leads to A9 leads to A10, and on (write the code of the service)
services.toml:6: service.alias_of: A1 leads to A2 leads to A3 leads to A4 leads to A5 leads to A6 leads to A7 leads to A8 leads to A9 leads to A10 leads to A11, and on (write the code of the service)`},

		{"[[import]]\n", `1: import.url: is missing (write url = "https://..." or file = "...")`},
		{"[[import]]\nurl = 'ws://x'\n", `2: import.url: is no place in the web (write https://example.org/directory.json)`},
		{"[[import]]\nurl = 'http:x'\n", `2: import.url: is no place in the web (write https://example.org/directory.json)`},
		{"[[import]]\nurl = 'http://x'\nfile = 'x.json'\n", `3: import.file: goes with no url (write one of the two)`},
		{"[[import]]\nfile = 'x.json'\nrefresh = '1h'\n", `3: import.refresh: goes with no file (files are looked at as this one is)`},
		{"[[import]]\nurl = 'http://x'\nrefresh = 'none'\n", `3: import.refresh: 0s is out of range (1m to 720h)`},
		{"[[import]]\nurl = 'http://x'\nrefresh = '721h'\ncategory = 'été\t'\n", `3: import.refresh: 721h is out of range (1m to 720h)
services.toml:4: import.category: '\t' cannot be shown on a Minitel (write French, without control characters)`},

		{"[[service]]\ncode = 'A'\n" + good + "ping = '5ms'\nfins = 49\n", `7: service.fins: unknown key (did you mean service.fin?)
services.toml:1: service.url: is missing (write url = "ws://...", or wss, telnet, telnets, tcp, tcps)
services.toml:4: service.code: "A" is taken already (a code or an alias names one service)
services.toml:6: service.ping: 5ms is out of range (100ms to 24h, or 0 for none)`},
	} {
		d, err := Parse("services.toml", []byte(test.text), "mire", "heure")
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

// chain returns a service, and n aliases that lead to it one by one.
func chain(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "[[service]]\ncode = 'A%d'\nalias_of = 'A%d'\n", i, i+1)
	}
	fmt.Fprintf(&text, "[[service]]\ncode = 'A%d'\nurl = 'ws://a'\n", n)
	return text.String()
}

func TestAliases(t *testing.T) {
	d, err := Parse("services.toml", []byte(chain(10)+`
[[service]]
code = "3615 LONG"
alias_of = "a0"
aliases = ["B", "*"]
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"A0", "a9", "A10", "b", "*", "3615 LONG"} {
		if s, ok := d.Lookup(name); !ok || s.Name != "A10" {
			t.Errorf("%s: %q, %v", name, s.Name, ok)
		}
	}
	want := []string{"A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "3615 LONG", "B", "*"}
	if diff := cmp.Diff(want, d.Services()[0].Aliases); diff != "" || len(d.Services()) != 1 {
		t.Error(diff)
	}
}

func TestProfiles(t *testing.T) {
	d, err := Parse("etc/services.toml", []byte(`
[[service]]
code = "ALL"
profile = "Quirky"

[[service]]
code = "NONE"
profile = "quirky"
category = ""
description = ""
tariff.minute = 1
data = "none"
probe = ""
visit = 0
unverified = false
url = "tcp://none:1"
ping = 0
subprotocols = []
fin = 49
ca = ""
echo = false

[[service]]
code = "SOME"
profile = "quirky"
palier = "36 17"
ping = "1m"

[profile.quirky]
category = "Jeux"
description = "Étrange"
tariff = { minute = 2 }
data = "typed"
probe = "1m"
visit = "1h"
unverified = true
url = "ws://quirky"
ping = "10s"
subprotocols = ["tty"]
fin = "close"
ca = "quirky.pem"
echo = true
`))
	if err != nil {
		t.Fatal(err)
	}
	quirky := Service{
		Title: "ALL", Category: "Jeux", Description: "Étrange",
		Tariff: tariff.Tariff{Minute: 20000, Currency: "F"},
		Data:   DataTyped, Probe: Probe(time.Minute), Unverified: true,
		Route: session.Route{
			Name: "ALL", URL: "ws://quirky", Visit: time.Hour, Ping: 10 * time.Second, Subprotocols: []string{"tty"},
			Fin: session.FinClose, CA: "etc/quirky.pem", Echo: true,
			Author: session.AuthorOwner,
		},
	}
	none := Service{
		Title: "NONE", Category: "Divers", Tariff: tariff.Tariff{Minute: 10000, Currency: "F"},
		Route: session.Route{Name: "NONE", URL: "tcp://none:1", Subprotocols: []string{}, Author: session.AuthorOwner},
	}
	some := quirky
	some.Title, some.Name, some.Ping = "SOME", "SOME", time.Minute
	some.Tariff, _ = tariff.Palier("36 17")
	if diff := cmp.Diff([]Service{quirky, none, some}, d.Services()); diff != "" {
		t.Error(diff)
	}
}

func TestPaliers(t *testing.T) {
	d, err := Parse("services.toml", []byte(`
[palier."36  15"]
minute = 2.23
[palier.prime]
connection = "5,00"
free = "10s"
currency = "EUR"
[[service]]
code = "A"
url = "ws://a"
palier = "3615"
[[service]]
code = "B"
url = "ws://b"
palier = "Prime"
[[service]]
code = "C"
url = "ws://c"
palier = "36 1 3"
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []tariff.Tariff{
		{Palier: "36 15", Minute: 22300, Currency: "F"},
		{Palier: "PRIME", Connection: 50000, Free: 10 * time.Second, Currency: "EUR"},
		{Palier: "36 13", Currency: "F"},
	} {
		if got := d.Services()[i].Tariff; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestImports(t *testing.T) {
	d, err := Parse("/etc/moip/services.toml", []byte(`
[[import]]
url = "https://teletel.org/minitel-yp.json"
[[import]]
url = "http://127.0.0.1/"
refresh = "90s"
category = " Pages  jaunes "
[[import]]
file = "yp.json"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Import{
		{URL: "https://teletel.org/minitel-yp.json", Refresh: 24 * time.Hour, Category: "Annuaire"},
		{URL: "http://127.0.0.1/", Refresh: 90 * time.Second, Category: "Pages jaunes"},
		{File: "/etc/moip/yp.json", Category: "Annuaire"},
	}
	if diff := cmp.Diff(want, d.Imports()); diff != "" {
		t.Error(diff)
	}
}

// folder returns a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFolder(t *testing.T) {
	dir := folder(t, map[string]string{
		"10-a.toml":  "[[service]]\ncode = 'B'\nprofile = 'p'\npalier = 'x'\n[[service]]\ncode = 'C'\nalias_of = 'A'\n",
		"20-b.toml":  "[[service]]\ncode = 'A'\nurl = 'ws://a'\n[palier.X]\nminute = 3\n",
		"30-c.toml":  "[profile.p]\nurl = 'ws://p'\nca = 'p.pem'\n",
		".d.toml":    "[",
		"e.toml.bak": "[",
		"README":     "[",
	})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, a := d.Services()[0], d.Services()[1]
	if b.Name != "B" || b.URL != "ws://p" || b.CA != filepath.Join(dir, "p.pem") || b.Tariff.Palier != "X" || b.Tariff.Minute != 30000 {
		t.Errorf("%+v", b)
	}
	if diff := cmp.Diff([]string{"C"}, a.Aliases); diff != "" || a.Name != "A" {
		t.Errorf("%+v", a)
	}
}

// Each file has its own faults, and those that cannot be read come first.
func TestFolderFaults(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.toml": "[[service]]\ncode = 'A'\nurl = 'ws://a'\n[profile.p]\n",
		"b.toml": "[[service]]\n\ncode = 'a'\nurl = 'ws://a'\n[profile.P]\nping = '1ms'\n",
		"c.toml": "[[service]]\ncode = 'C'\nalias_of = 'D'\n[[service]]\ncode = 'B'\nprofile = 'p'\n",
	})
	want := strings.ReplaceAll(`DIR/b.toml:5: profile.P: is there already, here or in another file (write it once)
DIR/b.toml:6: profile.P.ping: 1ms is out of range (100ms to 24h, or 0 for none)
DIR/b.toml:3: service.code: "A" is taken already (a code or an alias names one service)
DIR/c.toml:4: service.url: is missing (write url = "ws://...", or wss, telnet, telnets, tcp, tcps)
DIR/c.toml:3: service.alias_of: C leads to D, and nothing has that name (write the code of a service)`, "DIR", dir)
	if _, err := Load(dir); fmt.Sprint(err) != want {
		t.Error(cmp.Diff(want, fmt.Sprint(err)))
	}

	for i := range 7 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.toml", i)), []byte("\n="), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Load(dir)
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[4], filepath.Join(dir, "4.toml:2: ")) || lines[5] != "there are faults in 2 more files" {
		t.Error(err)
	}

	empty := t.TempDir()
	if _, err := Load(empty); fmt.Sprint(err) != "read "+empty+": there are 0 files *.toml (1 to 1000 are read)" {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	var many, services strings.Builder
	for i := range maxServices + 3 {
		fmt.Fprintf(&services, "[[service]]\ncode = 'S%d'\nurl = 'ws://a'\n", i)
	}
	for i := range maxNames + 1 {
		fmt.Fprintf(&many, "[palier.A%04d]\n[profile.A%04d]\n", i, i)
	}
	for text, want := range map[string]string{
		services.String(): fmt.Sprintf("services.toml:%d: service: is one too many (10000 fit)", 3*maxServices+1),
		many.String(): "services.toml:2001: palier.A1000: is one too many (1000 fit)\n" +
			"services.toml:2002: profile.A1000: is one too many (1000 fit)",
		strings.Repeat("[[import]]\nfile = 'x'\n", 103): "services.toml:201: import: is one too many (100 fit)",
	} {
		if _, err := Parse("services.toml", []byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestStarter(t *testing.T) {
	d, err := Load("", builtin...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"MIRE", "CLAVIER", "HEURE", "PAGES", "SALON", "ECHO", "3611", "3615 CO", "3615CO", "HACKER", "3614 TEASER", "SM",
		"TELETEL", "MINIPAVI", "LABBE", "RETRO", "GALAXY", "3617", "ZBOUB", "TELSTAR", "TELEHACK",
	} {
		if _, ok := d.Lookup(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
	for _, s := range d.Services() {
		if IsInside(s.Route) == s.Unverified || s.ProbeEvery() != 0 || s.Title == s.Name || !s.Tariff.IsFree() {
			t.Errorf("%+v", s)
		}
	}
	if teaser, _ := d.Lookup("TEASER"); !slices.Equal(teaser.Subprotocols, []string{"tty"}) || teaser.Ping != 10*time.Second {
		t.Errorf("%+v", teaser)
	}
	if _, err := Load("", "mire"); err == nil || !strings.Contains(err.Error(), `"builtin:clavier" is unknown (there are builtin:mire)`) {
		t.Error(err)
	}
}

func TestStarterBelow(t *testing.T) {
	inside, err := Load("", builtin...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse("services.toml", []byte(`
starter = true
[[service]]
code = "MIRE"
aliases = ["AE"]
url = "ws://mire"
[[service]]
code = "TEASER"
alias_of = "chat"
[[service]]
code = "CHAT"
alias_of = "SALON"
`), builtin...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Services()); n != len(inside.Services())-1 {
		t.Errorf("%d services", n)
	}
	for name, want := range map[string]string{
		"MIRE": "ws://mire", "AE": "ws://mire", "TEASER": "builtin:salon", "CHAT": "builtin:salon", "3611": "ws://3611.re/ws",
	} {
		if s, _ := d.Lookup(name); s.URL != want {
			t.Errorf("%s: %s, want %s", name, s.URL, want)
		}
	}
	if s, _ := d.Lookup("3611"); len(s.Aliases) != 0 {
		t.Errorf("%v", s.Aliases)
	}
	if _, err := Parse("services.toml", []byte("starter = true\n")); err == nil || !strings.HasPrefix(err.Error(), "starter.toml:") {
		t.Error(err)
	}
}

func TestCheckLine(t *testing.T) {
	for title, want := range map[string]bool{
		"Élégance à Noël, où ça ?":      true,
		strings.Repeat("é", maxTitle):   true,
		strings.Repeat("€", 13):         false, // EUR, in 39 columns
		strings.Repeat("x", maxTitle+1): false,
		"e\u0301":                       false,
		"a\nb":                          false,
		"?":                             true,
	} {
		if err := checkLine(title, maxTitle); (err == nil) != want {
			t.Errorf("%q: %v", title, err)
		}
	}
}

func FuzzDirectory(f *testing.F) {
	f.Add(services)
	f.Add("service = [{code = 'A', url = 'ws://x'}, {code = 'ſ', aliases = [[]], title = '\\u0000'}]\n")
	f.Add("[[service]]\n[[service.url]]\n")
	f.Add("[profile.p]\nurl = 'ws://x'\n[palier.X]\nminute = 1\n[[service]]\ncode = 'A'\nprofile = 'P'\npalier = 'x'\n[[service]]\ncode = 'B'\nalias_of = 'a'\n")
	f.Add("starter = true\n[[import]]\nurl = 'http://x'\n[[service]]\ncode = 'A'\nalias_of = 'b'\naliases = ['b']\n")
	f.Add("profile = {'a.b[0]' = {tariff = {minute = '-1'}}}\npalier = {x = {free = 3}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("services.toml", []byte(text), builtin...)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "services.toml:") {
					t.Errorf("%q does not begin with the file", line)
				}
			}
			return
		}
		if len(d.In("")) != len(d.Services()) {
			t.Errorf("%d services of %d are in order", len(d.In("")), len(d.Services()))
		}
		for _, s := range d.Services() {
			if !slices.Contains(d.Categories(), s.Category) && len(d.In(s.Category)) == 0 {
				t.Errorf("%q is no category", s.Category)
			}
			for _, code := range append(slices.Clone(s.Aliases), s.Name) {
				if found, ok := d.Lookup(strings.ToLower(code)); !ok || found.Name != s.Name {
					t.Errorf("%q leads to %q, %v, not to %q", code, found.Name, ok, s.Name)
				}
			}
		}
	})
}
