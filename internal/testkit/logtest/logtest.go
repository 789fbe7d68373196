// Package logtest keeps a log in memory, for tests to look into and to wait for.
package logtest

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a line may keep a test waiting. A machine may be busy; only a test
// that fails waits so long.
const patience = 30 * time.Second

// A Log is what was written. The zero Log is empty and ready; any number of goroutines may
// use it at once. It must not be copied.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed when more is written; nil while nobody waits for it
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(p)
}

// String is all that was written since it was last taken.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Take is String, and forgets it.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// Now returns what was written, and a channel that is closed when there is more.
func (l *Log) Now() (text string, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.text.String(), l.more
}

// Has says whether text was written.
func (l *Log) Has(text string) bool { return strings.Contains(l.String(), text) }

// Lines are those that have text in them.
func (l *Log) Lines(text string) (all []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			all = append(all, line)
		}
	}
	return all
}

// Await waits until text was written, before or from now on. What is not written in 30
// seconds fails the test.
func (l *Log) Await(t testing.TB, text string) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		said, more := l.Now()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-more:
		case <-late.C:
			t.Fatalf("the log does not say %q but\n%s", text, said)
		}
	}
}

// Logger writes there as the program does by itself: text, from [slog.LevelInfo] up.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// Debug is Logger from [slog.LevelDebug] up.
func (l *Log) Debug() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
