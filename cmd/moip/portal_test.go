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
