package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/DeRuina/timberjack"

	"moip/internal/config"
)

// A logbook is a log to the terminal and to a file, a new one of which is
// begun when it has grown.
type logbook struct {
	*slog.Logger
	level *slog.LevelVar // the least of it
	lines *lines
	lost  atomic.Uint64 // lines that the file has not taken
	file  io.Closer
}

// openLog opens the log that cfg asks for. Unless somebody has asked for the
// file, the log does without it where it cannot be written.
func openLog(cfg *config.Config, asked bool) (*logbook, error) {
	l := &logbook{level: new(slog.LevelVar)}
	l.level.Set(cfg.LogLevel.Level())
	out := io.Writer(os.Stderr)
	name := cfg.LogFile()
	err := writable(name)
	switch {
	case err != nil && asked:
		return nil, fmt.Errorf("log: %w (name another with --log FILE, or --log none)", err)
	case err == nil && name != "":
		file := &timberjack.Logger{Filename: name, MaxSize: cfg.LogSize, MaxBackups: cfg.LogKeep, LocalTime: true, FileMode: 0o640}
		out, l.file = &logFile{file: file, terminal: os.Stderr, lost: &l.lost}, file
	}
	l.lines = newLines(out)
	l.Logger = slog.New(slog.NewTextHandler(l.lines, &slog.HandlerOptions{Level: l.level}))
	if err != nil {
		l.Warn("no log file", "error", err)
	}
	return l, nil
}

// losses returns how many lines are lost, to the file or to all.
func (l *logbook) losses() uint64 { return l.lost.Load() + l.lines.untaken() }

// writable returns why a file cannot be written. The rotating one is opened by
// the first line; whoever starts the gateway should hear of it now.
func writable(name string) error {
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	return file.Close()
}

// Close writes what waits, and closes the file.
func (l *logbook) Close() error {
	l.lines.close()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
