package transport

import (
	"bytes"
	"flag"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"moip/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(bothWays{m}) }

// bothWays has all tests run twice: first Receive waits, then a watcher does, where there
// is one.
type bothWays struct{ *testing.M }

func (b bothWays) Run() int {
	if code := b.M.Run(); code != 0 || flag.Lookup("test.fuzz").Value.String() != "" {
		return code
	}
	watching = true
	defer attended.Range(func(e, wake any) bool {
		if wake.(chan struct{}) != nil { // its test has closed the connection, and that is not it any more
			e.(session.Endpoint).Close()
		}
		return true
	})
	return b.M.Run()
}

var (
	watching bool
	attended sync.Map // by session.Sleeper: a channel that says that it was woken, nil if it is not attended
)

// next returns what Receive does when it waits.
func next(e session.Endpoint) ([]byte, error) {
	s, ok := e.(session.Sleeper)
	if !watching || !ok {
		return e.Receive()
	}
	if _, known := attended.Load(s); !known {
		attend(s)
	}
	woken, _ := attended.Load(s)
	wake := woken.(chan struct{})
	for {
		p, err := s.Receive()
		if err != session.ErrQuiet {
			return p, err
		}
		if s.Sleep() {
			<-wake
		}
	}
}

func attend(s session.Sleeper) {
	wake := make(chan struct{}, 1)
	if s.Attend(func() { wake <- struct{}{} }) {
		attended.Store(s, wake)
	} else {
		attended.Store(s, (chan struct{})(nil))
	}
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// sockets returns the two ends of a TCP connection over the loopback, closed
// when the test ends. The peer's reads fail when patience is over.
func sockets(t testing.TB, host string) (ours, peer *net.TCPConn) {
	t.Helper()
	return connect(t, host, net.Dialer{})
}

// narrowSockets is sockets with a connection that takes little that is not
// read, but not so little that TCP would hesitate to send it.
func narrowSockets(t testing.TB) (ours, peer *net.TCPConn) {
	t.Helper()
	ours, peer = connect(t, "127.0.0.1", net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { // the first window is offered with the SYN
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
		})
	}})
	ours.SetWriteBuffer(8 << 10)
	return ours, peer
}

func connect(t testing.TB, host string, dialer net.Dialer) (ours, peer *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dialer.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer = conn.(*net.TCPConn)
	conn, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours = conn.(*net.TCPConn)
	t.Cleanup(func() { ours.Close(); peer.Close() })
	peer.SetDeadline(time.Now().Add(patience))
	return ours, peer
}

// fill sends until the peer has no room for a long time. It returns what it
// sent.
func fill(t *testing.T, e session.Endpoint) (sent []byte) {
	t.Helper()
	for page := pattern(1000); e.(interface{ backlog() int }).backlog() < maxKept/2; {
		e.Send(page)
		sent = append(sent, page...)
	}
	return sent
}

// listen calls Receive until it fails. The result holds the rest of what is
// received, and then comes the error.
func listen(e session.Endpoint) (data func() []byte, end <-chan error) {
	var got bytes.Buffer
	done := make(chan error, 1)
	go func() {
		for {
			p, err := next(e)
			if err != nil {
				done <- err
				return
			}
			got.Write(p)
		}
	}()
	return got.Bytes, done // got is ours again after the error
}

// awaitEnd waits for the error of Receive.
func awaitEnd(t *testing.T, end <-chan error) error {
	t.Helper()
	select {
	case err := <-end:
		return err
	case <-time.After(patience):
		t.Fatal("Receive does not end")
		return nil
	}
}

// receive returns the next n bytes.
func receive(t *testing.T, e session.Endpoint, n int) []byte {
	t.Helper()
	var got []byte
	for len(got) < n {
		p, err := next(e)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, p...)
	}
	if len(got) > n {
		t.Fatalf("received %q, want %d bytes", got, n)
	}
	return got
}

// expect reads what the peer must get next.
func expect(t *testing.T, peer io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(peer, got)
	if string(got) != want {
		t.Fatalf("the peer got %q (%v), want %q", got[:n], err, want)
	}
}

// pattern returns n bytes of which no two neighbouring stretches are alike.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*31 + i>>8)
	}
	return p
}

// readFrame reads one frame, as the peer gets it.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}
