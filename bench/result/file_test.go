package result

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	begin = `{"date":"2026-11-28","machine":"m"}` + "\n"
	one   = `{"scenario":"s","peer":"MoIP","path":"ws→ws","round":1,"calls":1,"figures":{"p50_us":1}}` + "\n"
)

func TestUnreadable(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "f: no measurements"},
		{"no beginning", one, "f:1: a measurement, before any line"},
		{"cut", begin + one[:40], "f:2: the line is cut"},
		{"not JSON", begin + "\nx\n", "f:3: invalid character"},
		{"another word", begin + `{"scenario":"s","speed":1}`, `f:2: json: unknown field "speed"`},
		{"of another kind", begin + `{"scenario":"s","peer":"p","round":"x"}`, "f:2: json: cannot unmarshal string"},
		{"two on a line", begin + strings.TrimSpace(one) + one, "f:2: more than one object"},
		{"one brace too many", begin + strings.TrimSpace(one) + "}", "f:2: more than one object"},
		{"both", `{"date":"2026-11-28","peer":"p"}`, "f:1: a run and a measurement"},
		{"neither", begin + "{}", "f:2: neither a run"},
		{"no date", `{"date":"today","machine":"m"}`, `f:1: date: "today"`},
		{"no machine", `{"date":"2026-11-28"}`, "f:1: machine:"},
		{"no peer", begin + `{"scenario":"s","round":1,"calls":1,"failed":"x"}`, "f:2: scenario and peer"},
		{"round 0", begin + `{"scenario":"s","peer":"p","calls":1,"failed":"x"}`, "f:2: round: 0"},
		{"no calls", begin + `{"scenario":"s","peer":"p","round":1,"failed":"x"}`, "f:2: calls: 0"},
		{"nothing", begin + `{"scenario":"s","peer":"p","round":1,"calls":1}`, "f:2: neither figures"},
		{"figures of a failure", begin + strings.Replace(one, "}}", `},"failed":"x"}`, 1), "f:2: figures of what failed"},
		{"another run's", begin + one + one, `f:3: "s" of "MoIP" by "ws→ws" with 1 calls in round 1 is on line 2, too`},
		{"too long", begin + one + strings.Repeat(" ", maxLine+1), "f:3: bufio.Scanner: token too long"},
	} {
		_, err := read(strings.NewReader(tt.text), "f")
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s…", tt.name, err, tt.want)
		}
	}
	if runs, err := read(strings.NewReader(begin+one+begin+one), "f"); err != nil || len(runs) != 2 {
		t.Errorf("two runs: %d, %v", len(runs), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(begin + one))
	f.Add([]byte(begin + one + begin + one[:40]))
	f.Fuzz(func(t *testing.T, text []byte) {
		runs, err := read(bytes.NewReader(text), "f")
		if err == nil {
			if len(runs) == 0 {
				t.Error("neither a run nor an error")
			}
			return
		}
		var line int
		if n, _ := fmt.Sscanf(err.Error(), "f:%d: ", &line); n == 0 && err.Error() != "f: no measurements" {
			t.Errorf("%v does not name a line", err)
		}
		if most := bytes.Count(text, []byte("\n")) + 1; line > most {
			t.Errorf("%v, of %d lines", err, most)
		}
	})
}

// What a run finds takes the place of what there was, and nothing changes runs.
func TestKeep(t *testing.T) {
	name := filepath.Join(t.TempDir(), "results.jsonl")
	first := Run{Date: "2026-11-28", Time: "13:05:09", Machine: "m", Versions: map[string]string{"Go": "1"}}
	second := first
	second.Time = "14:00:00"
	measured := func(scenario string, v float64) []Measurement {
		return []Measurement{{Scenario: scenario, Peer: "MoIP", Path: "ws→ws", Round: 1, Calls: 1, Figures: map[Figure]float64{P50: v}}}
	}
	long := measured("a", 1)
	long[0].Failed, long[0].Figures = strings.Repeat("é", maxLine), nil
	a, b, again := measured("a", 1), measured("b", 2), measured("a", 3)
	for _, tt := range []struct {
		run   Run
		names []string
		found []Measurement
		want  []Measured
	}{
		{first, []string{"a"}, a, []Measured{{first, a}}},
		{first, []string{"b", "also"}, b, []Measured{{first, append(measured("a", 1), b...)}}},
		{second, []string{"a"}, again, []Measured{{first, b}, {second, again}}},
		{second, []string{"b"}, b, []Measured{{second, append(measured("a", 3), b...)}}},
	} {
		if err := Keep(name, tt.run, tt.names, tt.found); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("after %v at %s: %s", tt.names, tt.run.Time, diff)
		}
	}
	if err := Keep(name, first, []string{"a", "b"}, long); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(name); err != nil || len(got) != 1 {
		t.Errorf("of what failed with many words: %v, %v", got, err)
	}
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Keep(name, first, nil, a); err == nil || !strings.Contains(err.Error(), name+":1: ") {
		t.Errorf("a file that cannot be read: %v", err)
	}
	if text, _ := os.ReadFile(name); string(text) != "x" {
		t.Errorf("it has become %q", text)
	}
}
