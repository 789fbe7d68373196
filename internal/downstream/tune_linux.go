package downstream

import (
	"net"
	"syscall"

	"moip/internal/tcpsocket"

	"golang.org/x/sys/unix"
)

// tune sets how many bytes not yet sent may wait in the kernel for a caller.
func tune(conn net.Conn, unsent int) {
	tcp := tcpsocket.Of(conn)
	if tcp == nil {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		// Should a kernel not know it, Fin takes longer to be seen.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}

// tuneListener sets how many bytes that are not read may wait for the connections of a
// listener.
func tuneListener(l net.Listener) {
	conn, ok := l.(syscall.Conn) // which a listener that is handed over is, too
	if !ok {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			// Else it is the system's, and who floods the gateway is noticed later.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, unheard)
		})
	}
}
