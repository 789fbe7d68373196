package session

import (
	"testing"
	"time"
	"unsafe"
)

// aheadBy returns now as a clock tells it that is so many seconds ahead, and will be set
// back: the wall clock of a Time is ahead, and its monotonic reading is not (package time,
// type Time).
func aheadBy(seconds int64) time.Time {
	now := time.Now()
	*(*uint64)(unsafe.Pointer(&now)) += uint64(seconds) << 30
	return now
}

// What happens to a call has times in order, and durations that are right, when the clock
// is set meanwhile.
func TestClockSet(t *testing.T) {
	for _, ahead := range []int64{0, 3600, 5 * 365 * 24 * 3600, -3600, -5 * 365 * 24 * 3600} {
		var last Event
		c := New(&Config{Emit: func(e Event) { last = e }}, 1, Caller{})
		c.began = aheadBy(ahead)
		time.Sleep(time.Millisecond)
		c.emit(Event{Type: Redirecting})
		c.mu.Unlock()
		written := last.At.Round(0).Sub(last.Began.Round(0))
		if real := last.At.Sub(last.Began); real < time.Millisecond || real > time.Minute || written != real {
			t.Errorf("with a clock that was %d s ahead, an event comes after %v, and after %v by what is written", ahead, real, written)
		}
	}
}
