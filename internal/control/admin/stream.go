package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// quietTime is after how long without an event a reader is told that there is
	// none, so that both ends know of the other.
	quietTime = 15 * time.Second
	// readerTime is how long a reader may take for what it is told.
	readerTime = 10 * time.Second
)

const eventStream = "text/event-stream"

// A stream tells a reader of what happens, as server-sent events. Its methods report
// whether the reader has taken it.
type stream struct {
	w   http.ResponseWriter
	out *http.ResponseController
}

func newStream(w http.ResponseWriter) stream {
	s := stream{w, http.NewResponseController(w)}
	s.out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("Cache-Control", "no-store")
	return s
}

// tell tells v in JSON. With an id, a reader can come back to what is behind it.
func (s stream) tell(id string, v any) bool {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write("%sdata: %s\n\n", id, data)
}

// mark tells nothing but an id, by which a reader can come back to here.
func (s stream) mark(id string) bool { return s.write("id: %s\n\n", id) }

// comment tells nothing, but that the stream is there.
func (s stream) comment(text string) bool { return s.write(": %s\n\n", text) }

func (s stream) write(format string, a ...any) bool {
	s.out.SetWriteDeadline(time.Now().Add(readerTime))
	_, err := fmt.Fprintf(s.w, format, a...)
	return err == nil && s.out.Flush() == nil
}
