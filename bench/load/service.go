// Package load plays callers and a service, tens of thousands of each in one process, and
// measures what callers see. There is a goroutine for the service and one for callers, and
// none a call, so that it takes little of the machine from what is between them.
//
// A caller types keys that no other key is like, so that it makes no difference whether
// a gateway splits or joins what it relays, and none can be lost, doubled, or come back in
// another call unnoticed.
package load

import (
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What a caller asks the service for. Anything else it repeats.
const (
	askPage = 'P'
	askBulk = 'E' // pages, one after another, as fast as they are taken
)

// pageEnd is the last byte of a page, and in it no other: it shows the cursor, as pages
// do that wait for a key.
const pageEnd = 0x11

// PageEnd is the same, to look for.
const PageEnd = string(rune(pageEnd))

// page has a thousand bytes, of text in colours.
var page = func() []byte {
	text := "\f" + strings.Repeat("\x1BCMinitel", 112)
	return []byte(text[:998] + " " + string(rune(pageEnd)))
}()

// A Service repeats what it is told, unless that asks for pages.
type Service struct {
	loop   *loop
	speaks Protocol
	greets bool
	door   int
	addr   string
	calls  map[*end]struct{} // the loop's
}

// Serve opens a service at a free port. One that greets gives each caller a page, unasked.
func Serve(speaks Protocol, greets bool) (*Service, error) {
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	s := &Service{loop: l, speaks: speaks, greets: greets, calls: make(map[*end]struct{})}
	if err := s.open(); err != nil {
		l.close()
		return nil, err
	}
	return s, nil
}

func (s *Service) open() error {
	door, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	err = unix.Bind(door, &unix.SockaddrInet4{Addr: loopback})
	if err == nil {
		err = unix.Listen(door, 4096)
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(door)
	}
	if err != nil {
		unix.Close(door)
		return os.NewSyscallError("bind or listen", err)
	}
	s.door = door
	s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(at.(*unix.SockaddrInet4).Port))
	watched := make(chan error, 1)
	s.loop.do(func() { watched <- s.loop.watch(door, unix.EPOLLIN, func(uint32) { s.accept() }) })
	return <-watched
}

var loopback = [4]byte{127, 0, 0, 1}

// Addr is where the service is.
func (s *Service) Addr() string { return s.addr }

// Close ends the service and its calls.
func (s *Service) Close() { s.loop.close() }

// SendAll sends a page to everybody, unasked.
func (s *Service) SendAll() {
	s.loop.do(func() {
		for e := range s.calls {
			if err := e.send(page); err != nil {
				e.fail(err)
			}
		}
	})
}

func (s *Service) accept() {
	for {
		fd, _, err := unix.Accept4(s.door, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // nobody any more; or, out of descriptors, callers wait in vain, and say so
		}
		noDelay(fd)
		e := &end{loop: s.loop, fd: fd, speaks: s.speaks}
		s.calls[e] = struct{}{}
		e.opened = func() {
			if s.greets {
				e.send(page)
			}
		}
		e.heard = func(p []byte) {
			if err := s.answer(e, p); err != nil {
				e.fail(err)
			}
		}
		e.lost = func(error) { delete(s.calls, e) }
		if err := e.begin(); err != nil {
			unix.Close(fd)
		}
	}
}

// answer does what the service is asked for. Whoever asks waits for the answer before it
// says anything else, so only the first byte need be looked at.
func (s *Service) answer(e *end, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	switch p[0] {
	case askPage:
		return e.send(page)
	case askBulk:
		// The kernel would take megabytes, and with them the time of what is measured.
		unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)
		e.room = func() { s.fill(e) }
		s.fill(e)
		return nil
	}
	return e.send(p)
}

// fill sends pages until no more are taken.
func (s *Service) fill(e *end) {
	for !e.closed && len(e.rest) == 0 {
		if err := e.send(page); err != nil {
			e.fail(err)
		}
	}
}

func noDelay(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }
