package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/DeRuina/timberjack"

	"moip/internal/config"
)

// A logbook is a log to the terminal and to a file, a new one of which is
// begun when it has grown.
type logbook struct {
	*slog.Logger
	file io.Closer
}

// openLog opens the log that cfg asks for. Unless somebody has asked for the
// file, the log does without it where it cannot be written.
func openLog(cfg *config.Config, asked bool) (*logbook, error) {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	name := cfg.LogFile()
	if name == "" {
		return &logbook{slog.New(slog.NewTextHandler(os.Stderr, options)), nil}, nil
	}
	// The rotating file is opened by the first line; whoever starts the
	// gateway should hear of a file that cannot be written now.
	probe, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		if asked {
			return nil, fmt.Errorf("log: %w (name another with --log FILE, or --log none)", err)
		}
		cfg.Log = "none"
		l, _ := openLog(cfg, false)
		l.Warn("no log file", "error", err)
		return l, nil
	}
	probe.Close()
	file := &timberjack.Logger{Filename: name, MaxSize: cfg.LogSize, MaxBackups: cfg.LogKeep, LocalTime: true, FileMode: 0o640}
	return &logbook{slog.New(slog.NewTextHandler(io.MultiWriter(os.Stderr, file), options)), file}, nil
}

// Close closes the file.
func (l *logbook) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
