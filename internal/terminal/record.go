package terminal

import (
	"encoding/json"
	"io"
	"time"
)

// A record is written of what was received and when, in lines of JSON: the first
// tells when it began.
type record struct {
	lines *json.Encoder
	began time.Time
	err   error // the first
}

// newRecord starts a record. If w is nil, it is written nowhere.
func newRecord(w io.Writer) record {
	if w == nil {
		w = io.Discard
	}
	r := record{lines: json.NewEncoder(w), began: time.Now()}
	r.line(map[string]any{"moip": 1, "began": r.began.UTC().Format(time.RFC3339)})
	return r
}

// received notes what came, in base64, and after how many milliseconds.
func (r *record) received(p []byte) {
	r.line(struct {
		Ms   int64  `json:"ms"`
		Data []byte `json:"data"`
	}{time.Since(r.began).Milliseconds(), p})
}

func (r *record) line(v any) {
	if r.err == nil {
		r.err = r.lines.Encode(v)
	}
}
