package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/session"
)

func TestTCPBothWays(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			ours, peer := sockets(t, host)
			e := TCP(ours, 0)
			defer e.Close()

			io.WriteString(peer, "3615")
			if got := receive(t, e, 4); string(got) != "3615" {
				t.Errorf("received %q", got)
			}
			if e.Send([]byte("page")) {
				t.Error("something is kept though the peer has room")
			}
			expect(t, peer, "page")

			big := pattern(100 << 10)
			go peer.Write(big)
			if got := receive(t, e, len(big)); !bytes.Equal(got, big) {
				t.Error("bytes received differ from those sent")
			}
			e.Flush() // nothing to do
		})
	}
}

func TestTCPEnds(t *testing.T) {
	tests := map[string]struct {
		end  func(e session.Endpoint, peer *net.TCPConn)
		want error
	}{
		"peer closes":      {func(_ session.Endpoint, peer *net.TCPConn) { peer.Close() }, io.EOF},
		"peer half closes": {func(_ session.Endpoint, peer *net.TCPConn) { peer.CloseWrite() }, io.EOF},
		"peer resets": {func(_ session.Endpoint, peer *net.TCPConn) {
			peer.SetLinger(0)
			peer.Close()
		}, syscall.ECONNRESET},
		"we close": {func(e session.Endpoint, _ *net.TCPConn) { e.Close() }, net.ErrClosed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ours, peer := sockets(t, "127.0.0.1")
			e := TCP(ours, 0)
			_, end := listen(e)
			test.end(e, peer)
			if err := awaitEnd(t, end); !errors.Is(err, test.want) {
				t.Errorf("Receive ended with %v, want %v", err, test.want)
			}
			if _, err := next(e); !errors.Is(err, test.want) && !errors.Is(err, io.EOF) {
				t.Errorf("Receive ended again with %v", err)
			}
			if err := errors.Join(e.Close(), e.Close()); err != nil {
				t.Error(err)
			}
			if e.Send([]byte("late")) {
				t.Error("a closed endpoint keeps something")
			}
			e.Flush()
			if _, err := next(e); !errors.Is(err, net.ErrClosed) && !errors.Is(err, test.want) {
				t.Errorf("Receive after Close: %v", err)
			}
		})
	}
}

func TestSendNeverWaitsAndFlushDoes(t *testing.T) {
	ours, peer := narrowSockets(t)
	e := TCP(ours, 0)
	defer e.Close()

	sent := fill(t, e)
	flushed := make(chan struct{})
	go func() {
		e.Flush()
		close(flushed)
	}()
	select {
	case <-flushed:
		t.Fatal("Flush returned though the peer does not read")
	case <-time.After(20 * time.Millisecond):
	}
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("bytes differ from those sent")
	}
	<-flushed
	if e.(*wire).kept != nil {
		t.Error("a buffer remains though nothing is kept")
	}
	if e.Send([]byte("next")) {
		t.Error("kept though all was flushed")
	}
	expect(t, peer, "next")
}

func TestPeerThatTakesNothing(t *testing.T) {
	ours, _ := narrowSockets(t)
	e := TCP(ours, 50*time.Millisecond)
	_, end := listen(e)
	fill(t, e)
	e.Flush()
	if err := awaitEnd(t, end); err != session.ErrStalled {
		t.Errorf("Receive ended with %v", err)
	}
}

func TestPeerThatIsOwedTooMuch(t *testing.T) {
	ours, _ := narrowSockets(t)
	e := TCP(ours, 0)
	_, end := listen(e)
	fill(t, e)
	if !e.Send(make([]byte, maxKept-e.(*wire).backlog())) {
		t.Fatal("kept too little")
	}
	if e.Send([]byte{0}) {
		t.Error("kept too much")
	}
	if err := awaitEnd(t, end); err != session.ErrStalled {
		t.Errorf("Receive ended with %v", err)
	}
}

func TestCloseUnblocksFlush(t *testing.T) {
	ours, _ := narrowSockets(t)
	e := TCP(ours, 0)
	fill(t, e)
	var flushes sync.WaitGroup
	for range 3 {
		flushes.Go(e.Flush)
	}
	time.Sleep(10 * time.Millisecond) // most of the time they wait by now
	e.Close()
	flushes.Wait()
	if _, err := next(e); err != net.ErrClosed {
		t.Errorf("Receive after Close: %v", err)
	}
}

func TestConcurrentSends(t *testing.T) {
	const senders, each = 8, 200
	ours, peer := narrowSockets(t)
	e := TCP(ours, 0)
	defer e.Close()
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			line := append(bytes.Repeat([]byte{byte('a' + i)}, 99), '\n')
			for range each {
				if e.Send(line) {
					e.Flush()
				}
			}
		})
	}
	count := make(map[byte]int)
	line := make([]byte, 100)
	for range senders * each {
		if _, err := io.ReadFull(peer, line); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(line[:99], bytes.Repeat(line[:1], 99)) || line[99] != '\n' {
			t.Fatalf("torn: %q", line)
		}
		count[line[0]]++
	}
	sending.Wait()
	for i := range senders {
		if n := count[byte('a'+i)]; n != each {
			t.Errorf("sender %d: %d lines, want %d", i, n, each)
		}
	}
}

// A service that hangs up while we are writing to it has often said something
// before.
func TestLastWordsSurviveAFailedSend(t *testing.T) {
	for name, around := range map[string]func(net.Conn) net.Conn{
		"a socket":            func(conn net.Conn) net.Conn { return conn },
		"something around it": func(conn net.Conn) net.Conn { return struct{ *net.TCPConn }{conn.(*net.TCPConn)} },
	} {
		t.Run(name, func(t *testing.T) {
			ours, peer := sockets(t, "127.0.0.1")
			testLastWords(t, around(ours), peer)
		})
	}
}

func testLastWords(t *testing.T, ours, peer net.Conn) {
	e := TCP(ours, 0)
	defer e.Close()
	e.Send([]byte("unread")) // so that the peer's close is a reset
	page := pattern(10_000)
	peer.Write(page)
	peer.Close()

	for range 100 { // until the reset is here
		e.Send([]byte("key"))
		if w := e.(*wire); w.broken != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	data, end := listen(e)
	if err := awaitEnd(t, end); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Receive ended with %v", err)
	}
	if !bytes.Equal(data(), page) {
		t.Errorf("%d bytes received of the last %d", len(data()), len(page))
	}
}

// A farewell must not be undone by keys that nobody reads any more.
func TestCloseOverUnreadBytes(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	e := TCP(ours, 0)
	io.WriteString(peer, "keys in vain")
	time.Sleep(10 * time.Millisecond) // most of the time they have arrived by now
	e.Send([]byte("farewell"))
	e.Close()
	got, err := io.ReadAll(peer)
	if string(got) != "farewell" || err != nil {
		t.Errorf("the peer got %q, %v", got, err)
	}
}

// Connections that are no sockets are served too, if less well.
func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peer := net.Pipe()
		e := TCP(ours, time.Minute)
		data, end := listen(e)
		io.WriteString(peer, "3615")
		if !e.Send([]byte("welcome")) {
			t.Error("sent without waiting?")
		}
		go e.Flush()
		expect(t, peer, "welcome")
		peer.Close()
		if err := <-end; err != io.EOF {
			t.Errorf("Receive ended with %v", err)
		}
		if string(data()) != "3615" {
			t.Errorf("received %q", data())
		}
		e.Close()
	})
}

// The stall limit counts from the last progress.
func TestStallLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, peer := net.Pipe()
		defer peer.Close()
		e := TCP(ours, time.Minute)
		_, end := listen(e)
		e.Send(make([]byte, 100))
		go e.Flush()
		for range 5 { // slow, but taking
			time.Sleep(50 * time.Second)
			io.ReadFull(peer, make([]byte, 10))
		}
		last := time.Now()
		if err := <-end; err != session.ErrStalled {
			t.Errorf("Receive ended with %v", err)
		}
		if waited := time.Since(last); waited < time.Minute || waited > 2*time.Minute {
			t.Errorf("gave up after %v", waited)
		}
	})
}

func TestStallIsRenewedBySockets(t *testing.T) {
	const stall = 3 * time.Second
	ours, peer := narrowSockets(t)
	e := TCP(ours, stall)
	defer e.Close()
	n := len(fill(t, e))
	flushed := make(chan struct{})
	start := time.Now()
	go func() {
		e.Flush()
		close(flushed)
	}()
	for step := n/6 + 1; n > 0; n -= step { // for longer than stall
		time.Sleep(stall / 5)
		if _, err := io.ReadFull(peer, make([]byte, min(step, n))); err != nil {
			t.Fatal(err)
		}
	}
	<-flushed
	if took := time.Since(start); took < stall {
		t.Errorf("took %v, too short to show anything", took)
	}
	if err := e.(*wire).ended; err != nil {
		t.Error(err)
	}
}

// A hurried socket notes until when it may be written to.
type hurried struct {
	*net.TCPConn
	until time.Time // no limit if zero
	often int       // that there was one
}

func (h *hurried) SetWriteDeadline(t time.Time) error {
	if h.until = t; !t.IsZero() {
		h.often++
	}
	return h.TCPConn.SetWriteDeadline(t)
}

func TestDeadlineIsGoneAfterFlush(t *testing.T) {
	ours, peer := narrowSockets(t)
	socket := &hurried{TCPConn: ours}
	e := TCP(socket, patience)
	defer e.Close()
	go io.Copy(io.Discard, peer)
	for range 1000 {
		if e.Send(pattern(1000)) {
			e.Flush()
		}
		if !socket.until.IsZero() {
			t.Fatalf("after Flush it may still be written to until %v", socket.until)
		}
	}
	if w := e.(*wire); socket.often == 0 || w.broken != nil || w.ended != nil {
		t.Errorf("it had a deadline %d times: %v, %v", socket.often, w.broken, w.ended)
	}
}
