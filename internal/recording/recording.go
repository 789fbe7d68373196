// Package recording keeps calls in files, and plays them.
//
// The files are asciicasts, which ordinary tools open: version 3 is written, and
// version 2 read as well (https://docs.asciinema.org/manual/asciicast/v3/). What
// the terminal is sent is output, what it sends is input. A byte of either is the
// character that has its code, as in Latin-1.
package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Header tells of a recording.
type Header struct {
	Began    time.Time // to the second; zero if that is not known
	Title    string    // "" for none
	Terminal string    // "" if it is not known

	// Env is what else is known, by names as MOIP_ROUTE: a recording made by
	// others may have the variables of their environment there.
	Env map[string]string
}

// A Kind says what an Event is, by the codes of asciicasts.
type Kind byte

// The kinds that matter here. Files may have others.
const (
	Output Kind = 'o' // sent to the terminal
	Input  Kind = 'i' // sent by it
	Mark   Kind = 'm' // a name for the moment, such as a chapter's
)

// An Event is something that happened, and how long after the one before. Data
// are bytes of the line, for other kinds than Output and Input text in UTF-8.
type Event struct {
	After time.Duration
	Kind  Kind
	Data  []byte
}

// header is the first line of a file.
type header struct {
	Version   int    `json:"version"`
	Term      *term  `json:"term,omitempty"` // version 3
	Timestamp int64  `json:"timestamp,omitempty"`
	Title     string `json:"title,omitempty"`

	Env map[string]string `json:"env,omitempty"`

	// Version 2.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

type term struct {
	Columns int    `json:"cols"`
	Rows    int    `json:"rows"`
	Type    string `json:"type,omitempty"`
}

// parse reads a line with an event, and returns its time as the line has it.
func parse(line []byte) (at float64, e Event, err error) {
	var code, data string
	fields := []any{&at, &code, &data}
	if err := json.Unmarshal(line, &fields); err != nil {
		return 0, e, err
	}
	if len(fields) != 3 || len(code) != 1 {
		return 0, e, errors.New(`is no event (as [0.5, "o", "text"])`)
	}
	e.Kind = Kind(code[0])
	if e.Kind != Output && e.Kind != Input {
		e.Data = append(e.Data, data...)
		return at, e, nil
	}
	for _, r := range data {
		if r > 0xFF {
			return 0, e, fmt.Errorf("has %q, which is no byte", r)
		}
		e.Data = append(e.Data, byte(r))
	}
	return at, e, nil
}
