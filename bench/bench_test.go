package main

import (
	"strings"
	"testing"
)

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
