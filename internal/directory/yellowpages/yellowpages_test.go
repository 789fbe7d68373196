package yellowpages

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// As the original's readers would understand them, and more besides.
const pages = `{"version": 3, "servers": [
	{"name": "Teaser", "address": "ws://teaser.example:8080/ws", "ping": "10", "subprotocol": "[binary,tty]", "tarif": "T2", "cost": "0.37"},
	{"name": " 3614 TEASER ", "alias": "TEASER", "address": "ws://unused.example/"},
	{"name": "3611", "address": "ws://3611.example/ws", "ping": "None", "subprotocol": "", "seen": [1, {}]},
	{"name": 3615, "address": "wss://3615.example/", "ping": 30, "subprotocol": "[]", "tarif": null, "cost": 1.29},
	{"name": "CAFÉ", "address": "ws://café.example/,a?b=c", "ping": null, "subprotocol": ["a", "", "b"], "cost": 0},
	{"name": "JSON", "address": "ws://json.example/", "subprotocol": "[\"binary\", \"tty\"]", "cost": ""},
	{"name": "ONE", "address": "ws://one.example/", "subprotocol": "tty", "alias": ""}
]}`

func TestParse(t *testing.T) {
	got, faults, err := Parse([]byte(pages))
	if err != nil || faults != nil {
		t.Fatal(err, faults)
	}
	want := []Entry{
		{Name: "Teaser", Address: "ws://teaser.example:8080/ws", Ping: 10 * time.Second, Subprotocols: []string{"binary", "tty"}, Tarif: "T2", Cost: 3700},
		{Name: "3614 TEASER", Alias: "TEASER"},
		{Name: "3611", Address: "ws://3611.example/ws"},
		{Name: "3615", Address: "wss://3615.example/", Ping: 30 * time.Second, Cost: 12900},
		{Name: "CAFÉ", Address: "ws://café.example/,a?b=c", Subprotocols: []string{"a", "b"}},
		{Name: "JSON", Address: "ws://json.example/", Subprotocols: []string{"binary", "tty"}},
		{Name: "ONE", Address: "ws://one.example/", Subprotocols: []string{"tty"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseLeavesOut(t *testing.T) {
	const address = `"address": "ws://h/"`
	long := strings.Repeat("é", 41)
	for entry, want := range map[string]string{
		`7`:                                         `"": no JSON object`,
		`null`:                                      `"": no JSON object`,
		`{}`:                                        `"": there is no name`,
		`{"name": " ", ` + address + `}`:            `"": there is no name`,
		`{"name": "A"}`:                             `"A": there is neither an address nor an alias`,
		`{"name": ["A"], ` + address + `}`:          `name is neither text nor a number`,
		`{"name": "A", "address": true}`:            `address is neither text nor a number`,
		"{\"name\": \"A\xff\", " + address + `}`:    `"A�": name is not valid UTF-8`,
		`{"name": "A\ud800", ` + address + `}`:      `name is not valid UTF-8`,
		`{"name": "A\u001bB", ` + address + `}`:     `"A\x1bB": name has control characters`,
		`{"name": "A\u009bB", ` + address + `}`:     `name has control characters`,
		`{"name": "` + long + `", ` + address + `}`: `name is longer than 40 characters`,
		`{"name": "A", "alias": "` + long + `"}`:    `alias is longer than 40 characters`,
		`{"name": "A", "address": "ws://` + strings.Repeat("a", 500) + `"}`:          `address is longer than 500 characters`,
		`{"name": "A", ` + address + `, "tarif": "\n\u0000"}`:                        `tarif has control characters`,
		`{"name": "A", ` + address + `, "ping": "soon"}`:                             `ping is "soon", neither None nor seconds from 0 to 65535`,
		`{"name": "A", ` + address + `, "ping": -1}`:                                 `ping is "-1"`,
		`{"name": "A", ` + address + `, "ping": 65536}`:                              `ping is "65536"`,
		`{"name": "A", ` + address + `, "cost": "-0.12"}`:                            `cost: "-0.12"`,
		`{"name": "A", ` + address + `, "cost": -1}`:                                 `cost: "-1"`,
		`{"name": "A", ` + address + `, "cost": 1e99}`:                               `cost: "1e99"`,
		`{"name": "A", ` + address + `, "cost": "free"}`:                             `cost: "free"`,
		`{"name": "A", ` + address + `, "subprotocol": "[a"}`:                        `subprotocol is "[a", with one bracket`,
		`{"name": "A", ` + address + `, "subprotocol": [1]}`:                         `subprotocol is neither text nor a number`,
		`{"name": "A", ` + address + `, "subprotocol": ["a\u0000"]}`:                 `subprotocol has control characters`,
		`{"name": "A", ` + address + `, "subprotocol": "[` + many(`a`, 21) + `]"}`:   `subprotocol is a list of more than 20`,
		`{"name": "A", ` + address + `, "subprotocol": [` + many(`"a"`, 9999) + `]}`: `subprotocol is a list of more than 20`,
		`{"name": "good", ` + address + `}`:                                          `"good": the name is taken (the first entry of a name stands)`,
	} {
		good := `{"name": "GOOD", "address": "tcp://good:1"}`
		last := `{"name": "LAST", "alias": "GOOD"}`
		data := fmt.Sprintf(`{"servers": [%s, %s, %s]}`, good, entry, last)
		entries, faults, err := Parse([]byte(data))
		if err != nil || len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), "servers[1] ") || !strings.Contains(faults[0].Error(), want) {
			t.Errorf("%.100s: faults %v, error %v, want %s", entry, faults, err, want)
		}
		if diff := cmp.Diff([]Entry{{Name: "GOOD", Address: "tcp://good:1"}, {Name: "LAST", Alias: "GOOD"}}, entries); diff != "" {
			t.Errorf("%.100s: %s", entry, diff)
		}
	}
}

// many returns a list of n times s.
func many(s string, n int) string { return strings.Repeat(s+",", n-1) + s }

// The name of an entry that was left out is free for the next.
func TestParseTakesTheFirstGoodOne(t *testing.T) {
	entries, faults, err := Parse([]byte(`{"servers": [{"name": "A", "ping": "?"}, {"name": "a", "alias": "B"}, {"name": "A", "alias": "C"}]}`))
	if err != nil || len(faults) != 2 {
		t.Error(faults, err)
	}
	if diff := cmp.Diff([]Entry{{Name: "a", Alias: "B"}}, entries); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for data, want := range map[string]string{
		``:                             "unexpected end of JSON input",
		`<!DOCTYPE html>`:              "invalid character '<'",
		`[]`:                           "no JSON object",
		`"servers"`:                    "no JSON object",
		`null`:                         `there are no "servers"`,
		`{"services": []}`:             `there are no "servers"`,
		`{"servers": null}`:            `"servers" is no list`,
		`{"servers": {}}`:              `"servers" is no list`,
		`{"servers": []`:               "unexpected end of JSON input",
		strings.Repeat(`[`, 1_000_000): "exceeded max depth",
	} {
		entries, faults, err := Parse([]byte(data))
		if err == nil || !strings.HasPrefix(err.Error(), "not yellow pages: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50s: error %v, want %s", data, err, want)
		}
		if entries != nil || faults != nil {
			t.Errorf("%.50s: %v, %v", data, entries, faults)
		}
	}
	if entries, faults, err := Parse([]byte(`{"servers": []}`)); entries != nil || faults != nil || err != nil {
		t.Error("of an empty list:", entries, faults, err)
	}
}

func TestParseIsBounded(t *testing.T) {
	t.Run("faults", func(t *testing.T) {
		_, faults, err := Parse([]byte(`{"servers": [` + many("0", 50) + `]}`))
		if err != nil || len(faults) != maxFaults+1 || faults[maxFaults].Error() != "30 more faults" {
			t.Error(faults, err)
		}
	})
	t.Run("entries", func(t *testing.T) {
		var list []string
		for i := range maxEntries + 1 {
			list = append(list, fmt.Sprintf(`{"name": "S%d", "address": "tcp://h:1"}`, i))
		}
		entries, faults, err := Parse([]byte(`{"servers": [` + strings.Join(list, ",") + `]}`))
		if err != nil || len(entries) != maxEntries || len(faults) != 1 || faults[0].Error() != "only the first 10000 servers are read" {
			t.Error(len(entries), faults, err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		data := []byte(`{"servers": [` + many("0", maxData/2) + `]}`)
		allocated := testing.AllocsPerRun(1, func() { Parse(data) })
		if allocated > 20*maxEntries {
			t.Errorf("%.0f allocations for %d entries", allocated, maxEntries)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(pages))
	f.Add([]byte(`{"servers": [{"name": "A\xff", "alias": "B"}, {"name": "A", "ping": "1"}, {"cost": "-1"}, null, 7]}`))
	f.Add([]byte(`{"servers": {"name": 1}, "SERVERS": [{"Name": 1e9, "ALIAS": -0}]}`))
	f.Add([]byte(`{"servers": [{"name": "A", "address": "tcp://h:1", "subprotocol": "[,\"'a', ]"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, faults, err := Parse(data)
		if err != nil && (entries != nil || faults != nil) {
			t.Error("an error, and more:", entries, faults)
		}
		if len(entries) > maxEntries || len(faults) > maxFaults+1 {
			t.Error(len(entries), "entries,", len(faults), "faults")
		}
		taken := map[string]bool{}
		for _, e := range entries {
			if name := strings.ToUpper(e.Name); taken[name] {
				t.Errorf("%q is there twice", name)
			} else {
				taken[name] = true
			}
			if e.Name == "" || (e.Alias == "") == (e.Address == "") || e.Ping < 0 || e.Cost < 0 || len(e.Subprotocols) > maxNames {
				t.Errorf("%+v", e)
			}
			for _, s := range append(e.Subprotocols, e.Name, e.Alias, e.Tarif) {
				if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxLabel || strings.ContainsAny(s, "\x00\x1b\u0085\ufffd") {
					t.Errorf("%q in %+v", s, e)
				}
			}
		}
	})
}
