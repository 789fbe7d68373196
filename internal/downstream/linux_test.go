package downstream

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moip/internal/prise/minitest"
	"moip/internal/session"
	"moip/internal/testkit/logtest"
)

// What waits for a caller waits with us: accepted sockets have their limit
// from the listening one.
func TestLowWater(t *testing.T) {
	for uri, want := range map[string]int{"tcp://:0": lowWater, "tcp://:0?speed=1200": 120, "telnets://:0": lowWater, "tcps://:0?speed=1200": 120} {
		testLowWater(t, uri, want)
	}
}

func testLowWater(t *testing.T, uri string, want int) {
	answer, callers := echo(t)
	o, trust := withTLS(t, Options{})
	l := open(t, uri, o, answer)
	if conn := dial(t, l); l.at.TLS {
		if err := tls.Client(conn, trust).Handshake(); err != nil {
			t.Fatal(err)
		}
	}
	await(t, callers)

	// Among our descriptors is the caller's socket, as we have it.
	found := 0
	for fd := range 1024 {
		local, err := syscall.Getsockname(fd)
		if err != nil || port(local) != l.Addr().(*net.TCPAddr).Port {
			continue
		}
		if _, err := syscall.Getpeername(fd); err != nil {
			continue // listens
		}
		found++
		if n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); n != want {
			t.Errorf("%s: %d bytes may wait, want %d, %v", uri, n, want, err)
		}
		if n, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); n != 1 {
			t.Error("keys are delayed")
		}
		if n, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); n != 1 {
			t.Error("no keep-alive")
		}
		if ms, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); ms != 90_000 {
			t.Errorf("%s: a caller who has vanished is taken for alive for %d ms", uri, ms)
		}
	}
	if found != 1 {
		t.Errorf("%d sockets", found)
	}
}

func port(address syscall.Sockaddr) int {
	switch address := address.(type) {
	case *syscall.SockaddrInet4:
		return address.Port
	case *syscall.SockaddrInet6:
		return address.Port
	}
	return 0
}

// When there are no descriptors left, callers wait and the door stays open.
func TestNoDescriptors(t *testing.T) {
	for _, scheme := range []string{"ws", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			var log logtest.Log
			answered := make(chan session.Endpoint, 1)
			l := open(t, scheme+"://127.0.0.1:0", Options{Log: log.Logger()}, func(e session.Endpoint, _ session.Caller) {
				answered <- e
			})

			// The caller has a descriptor, there is none for us.
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			file := os.NewFile(uintptr(fd), "caller")
			defer file.Close()
			var limit syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
			none := limit
			none.Cur = 3 // below what is open
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
				t.Fatal(err)
			}
			defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
			address := &syscall.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
			if err := syscall.Connect(fd, address); err != nil {
				t.Fatal(err)
			}
			log.Await(t, "callers must wait")
			time.Sleep(30 * time.Millisecond) // a few more tries
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)

			if scheme == "ws" {
				io.WriteString(file, handshake())
			}
			await(t, answered).Close()
			if n := strings.Count(log.String(), "callers must wait"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

// A Minitel is a caller like others.
func TestSerialCaller(t *testing.T) {
	m := minitest.New(t, minitest.Telic1B)
	m.On()
	answer, callers := echo(t)
	l := open(t, "serial://"+m.Path, Options{}, answer)
	if l.URI() != "serial://"+m.Path || l.Addr() != nil {
		t.Errorf("it listens at %s, %v", l.URI(), l.Addr())
	}
	m.AwaitText("Appuyez")
	m.Press("A")
	if from := await(t, callers); from.Transport != "serial" || from.Speed != 1200 {
		t.Errorf("the caller is %+v", from)
	}
	m.Press("BONJOUR")
	m.AwaitText("BONJOUR")
	m.Unplug() // a Listener that is closed stays for the call
}

// Of a caller who sends more than anybody reads, and is gone, little is left to be read.
func TestUnheard(t *testing.T) {
	arrived := make(chan session.Endpoint, 1)
	type wrapped struct{ *net.TCPListener } // as those that may be handed over are
	wraps := func(address string) (net.Listener, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		return wrapped{l.(*net.TCPListener)}, nil
	}
	l := open(t, "tcp://127.0.0.1:0", Options{Open: wraps}, func(e session.Endpoint, _ session.Caller) { arrived <- e })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	e := <-arrived
	defer e.Close()
	conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := conn.Write(make([]byte, 16<<20)); err == nil {
		t.Error("all of it is taken")
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	left := 0
	for err := error(nil); err == nil; {
		var p []byte
		p, err = e.Receive()
		left += len(p)
	}
	if left > 4*unheard {
		t.Errorf("%d bytes are left", left)
	}
}
