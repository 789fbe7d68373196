package transport

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A poller waits for many sockets: an epoll instance (epoll(7)), for which in turn the
// runtime's poller waits. Its goroutine is there while there is something to wait for.
type poller struct {
	mu      sync.Mutex
	file    *os.File // the instance, nil if there is none
	fd      int      // of file
	watched []*watch // by descriptor
	n       int      // of them
	last    int32    // number
}

// pollers share the sockets, by descriptor. One does what a core can; with more, what is
// said at one socket waits less for what is said at others.
var pollers = make([]poller, min(runtime.GOMAXPROCS(0), 4))

// add has w watched.
func (p *poller) add(w *watch) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil && !p.start() {
		return false
	}
	p.last++
	w.number = p.last
	if p.control(w, unix.EPOLL_CTL_ADD, incoming) != nil {
		p.rest()
		return false
	}
	for len(p.watched) <= w.fd {
		p.watched = append(p.watched, nil)
	}
	p.watched[w.fd] = w
	p.n++
	return true
}

// wants has w told of room to write, too, or no more.
func (p *poller) wants(w *watch, room bool) {
	events := uint32(incoming)
	if room {
		events |= unix.EPOLLOUT
	}
	p.control(w, unix.EPOLL_CTL_MOD, events)
}

func (p *poller) control(w *watch, op int, events uint32) error {
	return unix.EpollCtl(p.fd, op, w.fd, &unix.EpollEvent{Events: events, Fd: int32(w.fd), Pad: w.number})
}

// close closes the socket, which thus is watched no more.
func (p *poller) close(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watched[w.fd] = nil
	p.n--
	unix.Close(w.fd)
	p.rest()
}

// start makes the instance, with the lock held.
func (p *poller) start() bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	unix.SetNonblock(fd, true) // or os would not have the runtime wait for it
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return false
	}
	p.file, p.fd = file, fd
	go p.run(raw)
	return true
}

// rest has the goroutine look whether it is needed, if it is not, with the lock held.
func (p *poller) rest() {
	if p.n == 0 {
		p.file.SetReadDeadline(time.Unix(1, 0))
	}
}

// run waits, and tells those for whom something has happened.
func (p *poller) run(raw syscall.RawConn) {
	var b batch
	for !p.over() {
		raw.Read(func(fd uintptr) bool {
			for p.poll(int(fd), &b) == len(b.events) {
			}
			return false // until there is a deadline
		})
	}
}

// over reports whether there is nothing to wait for, and the goroutine is to end.
func (p *poller) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n > 0 {
		p.file.SetReadDeadline(time.Time{})
		return false
	}
	p.file.Close()
	p.file, p.watched = nil, nil
	return true
}

// A batch is what has happened.
type batch struct {
	events [64]unix.EpollEvent
	to     [64]*watch
}

// poll tells of what has happened, if anything, and returns how much.
func (p *poller) poll(fd int, b *batch) int {
	n := pollNow(fd, b.events[:])
	p.find(b, n)
	for i, w := range b.to[:n] {
		if w != nil {
			w.happened(b.events[i].Events)
		}
	}
	clear(b.to[:n])
	return n
}

// find finds out to whom it has. A descriptor may be another's by now.
func (p *poller) find(b *batch, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range b.events[:n] {
		if w := p.watched[e.Fd]; w != nil && w.number == e.Pad {
			b.to[i] = w
		}
	}
}
