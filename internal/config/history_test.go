package config

import (
	"strings"
	"testing"
)

func TestHistory(t *testing.T) {
	for text, want := range map[string]string{
		`file = "visits.jsonl"`: "is the log, or the file of visits",
		`keep = "10m"`:          "10m is out of range (1h to 87600h",
		`calls = 1`:             "1 is out of range (100 to",
		`calls = -1`:            "-1 is out of range",
		`file = "none"`:         "",
		"keep = 0\ncalls = 0":   "",
	} {
		c, err := Parse("moip.toml", []byte("[history]\n"+text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, not %q", text, err, want)
		}
		if err != nil {
			continue
		}
		if path, asked := c.HistoryFile(); (path == "") != asked {
			t.Errorf("%s: %q, %v", text, path, asked)
		}
	}
}
