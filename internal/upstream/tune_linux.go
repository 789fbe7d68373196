package upstream

import (
	"net"

	"golang.org/x/sys/unix"
)

// lowWater is how many bytes not yet sent may wait in the kernel for a service. Of one that
// never reads, the rest is seen to wait by the session, which gives its caller back to the
// portal before there are too many keys: the kernel would take megabytes without a word.
const lowWater = 2 << 10

// tune sets up a connection to a service.
func tune(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	socket.Control(func(fd uintptr) {
		// Should a kernel not know it, such services are found out later.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, lowWater)
	})
}
