package limit

import (
	"sync"
	"time"
)

// A Queue lets those go on at an even pace who would all go at once. The zero value is
// ready; it may be used from any goroutine, and never blocks.
type Queue struct {
	mu   sync.Mutex
	next time.Time // when the turn is of whoever asks next
}

// Turn returns in how long whoever asks may go, at a pace of n a second, of which a tenth
// may go at once; 0 for n is no pace. Who has asked has taken that turn.
func (q *Queue) Turn(n int) time.Duration {
	if n <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	at := now.Add(-time.Second / 10)
	if q.next.After(at) {
		at = q.next
	}
	q.next = at.Add(time.Second / time.Duration(n))
	return max(at.Sub(now), 0)
}
