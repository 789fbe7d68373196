package services

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// However long a clock has run, it shows what one shows that has just begun.
func TestClockRuns(t *testing.T) {
	visits(t, Options{}, "heure", func(c *caller) {
		s := New(Options{})
		page := c.sent()
		for _, d := range []time.Duration{time.Second, 9 * time.Second, 50 * time.Second, time.Hour} {
			c.passes(d)
			fresh := calls(c.T, s, "heure")
			if got, want := c.screen.String(), fresh.screen.String(); got != want {
				t.Errorf("after %v more it is\n%s\nand not\n%s", d, got, want)
			}
			fresh.end.Close()
		}
		seconds := 60*60 + 60
		t.Logf("%d bytes, then %.1f a second", page, float64(c.sent())/float64(seconds))
	})
}

func TestClockCosts(t *testing.T) {
	visits(t, Options{}, "heure", func(c *caller) {
		c.sent()
		most, sum := 0, 0
		for range 60 {
			c.passes(time.Second)
			n := c.sent()
			most, sum = max(most, n), sum+n
			if n == 0 {
				t.Fatal("it stands still")
			}
		}
		t.Logf("%d bytes a minute, %d a second at most", sum, most)
		if most > 100 || sum > 60*40 { // a line carries 120 a second
			t.Errorf("%d bytes a minute, %d a second at most", sum, most)
		}
	})
}

// A caller whose line is slow sees what time it is, and not what it was.
func TestClockWaits(t *testing.T) {
	visits(t, Options{}, "heure", func(c *caller) {
		c.shows("Heure d'hiver de Paris (UTC+01:00)")
		<-c.gate
		c.passes(time.Until(time.Date(2000, 3, 26, 1, 0, 5, 0, time.UTC)))
		c.sent()
		c.gate <- struct{}{}
		synctest.Wait()
		c.shows("dimanche 26 mars 2000", "Heure d'été de Paris (UTC+02:00)")
		if n := c.sent(); n < 100 || n > 300 {
			t.Errorf("it takes %d bytes", n)
		}
	})
}

func TestFrench(t *testing.T) {
	for date, want := range map[string]string{
		"2026-08-01": "samedi 1er août 2026", "2028-02-29": "mardi 29 février 2028", "2025-09-24": "mercredi 24 septembre 2025",
	} {
		day, err := time.Parse(time.DateOnly, date)
		if got := inFrench(day); err != nil || got != want {
			t.Errorf("%s: %q", date, got)
		}
	}
	if got := zoneName(time.Now().Local()); !strings.HasPrefix(got, "Heure locale du serveur (UTC") || len(got) > 40 {
		t.Errorf("%q", got)
	}
}
