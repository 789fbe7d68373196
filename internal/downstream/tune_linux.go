package downstream

import (
	"net"

	"golang.org/x/sys/unix"
)

// tune sets how many bytes not yet sent may wait in the kernel for a caller.
func tune(conn net.Conn, unsent int) {
	for { // to the socket, from what is around it
		around, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = around.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	socket.Control(func(fd uintptr) {
		// Should a kernel not know it, Fin takes longer to be seen.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}
