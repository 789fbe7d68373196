package admin

import (
	"fmt"
	"net/http"

	"moip/internal/control/cluster/news"
)

// An Event is something that happened to a call, or to who was not let in, or to what is
// told of it.
type Event = news.Event

// Events tells of what happens, in the gateway and in its hub.
type Events struct{ *news.Wire }

// NewEvents returns Events of a gateway that is alone.
func NewEvents() *Events { return &Events{news.New()} }

// ServeHTTP tells of events as they happen, as server-sent events. A reader who comes
// back with Last-Event-ID, to this gateway or to another of the hub, is told of those that
// it has missed.
func (s *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	gateway := r.URL.Query().Get("gateway")
	if gateway != "" && !s.Knows(gateway) {
		fail(w, http.StatusNotFound, fmt.Errorf("no gateway %.60q is known", gateway))
		return
	}
	s.Follow(r.Context(), r.Header.Get("Last-Event-ID"), gateway, eventReader{newStream(w)})
}

// An eventReader is whoever reads a stream of events.
type eventReader struct{ stream }

func (r eventReader) Tell(place string, e Event) bool { return r.tell(place, e) }
func (r eventReader) Mark(place string) bool          { return r.mark(place) }
func (r eventReader) Quiet() bool                     { return r.comment("nothing new") }
