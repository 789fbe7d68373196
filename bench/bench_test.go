package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moip/bench/result"
)

// What is measured anew takes the place of what was, and leaves other scenarios alone.
func TestKeep(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.jsonl")
	one := func(scenario string, round int, p50 float64) result.Measurement {
		return result.Measurement{Scenario: scenario, Peer: "MoIP", Path: "ws→ws", Round: round, Calls: 10, Figures: map[result.Figure]float64{result.P50: p50}}
	}
	failed := result.Measurement{Scenario: "idle", Peer: "nginx", Path: "ws→ws", Round: 1, Failed: "it ended at once"}
	for _, step := range []struct {
		scenarios   []string
		found, want []result.Measurement
	}{
		{[]string{"keys", "page"}, []result.Measurement{one("keys", 1, 5), one("page", 1, 6)}, []result.Measurement{one("keys", 1, 5), one("page", 1, 6)}},
		{[]string{"idle"}, []result.Measurement{failed}, []result.Measurement{one("keys", 1, 5), one("page", 1, 6), failed}},
		{[]string{"keys", "page"}, []result.Measurement{one("keys", 1, 7)}, []result.Measurement{failed, one("keys", 1, 7)}},
	} {
		if err := keep(file, step.scenarios, step.found); err != nil {
			t.Fatal(err)
		}
		got, err := kept(file)
		if diff := cmp.Diff(step.want, got); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(strings.SplitN(string(text), "\n", 2)[0], `"machine":"`) {
		t.Errorf("%v\n%s", err, text)
	}

	if err := os.WriteFile(file, append(text, "{\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keep(file, nil, nil); err == nil || !strings.Contains(err.Error(), "results.jsonl:4: ") {
		t.Errorf("got %v", err)
	}
}

// Of a process that measures, what it finds is believed, and that it fails is not hidden.
func TestUnderstand(t *testing.T) {
	stands := 0
	found, err := understand(strings.NewReader("standing\n{\"scenario\":\"idle\"}\n{\"scenario\":\"page\"}\n"), func() { stands++ })
	if err != nil || stands != 1 || len(found) != 2 || found[1].Scenario != "page" {
		t.Errorf("got %v, %v, standing %d times", found, err, stands)
	}
	for said, want := range map[string]string{"": "found nothing", "panic: no\n": `said "panic: no"`} {
		if _, err := understand(strings.NewReader(said), func() {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", said, err)
		}
	}
}

// Each scenario has something to compare, or says that it is of MoIP alone.
func TestSpecs(t *testing.T) {
	*calls = 6000
	for _, s := range scenarios {
		specs, missing := s.specs(1, "moip")
		seen := make(map[string]bool)
		ours := false
		for _, one := range specs {
			key := line(one.Measurement)
			if seen[key] {
				t.Errorf("%s: twice", key)
			}
			seen[key] = true
			ours = ours || one.Peer == "MoIP"
			if one.Calls < 1 || one.Calls > 6000 || one.Path == "wss→ws" && one.Calls > 5000 {
				t.Errorf("%s: %d calls", key, one.Calls)
			}
		}
		if !ours || len(specs)+len(missing) < 2 && s.name != "redirect" {
			t.Errorf("%s: %v", s.name, specs)
		}
	}
}
