package directory

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"moip/internal/directory/yellowpages"
	"moip/internal/session"
	"moip/internal/tariff"
)

// parse returns the directory of a file.
func parse(t testing.TB, text string) *Directory {
	t.Helper()
	d, err := Parse("services.toml", []byte(text), builtin...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// servers returns the entries of yellow pages, and what is wrong with them.
func servers(t testing.TB, list string) ([]yellowpages.Entry, []error) {
	t.Helper()
	entries, faults, err := yellowpages.Parse([]byte(`{"servers": [` + list + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return entries, faults
}

func TestImported(t *testing.T) {
	entries, faults := servers(t, `
		{"name": "teaser", "address": "ws://minitel.3614teaser.fr:8080/ws", "ping": "10", "subprotocol": "[binary,tty]", "tarif": "T2", "cost": "0.37"},
		{"name": "3615  Ulla", "address": "telnet://ulla.example", "tarif": "3615", "cost": 0},
		{"name": "BOTH", "address": "tcp://both.example:1", "tarif": "3615", "cost": "1.29"},
		{"name": "FREE", "address": "tcp://192.168.1.1:23", "tarif": "a long one"}`)
	if len(faults) > 0 {
		t.Error(faults)
	}
	ulla, _ := tariff.Palier("36 15")
	want := []Service{
		{
			Title: "TEASER", Category: "Annuaire", Unverified: true, Probe: ProbeNever,
			Tariff: tariff.Tariff{Palier: "T2", Connection: 3700, Currency: tariff.Franc},
			Route: session.Route{
				Name: "TEASER", URL: "ws://minitel.3614teaser.fr:8080/ws",
				Ping: 10 * time.Second, Subprotocols: []string{"binary", "tty"},
			},
		},
		{
			Title: "3615 ULLA", Category: "Annuaire", Unverified: true, Probe: ProbeNever, Tariff: ulla,
			Route: session.Route{Name: "3615 ULLA", URL: "telnet://ulla.example"},
		},
		{
			Title: "BOTH", Category: "Annuaire", Unverified: true, Probe: ProbeNever,
			Tariff: tariff.Tariff{Palier: "3615", Connection: 12900, Currency: tariff.Franc},
			Route:  session.Route{Name: "BOTH", URL: "tcp://both.example:1"},
		},
		{
			Title: "FREE", Category: "Annuaire", Unverified: true, Probe: ProbeNever,
			Tariff: tariff.Tariff{Currency: tariff.Franc},
			Route:  session.Route{Name: "FREE", URL: "tcp://192.168.1.1:23"},
		},
	}
	for i := range want {
		want[i].Author = session.AuthorImport
	}
	d, faults := parse(t, "").with(entries, Import{URL: "http://x", Category: "Annuaire"})
	if diff := cmp.Diff(want, d.Services()); diff != "" || len(faults) > 0 {
		t.Error(diff, faults)
	}
	if got := codesOf(&Directory{services: d.In("annuaire")}); got != "3615 ULLA BOTH FREE TEASER" {
		t.Error(got)
	}
	d, _ = parse(t, "").with(entries, Import{File: "x", Category: "Jeux"})
	if s, _ := d.Lookup("FREE"); s.ProbeEvery() != localProbe || s.Category != "Jeux" || s.Author != session.AuthorOwner {
		t.Errorf("%+v", s)
	}
}

func TestImportFaults(t *testing.T) {
	const entry = `{"name": "X", "address": "%s"}`
	ours := toml("FULL") + "aliases = ["
	for i := range maxAliases {
		ours += fmt.Sprintf("'F%d',", i)
	}
	full := parse(t, ours+"]\n")
	for list, want := range map[string]string{
		`{"name": "X", "address": "tcp://x:1", "cost": "-0.37"}`:               `servers[0] "X": cost: "-0.37": a price is not negative`,
		"{\"name\": \"X\xff\", \"address\": \"tcp://x:1\"}":                    `servers[0] "X�": name is not valid UTF-8`,
		`{"name": "Été", "address": "tcp://x:1"}`:                              `"Été": is not a code`,
		`{"name": "X'; DROP", "address": "tcp://x:1"}`:                         `"X'; DROP": is not a code`,
		`{"name": "ABCDEFGHIJKLMNOPQRSTU", "address": "tcp://x:1"}`:            `"ABCDEFGHIJKLMNOPQRSTU": is not a code`,
		fmt.Sprintf(entry, "file:///etc/passwd"):                               `"X": url: `,
		fmt.Sprintf(entry, "builtin:salon"):                                    `"X": url: `,
		fmt.Sprintf(entry, "replay:/recordings"):                               `"X": url: `,
		fmt.Sprintf(entry, "builtin"):                                          `"X": url: `,
		fmt.Sprintf(entry, "serial:/dev/ttyS0"):                                `"X": url: `,
		fmt.Sprintf(entry, "http://x"):                                         `"X": url: `,
		fmt.Sprintf(entry, "x"):                                                `"X": url: `,
		`{"name": "X", "address": "ws://x", "subprotocol": "[a b]"}`:           `"X": subprotocols: "a b" is not a subprotocol`,
		`{"name": "X", "address": "ws://x", "subprotocol": "[tty,tty]"}`:       `"X": subprotocols: "tty" is there twice`,
		`{"name": "X", "alias": "NOWHERE"}`:                                    `X leads to NOWHERE, and nothing has that name`,
		`{"name": "X", "alias": "X"}`:                                          `X leads to X`,
		`{"name": "X", "alias": "Y"}, {"name": "Y", "alias": "x"}`:             "X leads to Y leads to X\nY leads to X leads to Y",
		`{"name": "X", "alias": "Y"}, {"name": "Y", "alias": "été"}`:           "X leads to Y leads to ÉTÉ, and nothing\nY leads to ÉTÉ, and nothing",
		`{"name": "X", "address": "file:///x"}, {"name": "Y", "alias": "X"}`:   "\"X\": url: \nY leads to X, and nothing",
		`{"name": "X", "alias": "FULL"}`:                                       `X leads to FULL, which has 20 other names (20 fit)`,
		`{"name": "X", "address": "tcp://x:1", "ping": "9999999999999999999"}`: `servers[0] "X": ping is`,
	} {
		entries, faults := servers(t, list)
		all, more := full.with(entries, Import{Category: "Annuaire"})
		faults = append(faults, more...)
		lines := strings.Split(want, "\n")
		for i, line := range lines {
			if len(faults) != len(lines) || !strings.HasPrefix(faults[i].Error(), line) {
				t.Errorf("%s: %v, want %s", list, faults, want)
				break
			}
		}
		if codesOf(all) != "FULL" || len(all.index) != 21 {
			t.Errorf("%s: %v", list, all.index)
		}
	}
}

// Whatever led to a service of ours leads there still.
func TestImportedNames(t *testing.T) {
	d := parse(t, toml("OURS 3615")+"aliases = ['ALSO']\n[[service]]\ncode='MORE'\nalias_of='ours'\n")
	entries, parseFaults := servers(t, `
		{"name": "ours", "address": "tcp://x:1"},
		{"name": "Also", "address": "tcp://x:1"},
		{"name": "more", "alias": "THEIRS"},
		{"name": "3615 ours", "address": "tcp://x:1"},
		{"name": "3617more", "alias": "THEIRS"},
		{"name": "3615 3615", "address": "tcp://x:1"},
		{"name": "A", "alias": "B"},
		{"name": "B", "alias": " 3615  theirs"},
		{"name": "3615 THEIRS", "address": "tcp://3615:1"},
		{"name": "3617 THEIRS", "address": "tcp://3617:1"},
		{"name": "THEIRS", "alias": "3617 THEIRS"},
		{"name": "3617  THEIRS", "address": "tcp://x:1"},
		{"name": "A", "address": "tcp://x:1"},
		{"name": "B ", "address": "tcp://x:1"},
		{"name": "THEIRS  ", "alias": "OURS"},
		{"name": "C", "alias": "D"},
		{"name": "C  C", "alias": "OURS"},
		{"name": "C C", "alias": "THEIRS"},
		{"name": "D", "alias": "MORE"}`)
	all, faults := d.with(entries, Import{Category: "Annuaire"})
	if len(parseFaults) != 3 || len(faults) > 0 {
		t.Error(parseFaults, faults)
	}
	if got := codesOf(all); got != "OURS 3615 3615 THEIRS 3617 THEIRS" {
		t.Error(got)
	}
	for code, want := range map[string]string{
		"OURS": "OURS", "3615 ours": "OURS", "3614 OURS": "OURS", "MORE": "OURS", "3617 MORE": "OURS", "3617MORE": "OURS",
		"ALSO": "3615", "3615": "3615", "3615 3615": "3615",
		"A": "3615 THEIRS", "B": "3615 THEIRS", "3615 THEIRS": "3615 THEIRS",
		"THEIRS": "3617 THEIRS", "3617 THEIRS": "3617 THEIRS", "3614 THEIRS": "3617 THEIRS",
		"C": "OURS", "D": "OURS", "C C": "OURS",
	} {
		if s, _ := all.Lookup(code); s.Name != want {
			t.Errorf("%s leads to %q, want %s", code, s.Name, want)
		}
	}
	for i, want := range []string{"MORE C C C D", "ALSO", "A B", "THEIRS"} {
		if got := strings.Join(all.Services()[i].Aliases, " "); got != want {
			t.Errorf("%s has the names %s, want %s", all.Services()[i].Name, got, want)
		}
	}
}

// What is made of a directory does not change it, nor what else is made of it.
func TestImportLeavesOthers(t *testing.T) {
	text := toml("OURS")
	for i := range 3 { // for which there is room for four
		text += fmt.Sprintf("[[service]]\ncode='A%d'\nalias_of='OURS'\n", i)
	}
	d := parse(t, text)
	one, _ := servers(t, `{"name": "ONE", "alias": "OURS"}`)
	two, _ := servers(t, `{"name": "TWO", "alias": "OURS"}`)
	first, _ := d.with(one, Import{})
	second, _ := d.with(two, Import{})
	for _, d := range []*Directory{d, first, second} {
		checkNames(t, d)
	}
}

// A thousand names for one thing, and chains without end, cost little.
func TestImportedAliases(t *testing.T) {
	var list []string
	for i := range 5000 {
		list = append(list, fmt.Sprintf(`{"name": "A%d", "alias": "OURS"}`, i), fmt.Sprintf(`{"name": "B%d", "alias": "B%d"}`, i, (i+1)%5000))
	}
	entries, _ := servers(t, strings.Join(list, ","))
	all, faults := parse(t, toml("OURS")).with(entries, Import{Category: "Annuaire"})
	if s, _ := all.Lookup("OURS"); len(s.Aliases) != maxAliases || len(faults) != 10_000-maxAliases {
		t.Errorf("%d names, %d faults", len(s.Aliases), len(faults))
	}
	for _, want := range []string{"A9 leads to OURS, which has 20 other names", "B0 leads to B1 leads to B2 "} {
		if !slices.ContainsFunc(faults, func(err error) bool { return strings.HasPrefix(err.Error(), want) }) {
			t.Errorf("it is not told that %s", want)
		}
	}
}

func TestImportIsFull(t *testing.T) {
	var codes strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&codes, "S%d ", i)
	}
	entries, _, err := yellowpages.Parse([]byte(pages(codes.String())))
	if err != nil {
		t.Fatal(err)
	}
	all, faults := parse(t, toml("A B")).with(entries, Import{Category: "Annuaire"})
	if len(all.Services()) != maxServices || len(faults) != 2 || faults[0].Error() != `"S9998": is one too many (10000 fit)` {
		t.Errorf("%d services, faults %v", len(all.Services()), faults)
	}
}

// Places that cannot be read do not hold anybody up.
func TestReadFileElsewhere(t *testing.T) {
	for _, path := range []string{os.DevNull, t.TempDir(), filepath.Join(t.TempDir(), "x")} {
		s := &supplier{Import: Import{File: path}}
		if err := s.readFile(); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		`{"servers": []}`,
		`{"servers": [{"name": "TEASER", "address": "ws://t:8080/ws", "ping": "10", "subprotocol": "[binary,tty]", "tarif": "T2", "cost": "0.37"}, {"name": "3614 TEASER", "alias": "TEASER"}]}`,
		`{"servers": [{"name": "salon", "address": "tcp://evil:1"}, {"name": "3615 SALON", "address": "tcp://evil:1"}, {"name": "s", "alias": "SALON"}]}`,
		`{"servers": [{"name": "A", "alias": "B"}, {"name": "B", "alias": "A"}, {"name": "A ", "address": "builtin:salon"}, {"name": "ß", "cost": -1}]}`,
		`{"servers": [{"name": "X", "address": "tcp://x"}, {"name": "X  ", "alias": "X"}, {"name": "3615X", "alias": "X"}, {"name": "ſalon", "address": "ws://[::1]"}]}`,
		`{"servers": [{"name": "X", "address": "tcp://x"}, 3, {"name": {}}, null, {"name": "\ud800", "alias": "\u0000"}]}`,
	} {
		f.Add([]byte(seed))
	}
	ours, pristine := parse(f, string(starter)), parse(f, string(starter))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, faults, err := yellowpages.Parse(data)
		if err != nil && (len(entries) > 0 || len(faults) > 0) {
			t.Fatal("there is something in spite of", err)
		}
		all, more := ours.with(entries, Import{URL: "http://x", Category: "Annuaire"})
		if !reflect.DeepEqual(ours, pristine) {
			t.Fatal("the directory itself has changed")
		}
		checkNames(t, all)
		// Ours stay as they are, but for names more.
		for i, want := range ours.services {
			s := all.services[i]
			if n := len(want.Aliases); n > len(s.Aliases) || !slices.Equal(want.Aliases, s.Aliases[:n]) {
				t.Errorf("%s has lost names: %q", want.Name, s.Aliases)
			}
			if s.Aliases = want.Aliases; !reflect.DeepEqual(s, want) {
				t.Errorf("%+v, want %+v", s, want)
			}
		}
		for _, e := range entries {
			if want, ok := ours.Lookup(e.Name); ok {
				if s, _ := all.Lookup(e.Name); s.Name != want.Name {
					t.Errorf("%q leads to %s instead of %s", e.Name, s.Name, want.Name)
				}
			}
		}
		for _, s := range all.services[len(ours.services):] {
			if IsInside(s.Route) || !isCode(s.Name) || s.Tariff.Connection < 0 || s.Probe != ProbeNever {
				t.Errorf("%+v", s)
			}
		}
		for _, err := range append(faults, more...) {
			if !utf8.ValidString(err.Error()) {
				t.Errorf("a fault is %q", err)
			}
		}
		// Once more, it has nothing to add.
		twice, _ := all.with(entries, Import{Category: "Annuaire"})
		if len(twice.services) != len(all.services) {
			t.Error("twice is more than once")
		}
	})
}

// checkNames wants a service for each name, and each name of a service to lead
// there.
func checkNames(t *testing.T, d *Directory) {
	t.Helper()
	names := 0
	for i, s := range d.services {
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			names++
			if at, ok := d.index[name]; !ok || at != i {
				t.Errorf("%q leads to %d, %v, not to %s", name, at, ok, s.Name)
			}
		}
	}
	if names != len(d.index) {
		t.Errorf("%d names in the index, %d of services", len(d.index), names)
	}
	if len(d.byCode) != len(d.services) {
		t.Errorf("%d services by their codes, of %d", len(d.byCode), len(d.services))
	}
}
