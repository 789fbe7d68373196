package transport

import (
	"net"
	"sync/atomic"

	"moip/internal/tcpsocket"

	"golang.org/x/sys/unix"
)

// A watch is a watcher of a socket. Its descriptor is our own: as long as it were net's, the
// runtime's poller would be woken by all that comes, too.
type watch struct {
	fd     int
	number int32 // tells it from whose descriptor it has inherited
	by     *poller
	wake   func()

	state  atomic.Int32
	ending atomic.Bool                   // there is an end to be read, behind the bytes
	dry    bool                          // nothing was left when it was read last; owned by Receive
	wants  bool                          // to be told of room; guarded by the wire's mutex
	free   atomic.Pointer[chan struct{}] // where that is told; nil before there was none
}

// What Receive does.
const (
	awake     = iota // reads, or is about to
	signalled        // likewise, and something has come since it did
	asleep           // has to be woken
)

// What is watched for, and told (epoll_ctl(2)). Edges are enough: Receive reads until
// nothing is there.
const (
	incoming = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	theEnd   = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
)

// startWatch takes over the socket that conn is, or is around. If there is none, or it
// cannot be watched, it returns nil, and conn is as it was.
func startWatch(conn net.Conn, wake func()) watcher {
	tcp := tcpsocket.Of(conn)
	if tcp == nil {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	w := &watch{wake: wake}
	refused := raw.Control(func(fd uintptr) { w.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if refused != nil || err != nil {
		return nil
	}
	if w.by = &pollers[w.fd%len(pollers)]; !w.by.add(w) {
		unix.Close(w.fd)
		return nil
	}
	tcp.Close() // ends nothing, for ours is open
	return w
}

func (w *watch) read(p []byte) (n int, err error) {
	if !w.state.CompareAndSwap(signalled, awake) && w.dry {
		return 0, errAgain
	}
	n, err = readNow(uintptr(w.fd), p)
	// What could have had more and has not, is dry (epoll(7)); but an end may be all that
	// is left, and have been told of before.
	w.dry = err == errAgain || n < len(p) && !w.ending.Load()
	return n, err
}

func (w *watch) write(p []byte) (int, error) { return w.written(writeNow(uintptr(w.fd), p)) }

// hold has the kernel wait for more, up to 200 ms (tcp(7), TCP_CORK).
func (w *watch) hold(p []byte) (int, error) { return w.written(holdNow(uintptr(w.fd), p)) }

// written sees to it that there is room told of after errAgain.
func (w *watch) written(n int, err error) (int, error) {
	if full := err == errAgain; full != w.wants {
		if w.wants = full; full && w.free.Load() == nil {
			free := make(chan struct{}, 1)
			w.free.Store(&free)
		}
		w.by.wants(w, full)
	}
	return n, err
}

func (w *watch) room() <-chan struct{} { return *w.free.Load() }

func (w *watch) sleep() bool { return w.state.CompareAndSwap(awake, asleep) }

func (w *watch) rouse() { w.signal(func() { go w.wake() }) }

// signal has Receive look again, by wake if it does not anyway.
func (w *watch) signal(wake func()) {
	for {
		switch {
		case w.state.CompareAndSwap(asleep, signalled):
			wake()
			return
		case w.state.CompareAndSwap(awake, signalled), w.state.Load() == signalled:
			return
		}
	}
}

// happened is told by the poller what has.
func (w *watch) happened(events uint32) {
	if events&theEnd != 0 {
		w.ending.Store(true)
	}
	if events&(unix.EPOLLOUT|theEnd) != 0 {
		w.hasRoom()
	}
	if events&^unix.EPOLLOUT != 0 {
		w.signal(w.wake)
	}
}

func (w *watch) hasRoom() {
	free := w.free.Load()
	if free == nil {
		return // nobody waits
	}
	select {
	case *free <- struct{}{}:
	default: // it is known
	}
}

func (w *watch) closeRead() {
	unix.Shutdown(w.fd, unix.SHUT_RD)
	w.ending.Store(true)
	w.rouse()
}

func (w *watch) closeWrite() { unix.Shutdown(w.fd, unix.SHUT_WR) }

func (w *watch) close() {
	w.by.close(w)
	w.hasRoom()
	w.rouse()
}

// holdNow is writeNow for what more is to follow soon.
func holdNow(fd uintptr, p []byte) (int, error) { return now("send", hold, fd, p) }
