//go:build unix

package downstream

import "syscall"

// peekNow returns how many bytes were said, and false if nothing was yet. At the end, or
// if the connection is broken, there is nothing to wait for.
func peekNow(fd uintptr, p []byte) (n int, done bool) {
	for {
		n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK)
		switch err {
		case nil:
			return n, true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, false
		default:
			return 0, true
		}
	}
}
