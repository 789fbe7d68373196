package gateway

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// A logFile has the lines of the log written to a file, and to the terminal as well: what
// the one does not take, the other does. Lines that the file does not take, of a disk that
// is full, are lost to it; the terminal is told so once, and the file how many they are once
// it takes lines again.
type logFile struct {
	file, terminal io.Writer
	lost           *atomic.Uint64 // lines, since the beginning

	missing int  // lines, since one was written
	cut     bool // the file ends within a line
}

// Write takes a line. It never fails: whom should one tell?
func (f *logFile) Write(line []byte) (int, error) {
	f.terminal.Write(line)
	var text []byte
	if f.cut {
		text = append(text, '\n')
	}
	if f.missing > 0 {
		text = append(text, ofTheLog("WARN", "lines of the log are lost: they could not be written", fmt.Sprintf("lines=%d", f.missing))...)
	}
	text = append(text, line...)
	n, err := f.file.Write(text)
	f.cut = f.cut && n == 0 || n > 0 && text[n-1] != '\n'
	if err == nil {
		f.missing = 0
		return len(line), nil
	}
	if f.missing == 0 {
		f.terminal.Write(ofTheLog("ERROR", "the log file cannot be written; its lines are lost", fmt.Sprintf("error=%q", err)))
	}
	// Of several lines, those that the file has count no more.
	f.missing += bytes.Count(line, []byte("\n"))
	f.lost.Add(1)
	return len(line), nil
}

// ofTheLog is a line of the log about itself.
func ofTheLog(level, message, more string) []byte {
	return fmt.Appendf(nil, "time=%s level=%s msg=%q %s\n", time.Now().Format("2006-01-02T15:04:05.000Z07:00"), level, message, more)
}
