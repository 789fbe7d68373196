package ban

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestName(t *testing.T) {
	for network, want := range map[string]string{"192.0.2.7/32": "192.0.2.7", "192.0.2.0/24": "192.0.2.0/24", "::1/128": "::1"} {
		if got := Name(netip.MustParsePrefix(network)); got != want {
			t.Errorf("%s is called %s", network, got)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Now()
	good := Ban{Network: netip.MustParsePrefix("192.0.2.7/32"), Reason: "too many réasons", By: ByShield, Since: now}
	if _, err := good.check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Ban){
		"names no network":      func(b *Ban) { b.Network = netip.Prefix{} },
		"more than the IPv4":    func(b *Ban) { b.Network = netip.MustParsePrefix("::ffff:0:0/90") },
		"bans nobody":           func(b *Ban) { b.By = "nobody" },
		"more than 200":         func(b *Ban) { b.Reason = strings.Repeat("é", 201) },
		"cannot be shown":       func(b *Ban) { b.Reason = "two\nlines" },
		"that cannot be shown ": func(b *Ban) { b.Reason = "\xff" },
		"since when":            func(b *Ban) { b.Since = time.Time{} },
		"before it begins":      func(b *Ban) { b.Until = now.Add(-time.Hour) },
		"too far away":          func(b *Ban) { b.Until = now.AddDate(9000, 0, 0) },
	} {
		bad := good
		spoil(&bad)
		if _, err := bad.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, not %s", bad, err, want)
		}
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
