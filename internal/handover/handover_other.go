//go:build !unix

package handover

import (
	"context"
	"errors"
)

// Inherit returns Sockets that have inherited none.
func Inherit() (*Sockets, error) { return &Sockets{}, nil }

// HandOver fails.
func (s *Sockets) HandOver(context.Context, string) (int, error) {
	return 0, errors.New("sockets cannot be handed over on this system")
}
