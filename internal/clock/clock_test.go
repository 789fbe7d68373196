package clock

import (
	"testing"
	"time"
)

// A clock is believed when it goes on, is set back, or is corrected a little; not when it is
// set far ahead, until that has lasted for a day.
func TestSteady(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	began, since := at, time.Duration(0)
	s := steady(func() (time.Time, time.Duration) { return at, since })
	pass := func(d time.Duration) { at, since = at.Add(d), since+d }
	expect := func(what string, want time.Time) {
		t.Helper()
		if got := s.Now(); !got.Equal(want) {
			t.Errorf("%s, it is %v, not %v", what, got, want)
		}
	}
	pass(100 * 24 * time.Hour)
	expect("after 100 days without a look", began.Add(100*24*time.Hour))
	at = at.Add(10 * time.Minute)
	expect("set ahead by minutes", at)
	at = at.Add(-30 * 24 * time.Hour)
	expect("set back", at)
	pass(time.Hour)
	before := at
	at = at.AddDate(10, 0, 0)
	expect("set ahead by years", before)
	pass(23 * time.Hour)
	expect("23 hours later", before.Add(23*time.Hour))
	ahead := at
	at = before.Add(23 * time.Hour)
	expect("mended", at)
	at = ahead
	expect("set ahead again", before.Add(23*time.Hour))
	pass(23 * time.Hour)
	expect("another 23 hours later", before.Add(46*time.Hour))
	pass(time.Hour)
	expect("a day later", at)
	pass(time.Hour)
	expect("from then on", at)
}

func TestNew(t *testing.T) {
	if d := time.Since(New().Now()); d < 0 || d > time.Minute {
		t.Errorf("it is %v late", d)
	}
}
