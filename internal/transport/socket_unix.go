//go:build unix

package transport

import (
	"net"
	"os"
	"syscall"
)

// errAgain says that there is nothing to read, or no room to write.
var errAgain error = syscall.EAGAIN

// rawConn returns the means to wait for conn, nil if it is no socket.
func rawConn(conn net.Conn) syscall.RawConn {
	if socket, ok := conn.(syscall.Conn); ok {
		if raw, err := socket.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// readNow reads what is there. It returns 0 and no error at the end.
func readNow(fd uintptr, p []byte) (int, error) {
	return now("read", read, fd, p)
}

// writeNow writes what there is room for.
func writeNow(fd uintptr, p []byte) (int, error) {
	return now("write", write, fd, p)
}

func now(name string, call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(int(fd), p)
		switch err {
		case nil:
			return n, nil
		case syscall.EAGAIN:
			return 0, errAgain
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError(name, err)
		}
	}
}
