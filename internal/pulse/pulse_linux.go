package pulse

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// endAfter has the kernel end a connection when what was sent is not acknowledged for d,
// or probes are not (RFC 5482, tcp(7)). A longer time than the kernel can count is left to it.
func endAfter(tcp *net.TCPConn, d time.Duration) {
	const most = 24 * time.Hour
	if d > most {
		return
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	socket.Control(func(fd uintptr) {
		// Should a kernel not know it, probes are all there is.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}
