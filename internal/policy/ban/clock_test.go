package ban

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A ban that was made while the clock was ahead lasts no longer than it was to, from when
// the file is read, or from a minute after the clock is set back.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, Options{})
		ahead := newBan("192.0.2.7", time.Hour)
		ahead.Since, ahead.Until = ahead.Since.AddDate(5, 0, 0), ahead.Until.AddDate(5, 0, 0)
		l.mustAdd(t, ahead)
		forever := newBan("192.0.2.8", 0)
		forever.Since = forever.Since.AddDate(5, 0, 0)
		l.mustAdd(t, forever)
		time.Sleep(sweepTime + 59*time.Minute)
		isBanned(t, l, "192.0.2.7", true)
		time.Sleep(time.Minute + time.Second)
		isBanned(t, l, "192.0.2.7", false)
		isBanned(t, l, "192.0.2.8", true)
		if all := l.All(); len(all) != 1 || all[0].Since.After(time.Now()) {
			t.Errorf("left are %+v", all)
		}
	})
	path := filepath.Join(t.TempDir(), "bans.json")
	text := `[{"network": "192.0.2.7/32", "reason": "", "by": "operator", "since": "2090-01-01T00:00:00Z", "until": "2090-01-01T00:10:00Z"}]`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b, banned := open(t, Options{File: path}).Find(network("192.0.2.7").Addr())
	if left := time.Until(b.Until); !banned || left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("it is banned: %v, for another %v", banned, left)
	}
}
