package natsbus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// The server inside repeats itself, once for each time that it tries to reach another.
const (
	hushTime  = time.Minute
	maxHushed = 64 // texts that are remembered
)

// A serverLog is where the server inside writes: to our log, what an operator needs, and of
// what differs in numbers only one a minute.
type serverLog struct {
	log    *slog.Logger
	mu     sync.Mutex
	hushed map[string]time.Time // when they were last told
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, hushed: map[string]time.Time{}}
}

// Noticef is the server's, as those below.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(text(format, v)) }

// Debugf tells nobody.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef tells nobody.
func (l *serverLog) Tracef(string, ...any) {}

// Warnf tells of what may be wrong.
func (l *serverLog) Warnf(format string, v ...any) { l.tell(slog.LevelWarn, text(format, v)) }

// Errorf tells of what is wrong with another server, or on the way to it.
func (l *serverLog) Errorf(format string, v ...any) { l.tell(slog.LevelWarn, text(format, v)) }

// Fatalf tells why the server does not start. It is not the end of this process.
func (l *serverLog) Fatalf(format string, v ...any) { l.log.Error(text(format, v)) }

func (l *serverLog) tell(level slog.Level, text string) {
	if l.isNew(text) {
		l.log.Log(context.Background(), level, text)
	}
}

// isNew reports whether a text has not been told for a while.
func (l *serverLog) isNew(text string) bool {
	key := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, known := l.hushed[key]; known && now.Sub(last) < hushTime {
		return false
	}
	if len(l.hushed) >= maxHushed {
		clear(l.hushed)
	}
	l.hushed[key] = now
	return true
}

func text(format string, v []any) string { return "bus: " + fmt.Sprintf(format, v...) }
