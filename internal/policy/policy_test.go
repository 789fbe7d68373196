package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHousehold(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":        "192.0.2.7/32",
		"::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8::1":      "2001:db8::/64",
		"fe80::1%eth0":     "fe80::/64",
	} {
		if got := Household(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s is of %v", address, got)
		}
	}
	if p := Household(netip.Addr{}); p.IsValid() {
		t.Errorf("nobody is of %v", p)
	}
}

// Each household is heard once a minute, and the number of all that happens comes with
// what is heard.
func TestHush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Hush
		hears := func(address string, want uint64) {
			t.Helper()
			if n, aloud := h.Tell(netip.MustParseAddr(address)); n != want || aloud != (want > 0) {
				t.Errorf("%s is told of as %d, not %d", address, n, want)
			}
		}
		hears("192.0.2.1", 1)
		hears("192.0.2.1", 0)
		hears("192.0.2.1", 0)
		hears("192.0.2.2", 3)
		hears("2001:db8::1", 1)
		hears("2001:db8::2", 0)
		time.Sleep(hushTime)
		hears("192.0.2.1", 2)
		for i := range hushMost - 1 {
			hears(fmt.Sprintf("198.51.100.%d", i), 1)
		}
		for i := range 1000 {
			hears(fmt.Sprintf("203.0.%d.%d", i/256, i%256), 0)
		}
		time.Sleep(hushTime)
		hears("203.0.113.1", 1001)
	})
}

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7/32",
		" 192.0.2.7/24\n":        "192.0.2.0/24",
		"0.0.0.0/0":              "0.0.0.0/0",
		"::ffff:192.0.2.7":       "192.0.2.7/32",
		"::ffff:192.0.2.7/120":   "192.0.2.0/24",
		"2001:db8::1":            "2001:db8::1/128",
		"2001:db8::1/64":         "2001:db8::/64",
		"::ffff:0:0/95":          "", // more than IPv4
		"192.0.2.7/33":           "",
		"192.0.2":                "",
		"fe80::1%eth0":           "",
		"minitel.example":        "",
		"":                       "",
		"192.0.2.7:9000":         "",
		strings.Repeat("1", 999): "",
	} {
		got, err := ParseNetwork(text)
		if want == "" {
			if err == nil || len(err.Error()) > 200 {
				t.Errorf("%.30q is %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}
