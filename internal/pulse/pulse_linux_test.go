package pulse

import (
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns both ends of a connection, the second as l accepts it.
func pair(t *testing.T, around func(net.Listener) net.Listener) (*net.TCPConn, net.Conn) {
	t.Helper()
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bare.Close() })
	near, err := net.Dial("tcp", bare.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := around(bare).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near.(*net.TCPConn), far
}

// option returns what the kernel has of a connection.
func option(t *testing.T, conn *net.TCPConn, name int) (value int) {
	t.Helper()
	socket, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	socket.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, name) })
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// wrapped is a connection around another, as a TLS one is.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestTake(t *testing.T) {
	bare := func(l net.Listener) net.Listener { return l }
	for _, c := range []struct {
		stall time.Duration
		want  time.Duration // of TCP_USER_TIMEOUT
	}{
		{time.Minute, Within}, {100 * time.Millisecond, Within}, {10 * time.Minute, 10*time.Minute + slack},
		{0, 0}, {100 * 365 * 24 * time.Hour, 0},
	} {
		conn, _ := pair(t, bare)
		Take(wrapped{wrapped{conn}}, c.stall)
		if got := option(t, conn, unix.TCP_USER_TIMEOUT); got != int(c.want.Milliseconds()) {
			t.Errorf("stall %v: the kernel waits for %d ms, not %v", c.stall, got, c.want)
		}
		if idle, each := option(t, conn, unix.TCP_KEEPIDLE), option(t, conn, unix.TCP_KEEPINTVL); idle != 30 || each != 15 {
			t.Errorf("probes after %d s, each %d s", idle, each)
		}
	}
	_, far := pair(t, Listener)
	if got := option(t, far.(*net.TCPConn), unix.TCP_USER_TIMEOUT); got != int(Within.Milliseconds()) {
		t.Errorf("of a listener: the kernel waits for %d ms", got)
	}
	near, _ := net.Pipe()
	Take(near, time.Minute) // is left alone
}

// Who is accepted has no pulse before it is taken.
func TestListen(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if probed(t, far) {
		t.Error("net probes it, too")
	}
	Take(far, time.Minute)
	if !probed(t, far) {
		t.Error("it is not probed")
	}
}

func probed(t *testing.T, conn net.Conn) (is bool) {
	t.Helper()
	socket, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	socket.Control(func(fd uintptr) {
		var on int
		on, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		is = on != 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return is
}
