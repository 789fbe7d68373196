// Package seat makes the Terminal of a service inside a leg of a call.
package seat

import (
	"moip/internal/session"
	"moip/minitel"
)

// A Seat is a Terminal as a leg of a call: a session.Sleeper, so that a visitor who looks at
// a page has no goroutine.
type Seat struct{ *minitel.Terminal }

// Receive is the Terminal's, but for the name of what is no error.
func (s Seat) Receive() ([]byte, error) {
	p, err := s.Terminal.Receive()
	if err == minitel.ErrQuiet {
		err = session.ErrQuiet
	}
	return p, err
}

var _ session.Sleeper = Seat{}
