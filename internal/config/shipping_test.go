package config

import (
	"strings"
	"testing"
)

func TestShippingIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`records = "CALLS"`: "url",
		"records = \"CALLS\"\nlisten = \"127.0.0.1:6222\"":                                 "NATS of your own",
		"records = \"a.b\"\nurl = [\"nats://127.0.0.1:4222\"]":                             "no name for a stream",
		"records = \"CALLS\"\nurl = [\"nats://127.0.0.1:4222\"]\n[history]\nfile=\"none\"": "no history",
	} {
		_, err := Parse("moip.toml", []byte("[cluster]\n"+text))
		if err == nil || !strings.Contains(err.Error(), "moip.toml:2: cluster.records") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Parse("moip.toml", []byte("[cluster]\nrecords = \"CALLS\"\nurl = [\"nats://127.0.0.1:4222\"]")); err != nil {
		t.Error(err)
	}
}
