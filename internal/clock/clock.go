// Package clock tells the time by which old things may be deleted.
//
// Who deletes what is older than a month must not believe at once a clock that has been set
// a month ahead, which may be a mistake and be mended soon; what is deleted does not return.
package clock

import (
	"sync"
	"time"
)

const (
	jump  = time.Hour      // more than that ahead is not believed at once
	proof = 24 * time.Hour // but when it has lasted so long
)

// A Steady clock is the system's, but when that is set ahead, it goes on as before for a
// day. Its method may be called from any goroutine.
type Steady struct {
	read func() (wall time.Time, since time.Duration) // the system's, and the time since a beginning, by what nobody can set

	mu     sync.Mutex    // guards what follows
	start  time.Time     // what the wall clock was, by what is believed, at that beginning
	doubts bool          // the clock was set ahead
	from   time.Duration // since when
}

// New returns a Steady clock that believes what the system's is now.
func New() *Steady {
	began := time.Now()
	return steady(func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(began) // the one without, the other by the monotonic reading
	})
}

func steady(read func() (time.Time, time.Duration)) *Steady {
	wall, since := read()
	return &Steady{read: read, start: wall.Add(-since)}
}

// Now returns what time it is.
func (s *Steady) Now() time.Time {
	wall, since := s.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	if expected := s.start.Add(since); wall.Sub(expected) > jump {
		if !s.doubts {
			s.doubts, s.from = true, since
		}
		if since-s.from < proof {
			return expected
		}
	}
	s.doubts, s.start = false, wall.Add(-since)
	return wall
}
