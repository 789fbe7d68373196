package recording

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// A Writer writes a recording as it happens: after a crash, what was written until
// then can be read. It is for one goroutine. A nil Writer writes nothing.
type Writer struct {
	w    io.Writer
	last time.Time // of the last event, as it was told
	line []byte    // the last one
	err  error
}

// NewWriter begins a recording. Its time starts now, its header's may be another.
// The writer is given whole lines, one at a time.
func NewWriter(w io.Writer, h Header) *Writer {
	return newWriter(w, h, time.Now())
}

func newWriter(w io.Writer, h Header, from time.Time) *Writer {
	r := &Writer{w: w, last: from}
	first := header{Version: 3, Term: &term{40, 25, h.Terminal}, Title: h.Title, Env: h.Env}
	if !h.Began.IsZero() {
		first.Timestamp = h.Began.Unix()
	}
	r.line = append(text(first), '\n')
	r.write()
	return r
}

// Add notes what has happened just now. Nothing that is empty has.
func (w *Writer) Add(k Kind, data []byte) { w.add(time.Now(), k, data) }

// add is Add for what happened at a time that is no earlier than the last.
func (w *Writer) add(at time.Time, k Kind, data []byte) {
	if w == nil || len(data) == 0 || w.err != nil {
		return
	}
	// Times are told to the millisecond, and rounding does not add up.
	after := max(at.Sub(w.last).Round(time.Millisecond), 0)
	w.last = w.last.Add(after)
	w.line = appendEvent(w.line[:0], after, k, data)
	w.write()
}

// Err returns why the recording has ended before its time, nil if it has not.
func (w *Writer) Err() error {
	if w == nil {
		return nil
	}
	return w.err
}

func (w *Writer) write() { _, w.err = w.w.Write(w.line) }

// appendEvent appends the line of an event.
func appendEvent(line []byte, after time.Duration, k Kind, data []byte) []byte {
	line = append(line, '[')
	line = strconv.AppendFloat(line, after.Seconds(), 'f', -1, 64)
	line = append(line, ',', '"', byte(k), '"', ',')
	if k == Output || k == Input {
		line = appendBytes(line, data)
	} else {
		line = append(line, text(string(data))...)
	}
	return append(line, "]\n"...)
}

// appendBytes appends data as a string of JSON, a byte as the character of its
// code. That is done for every key of every call, so not by package json.
func appendBytes(line, data []byte) []byte {
	const hex = "0123456789abcdef"
	line = append(line, '"')
	for _, b := range data {
		switch {
		case b == '"', b == '\\':
			line = append(line, '\\', b)
		case b < 0x20:
			line = append(line, `\u00`...)
			line = append(line, hex[b>>4], hex[b&0xF])
		case b < 0x80:
			line = append(line, b)
		default:
			line = append(line, 0xC0|b>>6, 0x80|b&0x3F)
		}
	}
	return append(line, '"')
}

// text returns v as JSON, without what is for pages of the web.
func text(v any) []byte {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(v); err != nil {
		panic(err) // strings and numbers: cannot be
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
