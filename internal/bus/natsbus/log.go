package natsbus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Servers repeat themselves, as the one inside each time that it tries to reach another.
const (
	hushTime  = time.Minute
	maxHushed = 64 // texts that are remembered
)

// A serverLog is where the server inside writes: to our log, what an operator needs, and of
// what differs in numbers only one a minute.
type serverLog struct {
	log  *slog.Logger
	hush hush
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
	key := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
	if l.hush.isNew(key, time.Now()) {
		l.log.Log(context.Background(), level, text)
	}
}

// A hush keeps a log from saying the same again and again. The zero value knows of nothing.
type hush struct {
	mu   sync.Mutex
	told map[string]time.Time // when it was
}

// isNew reports whether what has not been told for a while, and notes that it is now.
func (h *hush) isNew(what string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last, known := h.told[what]; known && now.Sub(last) < hushTime {
		return false
	}
	if h.told == nil || len(h.told) >= maxHushed {
		h.told = map[string]time.Time{}
	}
	h.told[what] = now
	return true
}

func text(format string, v []any) string { return "bus: " + fmt.Sprintf(format, v...) }
