package natsbus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// A serverLog is where the server inside writes: to our log, what an operator needs.
type serverLog struct {
	log   *slog.Logger
	mu    sync.Mutex
	fatal error
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(text(format, v)) }
func (l *serverLog) Debugf(format string, v ...any)  {}
func (l *serverLog) Tracef(format string, v ...any)  {}
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(text(format, v)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Warn(text(format, v)) }

// Fatalf notes why the server cannot start. It is not the end of this process.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = errors.New(fmt.Sprintf(format, v...))
}

func (l *serverLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func text(format string, v []any) string { return "bus: " + fmt.Sprintf(format, v...) }
