//go:build linux && !race

package transport

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Raw calls, of which the scheduler is not told: it would wake a thread that
// looks after those who wait in the kernel, and on a socket that never blocks
// nobody waits. That halves the cost of a key on an idle machine.

func read(fd int, p []byte) (int, error)  { return rawCall(syscall.SYS_READ, fd, p) }
func write(fd int, p []byte) (int, error) { return rawCall(syscall.SYS_WRITE, fd, p) }

// hold is send(2) with MSG_MORE.
func hold(fd int, p []byte) (int, error) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_MORE, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

func rawCall(number uintptr, fd int, p []byte) (int, error) {
	n, _, err := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

// pollNow is epoll_wait(2) without waiting.
func pollNow(fd int, events []unix.EpollEvent) int {
	n, _, err := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if err != 0 {
		return 0
	}
	return int(n)
}
