package upstream

import (
	"net"

	"golang.org/x/sys/unix"
)

// tune sets how many bytes not yet sent may wait in the kernel for a service, unless it is 0.
func tune(conn net.Conn, unsent int) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || unsent == 0 {
		return
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	socket.Control(func(fd uintptr) {
		// Should a kernel not know it, who never reads is found out later.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}
