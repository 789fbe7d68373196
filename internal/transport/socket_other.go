//go:build !unix

package transport

import (
	"errors"
	"net"
	"syscall"
)

var errAgain = errors.New("try again")

// rawConn returns nil: here a socket cannot be waited for without a buffer.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readNow(uintptr, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func writeNow(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
