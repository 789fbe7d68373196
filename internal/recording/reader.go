package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxLine bounds a line of a file, and maxAfter the time between two events.
const (
	maxLine  = 1 << 20
	maxAfter = 366 * 24 * time.Hour
)

// A Reader reads a recording.
type Reader struct {
	Header Header

	lines   *bufio.Reader
	n       int // of the last line read
	version int // 2: times are since the beginning
	at      float64
}

// NewReader reads the header. Its error tells what is wrong with it.
func NewReader(r io.Reader) (*Reader, error) {
	d := &Reader{lines: bufio.NewReader(r)}
	line, err := d.line()
	if err != nil && err != io.EOF {
		return nil, err
	}
	var h header
	if json.Unmarshal(line, &h) != nil || h.Version != 2 && h.Version != 3 {
		return nil, errors.New(`it is no recording: its first line is not that of an asciicast of version 2 or 3, {"version": 3, ...}`)
	}
	d.version = h.Version
	d.Header.Title, d.Header.Env = h.Title, h.Env
	if h.Timestamp != 0 {
		d.Header.Began = time.Unix(h.Timestamp, 0).UTC()
	}
	if h.Term != nil {
		d.Header.Terminal = h.Term.Type
	}
	return d, nil
}

// Next returns the next event, or io.EOF if there is none. What is wrong with a
// line is told by its number, but for the last one: of a recording that was cut
// off, it may be a part.
func (d *Reader) Next() (Event, error) {
	for {
		line, end := d.line()
		if end != nil && end != io.EOF || end == io.EOF && len(line) == 0 {
			return Event{}, end
		}
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		at, e, err := parse(line)
		switch {
		case err != nil && end == io.EOF:
			return Event{}, io.EOF
		case err != nil:
			return Event{}, fmt.Errorf("line %d: %w", d.n, err)
		}
		if d.version == 2 {
			at, d.at = at-d.at, max(at, d.at)
		}
		after := min(max(at, 0), maxAfter.Seconds())
		e.After = time.Duration(math.Round(after * float64(time.Second)))
		return e, nil
	}
}

// line returns the next line without its end, with io.EOF if it has none.
func (d *Reader) line() ([]byte, error) {
	d.n++
	var line []byte
	for {
		part, err := d.lines.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("line %d: has more than %d bytes", d.n, maxLine)
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(line, []byte("\n")), err
		}
	}
}
