package main

import (
	"fmt"
	"testing"
)

func TestNetworks(t *testing.T) {
	got, err := networks([]string{"192.0.2.1", " 192.0.2.77/24", "::1", "2001:db8::7/32", "::ffff:192.0.2.1", "0.0.0.0/0"})
	if want := "[192.0.2.1/32 192.0.2.0/24 ::1/128 2001:db8::/32 192.0.2.1/32 0.0.0.0/0]"; fmt.Sprint(got) != want || err != nil {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
	for _, bad := range []string{"", "localhost", "192.0.2.1:80", "192.0.2.0/33", "[::1]", "fe80::1%eth0", "fe80::%eth0/64"} {
		if got, err := networks([]string{bad}); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestPublic(t *testing.T) {
	for url, want := range map[string]string{
		"ws://localhost:8765/":           "ws://localhost:8765/",
		"ws://me:secret@localhost:8765/": "ws://localhost:8765/",
		"ws://me:se@cret@localhost/":     "ws://localhost/",
		"tcp:me:secret@localhost:4000":   "tcp:localhost:4000",
		"ws://localhost:80/at@home?a=@":  "ws://localhost:80/at@home?a=@",
		"ws://[::1]:80?me@home":          "ws://[::1]:80?me@home",
	} {
		if got := public(url); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}
