package recording

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// A Writer writes a recording as it happens: after a crash, what was written until
// then can be read. It is for one goroutine. A nil Writer writes nothing.
type Writer struct {
	w    io.Writer
	last time.Time // of the last event, as it was told
	err  error
}

// NewWriter begins a recording. Its time starts now, its header's may be another.
// The writer is given whole lines, one at a time.
func NewWriter(w io.Writer, h Header) *Writer {
	r := &Writer{w: w, last: time.Now()}
	first := header{Version: 3, Term: &term{40, 25, h.Terminal}, Title: h.Title}
	if !h.Began.IsZero() {
		first.Timestamp = h.Began.Unix()
	}
	r.line(first)
	return r
}

// Add notes what has happened just now. Nothing that is empty has.
func (w *Writer) Add(k Kind, data []byte) {
	if w == nil || len(data) == 0 {
		return
	}
	// Times are told to the millisecond, and rounding does not add up.
	after := time.Since(w.last).Round(time.Millisecond)
	w.last = w.last.Add(after)
	var text strings.Builder
	for _, b := range data {
		text.WriteRune(rune(b))
	}
	w.line([]any{after.Seconds(), string(rune(k)), text.String()})
}

// Err returns why the recording has ended before its time, nil if it has not.
func (w *Writer) Err() error {
	if w == nil {
		return nil
	}
	return w.err
}

func (w *Writer) line(v any) {
	if w.err != nil {
		return
	}
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	if w.err = lines.Encode(v); w.err == nil {
		_, w.err = w.w.Write(b.Bytes())
	}
}
