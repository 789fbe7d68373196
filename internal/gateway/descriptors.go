package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"moip/internal/control/admin"
	"moip/internal/policy/limit"
	"moip/internal/session"
)

// A shortage is a time in which descriptors are wanting, the process's or the system's.
// Operators are told once that it has begun, and once that it is over, whatever fails
// meanwhile, and how often.
type shortage struct {
	log     *slog.Logger
	metrics *admin.Metrics

	mu    sync.Mutex
	began time.Time
	times int
	over  *time.Timer // nil unless there is a shortage
}

// shortTime is how long nothing has failed when a shortage is over.
const shortTime = 5 * time.Second

const moreFiles = "raise the limit of open files (LimitNOFILE= of the unit, ulimit -n), or lower limits.max_calls"

// note is told of what has failed. It does not block.
func (s *shortage) note(err error) {
	s.metrics.CountShortage()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times++
	if s.over != nil {
		s.over.Reset(shortTime)
		return
	}
	s.began, s.over = time.Now(), time.AfterFunc(shortTime, s.end)
	s.log.Warn("descriptors are wanting; calls go on, new ones wait or are refused", "error", err, "open files", limit.Descriptors(), "advice", moreFiles)
}

// end ends the shortage, if nobody would fail now.
func (s *shortage) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		return
	}
	if !limit.FilesForCalls() {
		s.over.Reset(shortTime)
		return
	}
	s.log.Info("descriptors are enough again", "failed", s.times, "after", time.Since(s.began).Round(time.Second))
	s.over, s.times = nil, 0
}

// close has nothing told any more.
func (s *shortage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		s.over.Stop()
		s.over = nil
	}
}

// isShortage reports whether an error says that there is no descriptor.
func isShortage(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, errKept)
}

var errKept = errors.New("the last descriptors are kept for operators")

// noting is a Dial that tells of want of descriptors.
func (s *shortage) noting(dial session.Dial) session.Dial {
	return func(ctx context.Context, call session.ID, r session.Route) (session.Endpoint, error) {
		e, err := dial(ctx, call, r)
		if isShortage(err) {
			s.note(err)
			err = fmt.Errorf("%w: %w (%s)", session.ErrScarce, err, moreFiles)
		}
		return e, err
	}
}
