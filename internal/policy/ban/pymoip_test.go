package ban

import (
	"strings"
	"testing"
	"time"
)

// The files are as PyMoIP writes them (json.dump of a dict of str).
func TestPyMoIP(t *testing.T) {
	paris := time.FixedZone("", 2*60*60)
	bans, never, err := ReadPyMoIP([]byte(`{"203.0.113.9": "2021-08-11T18:40:53.797380", "198.51.100.4": "2021-08-11T18:40:53"}`), paris)
	if err != nil || len(never) > 0 || len(bans) != 2 {
		t.Fatalf("%v, %v, %v", bans, never, err)
	}
	since := time.Date(2021, 8, 11, 16, 40, 53, 0, time.UTC)
	if b := bans[0]; b.Network != network("198.51.100.4") || !b.Since.Equal(since) || b.By != ByImport {
		t.Errorf("the first is %+v", b)
	}
	if b := bans[1]; b.Network != network("203.0.113.9") || !b.Since.Equal(since.Add(797380*time.Microsecond)) ||
		b.Until.Sub(b.Since) != 100*24*time.Hour+20*time.Second {
		t.Errorf("the second is %+v", b)
	}
	for _, b := range bans {
		if _, err := b.check(); err != nil {
			t.Error(err)
		}
	}
	bans, never, err = ReadPyMoIP([]byte(`{"192.168.1.2": "mon PC", "10.0.0.1": ""}`), paris)
	if err != nil || len(bans) > 0 || len(never) != 2 || never[1] != (Exempt{"192.168.1.2", "mon PC"}) {
		t.Errorf("%v, %v, %v", bans, never, err)
	}
	if bans, never, err = ReadPyMoIP([]byte("{}"), paris); err != nil || len(bans)+len(never) > 0 {
		t.Errorf("an empty one: %v, %v, %v", bans, never, err)
	}
	for data, want := range map[string]string{
		"":                  "neither",
		"[]":                "neither",
		`{"192.0.2.1": 12}`: "neither",
		`{"minitel": "2021-08-11T18:40:53.797380"}`:                                   `"minitel" is neither an address`,
		`{"192.0.2.1": "2021-08-11T18:40:53.797380", "192.0.2.2": "August"}`:          `"August" of 192.0.2.2 is no date`,
		`{"192.0.2.1": "2021-08-11T18:40:53", "192.0.2.2": "2021-08-11T18:40:53 PM"}`: "is no date",
	} {
		if _, _, err := ReadPyMoIP([]byte(data), paris); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", data, err)
		}
	}
}
