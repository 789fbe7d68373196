package load

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A loop is a goroutine that waits for many sockets, and does what is to be done with
// each. All that belongs to them is its own, so none of that is locked. Sockets are raw
// descriptors, which Go's poller does not know: waiting there costs a goroutine for each,
// and a scheduler that shows in what is measured.
type loop struct {
	epoll int
	bell  int // an eventfd: there are tasks
	gone  chan struct{}

	// Owned by the goroutine.
	ready  map[int32]func(events uint32) // by descriptor
	buffer []byte                        // for what is read, until the next read
	events [256]unix.EpollEvent

	mu    sync.Mutex
	tasks []func() // nil once the loop ends
	ended bool
}

func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &loop{
		epoll:  epoll,
		bell:   bell,
		gone:   make(chan struct{}),
		ready:  make(map[int32]func(uint32)),
		buffer: make([]byte, 64<<10),
	}
	if err := l.watch(bell, unix.EPOLLIN, func(uint32) { l.answerBell() }); err != nil {
		unix.Close(bell)
		unix.Close(epoll)
		return nil, err
	}
	processors(1)
	go l.run()
	return l, nil
}

func (l *loop) run() {
	defer close(l.gone)
	defer processors(-1)
	for !l.over() {
		for _, e := range l.wait() {
			// Missing: whatever was before it among these events has closed it.
			if ready := l.ready[e.Fd]; ready != nil {
				ready(e.Events)
			}
		}
	}
	for fd := range l.ready {
		unix.Close(int(fd))
	}
	unix.Close(l.epoll)
}

// wait waits in the kernel without a word to Go's scheduler. That would take this goroutine's
// processor for others, and give it back, thousands of times a second, which costs twice what
// all the rest does. So each loop has a processor more; and what is to stop it does so by a
// signal.
func (l *loop) wait() []unix.EpollEvent {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll),
		uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), ^uintptr(0), 0, 0)
	switch err {
	case 0:
		return l.events[:n]
	case unix.EINTR:
		return nil
	}
	panic("bench: epoll_pwait: " + err.Error()) // a descriptor of ours is not what we think
}

// processors gives Go's scheduler some more, or takes them.
func processors(more int) {
	scheduling.Lock()
	defer scheduling.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + more)
}

var scheduling sync.Mutex

func (l *loop) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// do has f run by the loop, soon, and reports whether there still is one.
func (l *loop) do(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.tasks = append(l.tasks, f)
	l.ring()
	return true
}

func (l *loop) ring() {
	unix.Write(l.bell, binary.NativeEndian.AppendUint64(nil, 1))
}

func (l *loop) answerBell() {
	var n [8]byte
	unix.Read(l.bell, n[:])
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

// close ends the loop, and closes all its descriptors.
func (l *loop) close() {
	l.mu.Lock()
	if !l.ended {
		l.ended = true
		l.ring()
	}
	l.mu.Unlock()
	<-l.gone
}

// watch has ready called whenever fd is, which is the loop's from then on.
func (l *loop) watch(fd int, events uint32, ready func(events uint32)) error {
	err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	l.ready[int32(fd)] = ready
	return nil
}

// change changes what is waited for.
func (l *loop) change(fd int, events uint32) {
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// forget closes fd.
func (l *loop) forget(fd int) {
	delete(l.ready, int32(fd))
	unix.Close(fd)
}

// every has f called again and again, more often than a time.Ticker can, which on Linux
// is once in a millisecond. It returns how that is ended.
func (l *loop) every(d time.Duration, f func()) (stop func(), err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := unix.NsecToTimespec(int64(d))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: t, Value: t}, nil); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("timerfd_settime", err)
	}
	err = l.watch(fd, unix.EPOLLIN, func(uint32) {
		var n [8]byte
		if _, err := unix.Read(fd, n[:]); err == nil {
			f()
		}
	})
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return func() { l.forget(fd) }, nil
}

var errClosed = errors.New("it has been closed")
