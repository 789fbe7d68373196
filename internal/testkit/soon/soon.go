// Package soon has tests wait until something is so, when nothing tells them: they look
// again and again.
package soon

import (
	"testing"
	"time"
)

// Patience is how long a test waits by default. A machine may be busy; only a test that
// fails waits so long.
const Patience = 30 * time.Second

const again = 10 * time.Millisecond // seldom enough to cost a busy machine little

// Is waits until is returns true. What is not so within [Patience] fails the test, by what
// must be so.
func Is(t testing.TB, what string, is func() bool) {
	t.Helper()
	Within(t, Patience, what, is)
}

// Within is Is with a limit of one's own.
func Within(t testing.TB, limit time.Duration, what string, is func() bool) {
	t.Helper()
	if !Or(limit, is) {
		t.Fatalf("it does not come about in %v: %s", limit, what)
	}
}

// Or waits until is returns true, and returns false when that takes too long. It is for
// goroutines that may not end the test, and for those who have more to tell.
func Or(limit time.Duration, is func() bool) bool {
	for late := time.Now().Add(limit); !is(); time.Sleep(again) {
		if time.Now().After(late) {
			return false
		}
	}
	return true
}
