package downstream

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
)

// Record says which calls are recorded.
type Record string

const (
	RecordNone  Record = "none"
	RecordAsked Record = "asked" // those whose callers ask for it, as ?record in the URL of a WebSocket does
	RecordAll   Record = "all"
)

// UnmarshalText reads a Record.
func (r *Record) UnmarshalText(text []byte) error {
	if !slices.Contains([]Record{RecordNone, RecordAsked, RecordAll}, Record(text)) {
		return fmt.Errorf("%.60q is unknown (use none, asked or all)", text)
	}
	*r = Record(text)
	return nil
}

// recordOf returns what a query says, "" if it says nothing.
func recordOf(query url.Values) (r Record, err error) {
	if query.Has("record") {
		err = r.UnmarshalText([]byte(query.Get("record")))
	}
	return r, err
}

// asksToBeRecorded reports whether a caller does, by ?record. What may mean no does
// not mean yes.
func asksToBeRecorded(query url.Values) bool {
	return query.Has("record") && slices.Contains([]string{"", "1", "yes", "true"}, query.Get("record"))
}

// records reports whether a caller who asks for it, or does not, is recorded.
func (l *Listener) records(asked bool) bool {
	rule := cmp.Or(l.at.Record, l.options.Record)
	return rule == RecordAll || rule == RecordAsked && asked
}
