package downstream

import (
	"net"

	"golang.org/x/sys/unix"
)

// lowWater is how many bytes not yet sent may wait in the kernel. The rest
// waits with the session, which can drop it when Connexion/Fin is pressed. For
// a Minitel 2 KiB last a quarter of a minute.
const lowWater = 2 << 10

// tune sets up a caller's connection. The kernel would not let it inherit this
// from the listening socket.
func tune(conn net.Conn) {
	socket, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	socket.Control(func(fd uintptr) {
		// Should a kernel not know it, Fin takes longer to be seen.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, lowWater)
	})
}
