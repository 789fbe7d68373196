//go:build !unix

package handover

// Inherit returns Sockets that have inherited none.
func Inherit() (*Sockets, error) { return &Sockets{}, nil }

// HandOver returns ErrNot.
func (s *Sockets) HandOver(string) (int, error) { return 0, ErrNot }
