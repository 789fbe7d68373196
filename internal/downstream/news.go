package downstream

import (
	"encoding/json"

	"moip/internal/session"
	"moip/internal/transport"
)

// newsMark begins the messages that are news. No byte of the stream is sent as
// this character, and terminals that do not know it drop it.
const newsMark = "✉"

// informed is the Endpoint of a caller who has asked for news of the call, by the
// word news in its URL.
type informed struct{ *transport.WebSocket }

// Tell sends e as a JSON object, which doc/protocols.md describes.
func (i informed) Tell(e session.Event) (kept bool) {
	p, err := json.Marshal(struct {
		Event   session.EventType `json:"event"`
		Service string            `json:"service,omitempty"`
		Reason  session.Reason    `json:"reason,omitempty"`
	}{e.Type, e.Route.Name, e.Reason})
	if err != nil {
		panic(err) // strings: cannot be
	}
	return i.SendText(newsMark + string(p))
}
