package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Each key that the example file shows is among the settings, and nothing else is.
func TestSettings(t *testing.T) {
	data, err := os.ReadFile("../../doc/moip.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("moip.toml", []byte("link = \"ws://me:secret@localhost\"\n[portal]\nurl = \"ws://me:secret@localhost\"\nstart = \"ME{Envoi}SECRET{Envoi}\"\n[limits]\nidle = \"90s\""))
	if err != nil {
		t.Fatal(err)
	}
	all := c.Settings()
	for key, want := range map[string]any{
		"limits.idle": "1m30s", "log_level": "info", "log_size": 10, "portal.echo": false, "portal.url": "ws://localhost", "portal.start": "(keys)",
		"link": "ws://localhost", "recordings.calls": "asked", "limits.visit": "1h",
	} {
		if all[key] != want {
			t.Errorf("%s is %v (%[2]T), not %v", key, all[key], want)
		}
	}
	table := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimLeft(strings.TrimSpace(line), "# ")
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			table = name + "."
		}
		key, _, ok := strings.Cut(line, " = ")
		if ok && !strings.ContainsAny(key, " .\"") && all[table+key] == nil {
			t.Errorf("%s is not among the settings", table+key)
		}
	}
}

func TestWith(t *testing.T) {
	was, next := Default(), Default()
	next.Limits.Idle, next.Listen, next.Log, next.Portal.Subprotocols = 0, []string{"ws://:1"}, "none", []string{"tty"}
	got, changed, left := was.With(next, func(key string) bool { return key != "log" })
	if !slices.Equal(changed, []string{"limits.idle", "listen", "portal.subprotocols"}) || !slices.Equal(left, []string{"log"}) {
		t.Errorf("changed %v, left %v", changed, left)
	}
	if got.Limits.Idle != 0 || got.Listen[0] != "ws://:1" || got.Log != "server.log" || was.Limits.Idle == 0 || got.Portal.Subprotocols[0] != "tty" {
		t.Errorf("%+v", got)
	}
	if _, changed, left := was.With(Default(), func(string) bool { return true }); len(changed)+len(left) > 0 {
		t.Errorf("changed %v, left %v of nothing", changed, left)
	}
}
