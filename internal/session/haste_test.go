package session

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hasty limits are those of a gateway as it comes.
var hasty = func() Limits {
	l := limits
	l.Keys = 500
	return l
}()

// paste is n different characters, in pieces as they are read.
func paste(n int) (all string, pieces []string) {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d ", i)
	}
	all = b.String()[:n]
	for rest := all; rest != ""; {
		size := min(len(rest), 1000)
		pieces, rest = append(pieces, rest[:size]), rest[size:]
	}
	return all, pieces
}

// pastes has the caller say it all at once, as fast as it is heard, and returns how long
// that takes.
func (r *rig) pastes(pieces []string) time.Duration {
	began := time.Now()
	for _, p := range pieces {
		r.caller.say(p)
	}
	synctest.Wait()
	return time.Since(began)
}

// Who pastes 10,000 characters is slowed, and loses none, wherever they go.
func TestPaste(t *testing.T) {
	all, pieces := paste(10_000)
	playWith(t, &Config{Limits: hasty}, func(r *rig) {
		r.visits("up")
		r.service.got()
		// 4,000 at once, then one piece in two seconds; the last is taken, and waited for after.
		if took := r.pastes(pieces); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("it took %v", took)
		}
		r.expect("service", r.service, all)
		r.sleep(time.Minute)
		if took := r.pastes(pieces[:4]); took != 0 {
			t.Errorf("of 4,000 characters, a minute later, some had to wait: %v", took)
		}
		if r.Info().Keys != 14_000 {
			t.Errorf("%d keys are counted", r.Info().Keys)
		}
	})
	playWith(t, &Config{Limits: hasty}, func(r *rig) { // while a service is dialled
		r.visits("silent")
		r.pastes(pieces[:8])
		r.sleep(time.Minute)
		r.expectEvents("began", "redirecting", "returned timeout")
		r.expect("portal", r.portal, all[:8000])
	})
	playWith(t, &Config{Limits: limits}, func(r *rig) { // without a limit
		r.visits("up")
		r.service.got()
		if took := r.pastes(pieces); took != 0 {
			t.Errorf("it took %v", took)
		}
		r.expect("service", r.service, all)
	})
}

// Nobody waits who types, even on and on at 60 characters a second.
func TestTypingIsNotPasting(t *testing.T) {
	playWith(t, &Config{Limits: hasty}, func(r *rig) {
		began := time.Now()
		for range 60 * 60 {
			time.Sleep(time.Second / 60)
			r.types("\x13A")
		}
		if late := time.Since(began) - time.Second/60*(60*60); late != 0 {
			t.Errorf("it took %v more", late)
		}
	})
}

// A call whose caller has to wait obeys orders and ends at once, and goes by new limits.
func TestOrdersWhilePasting(t *testing.T) {
	_, pieces := paste(10_000)
	playWith(t, &Config{Limits: hasty}, func(r *rig) {
		for _, p := range pieces[:5] {
			r.types(p)
		}
		began := time.Now()
		r.Hangup(ReasonShutdown)
		synctest.Wait()
		r.sleep(hasty.Drain)
		if r.expectEvents("began", "ended shutdown"); time.Since(began) > hasty.Drain {
			t.Errorf("it ended after %v", time.Since(began))
		}
	})
	playWith(t, &Config{Limits: hasty}, func(r *rig) {
		for _, p := range pieces[:5] {
			r.types(p)
		}
		next := *r.Config
		next.Limits.Keys = 0
		r.Adopt(&next)
		if took := r.pastes(pieces); took != 0 {
			t.Errorf("without a limit it took %v", took)
		}
	})
}
