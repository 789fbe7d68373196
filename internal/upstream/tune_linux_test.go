package upstream

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"moip/internal/session"
)

// Of a service that never reads the kernel takes little, so that the session soon sees that
// keys wait; and it is told to find out whether the service is there at all.
func TestNeverReads(t *testing.T) {
	const hears = 8 << 10
	done := make(chan struct{})
	address := service(t, "127.0.0.1", func(conn net.Conn) {
		conn.(*net.TCPConn).SetReadBuffer(hears)
		<-done
	})
	defer close(done)
	e, err := (&Dialer{Unsent: 2 << 10}).Dial(t.Context(), 1, session.Route{URL: "tcp://" + address})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	key := []byte("une touche après l'autre, sans être lue.")
	sent := 0
	for kept := false; !kept; kept = e.Send(key) {
		if sent += len(key); sent > 512<<10 {
			t.Fatalf("the kernel has taken %d bytes", sent)
		}
	}
	t.Logf("%d bytes were taken", sent)

	found := 0
	for fd := range 1024 {
		peer, err := syscall.Getpeername(fd)
		if at, ok := peer.(*syscall.SockaddrInet4); err != nil || !ok || netAddress(at) != address {
			continue
		}
		found++
		if ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); ms != 90_000 {
			t.Errorf("it is taken for alive for %d ms, %v", ms, err)
		}
	}
	if found != 1 {
		t.Errorf("%d sockets", found)
	}
}

func netAddress(at *syscall.SockaddrInet4) string {
	return (&net.TCPAddr{IP: at.Addr[:], Port: at.Port}).String()
}
