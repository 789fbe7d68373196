package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take that must happen.
const patience = 30 * time.Second

// A Line is how callers call.
type Line struct {
	To     string // an address, of IPv4
	Speaks Protocol
	Path   string // with a query, "/" if it is empty
	// Strange: it is not a Service that answers, so that its page is what comes unasked,
	// and its echo is whatever comes after a key.
	Strange bool
	Brief   bool // callers type a key when they come, and ask for no page before
	Slow    bool // takes little from the network, and reads nothing before ReadSlowly
}

// Callers are those of one line. Its methods are for one goroutine, which waits in them,
// but for Close and Heard.
type Callers struct {
	line   Line
	to     *unix.SockaddrInet4
	loop   *loop
	failed chan error // the first failure
	heard  atomic.Int64

	// Owned by the loop, but for its length, which only Call changes.
	calls []*caller
	job   job
}

// A job is what callers are doing.
type job interface {
	// hear is told what a caller was sent. p is valid until it returns.
	hear(c *caller, p []byte) error
}

// A caller is one of them.
type caller struct {
	*end
	number int
	token  [tokenSize]byte // what has come of one
	come   int             // how many bytes of it
	stage  int             // of being greeted
}

// New returns nobody yet, on a line.
func New(line Line) (*Callers, error) {
	at, err := net.ResolveTCPAddr("tcp4", line.To)
	if err != nil {
		return nil, err
	}
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	if line.Path == "" {
		line.Path = "/"
	}
	return &Callers{
		line:   line,
		to:     &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())},
		loop:   l,
		failed: make(chan error, 1),
	}, nil
}

// Len is how many there are.
func (c *Callers) Len() int { return len(c.calls) }

// Heard is how many bytes they have been sent.
func (c *Callers) Heard() int64 { return c.heard.Load() }

// Close ends all calls, abruptly.
func (c *Callers) Close() { c.loop.close() }

// Local is the address from which a caller calls.
func (c *Callers) Local(number int) string {
	at, err := unix.Getsockname(c.calls[number].fd)
	if at, ok := at.(*unix.SockaddrInet4); ok && err == nil {
		return fmt.Sprintf("%s:%d", net.IP(at.Addr[:]), at.Port)
	}
	return ""
}

// Pass waits for a while, or for a call to fail.
func (c *Callers) Pass(ctx context.Context, d time.Duration) error {
	return c.await(ctx, nil, d)
}

// await waits until done is closed; at most for d, which is an error unless done is nil.
func (c *Callers) await(ctx context.Context, done <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-c.failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return nil
	case <-timer.C:
		if done == nil {
			return nil
		}
		return errPatience
	}
}

var errPatience = fmt.Errorf("not done after %v", patience)

// start makes j what callers do, and has begin run by the loop.
func (c *Callers) start(j job, begin func() error) {
	c.loop.do(func() {
		c.job = j
		if err := begin(); err != nil {
			c.fail(err)
		}
	})
}

func (c *Callers) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// open has a caller call, from the address of the from-th. It is for the loop, which is
// told by came what has become of that, and by opened when the other side has answered.
func (c *Callers) open(number, from int, opened func(*caller), came func(*caller, error)) {
	if c.line.Speaks == WSS {
		go c.secure(number, from, opened, came)
		return
	}
	fd, err := c.dial(from)
	if err != nil {
		came(nil, fmt.Errorf("call %d: %w", number, err))
		return
	}
	came(c.adopt(number, fd, func(*end) {}, opened))
}

// dial waits for the kernel to connect them, which on the loopback takes no time.
func (c *Callers) dial(n int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if c.line.Slow {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
	}
	noDelay(fd)
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: source(n)}))
	if err == nil {
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)})
		err = os.NewSyscallError("connect", connect(fd, c.to))
	}
	if err == nil {
		err = os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
	}
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// connect goes on when a signal comes, by which Go's scheduler interrupts us.
func connect(fd int, to unix.Sockaddr) error {
	err := unix.Connect(fd, to)
	for err == unix.EINTR {
		err = unix.Connect(fd, to)
	}
	if err == unix.EISCONN {
		return nil
	}
	return err
}

// source is the address of the n-th caller: a thousand have the same, which has not many
// more ports.
func source(n int) [4]byte { return [4]byte{127, 0, byte(n / 1000 / 250), byte(2 + n/1000%250)} }

// adopt makes a connection a caller, which prepare completes.
func (c *Callers) adopt(number, fd int, prepare func(*end), opened func(*caller)) (*caller, error) {
	one := &caller{number: number}
	one.end = &end{
		loop:   c.loop,
		fd:     fd,
		speaks: c.line.Speaks,
		caller: true,
		opened: func() { opened(one) },
		heard: func(p []byte) {
			c.heard.Add(int64(len(p)))
			if err := c.job.hear(one, p); err != nil {
				c.fail(fmt.Errorf("call %d: %w", one.number, err))
			}
		},
		lost: func(err error) { c.fail(fmt.Errorf("call %d has ended: %w", one.number, err)) },
	}
	prepare(one.end)
	if err := one.begin(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if c.line.Speaks != TCP {
		return one, one.ask(c.line.To, c.line.Path)
	}
	return one, nil
}

// Call adds n callers, each of whom has had a page and a key when it returns.
func (c *Callers) Call(ctx context.Context, n int) error {
	g := &greeting{c: c, next: len(c.calls), left: n, done: make(chan struct{})}
	c.calls = append(c.calls, make([]*caller, n)...)
	g.end = len(c.calls)
	c.start(g, func() error {
		for range 64 { // at a time
			g.dial()
		}
		return nil
	})
	// A page and a key each take no time, but TLS does.
	return c.await(ctx, g.done, patience+time.Duration(n)*5*time.Millisecond)
}

// A greeting is that callers call, are shown a page, and type a key.
type greeting struct {
	c         *Callers
	next, end int // numbers
	left      int // to be greeted
	done      chan struct{}
}

// dial calls the next one, if there is any.
func (g *greeting) dial() {
	if g.next == g.end {
		return
	}
	n := g.next
	g.next++
	g.c.open(n, n, g.opened, func(one *caller, err error) {
		if err != nil {
			g.c.fail(err)
			return
		}
		g.c.calls[n] = one
	})
}

func (g *greeting) opened(one *caller) {
	var err error
	switch {
	case g.c.line.Strange:
	case g.c.line.Brief:
		one.stage = 1
		err = one.send(token(0))
	default:
		err = one.send([]byte{askPage})
	}
	if err != nil {
		g.c.fail(err)
	}
}

// hear waits for the page, and then for the key.
func (g *greeting) hear(one *caller, p []byte) error {
	switch one.stage {
	case 0:
		if !g.c.line.Strange && bytes.IndexByte(p, pageEnd) < 0 {
			return nil
		}
		one.stage = 1
		if g.c.line.Strange {
			return one.send([]byte("A"))
		}
		return one.send(token(0))
	case 1:
		if !g.c.line.Strange {
			if any, err := one.hears(p, func(int) error { return nil }); !any || err != nil {
				return err
			}
		}
		one.stage = 2
		if g.left--; g.left == 0 {
			close(g.done)
		}
		g.dial()
	}
	return nil
}

// Pages waits until every caller has been shown a page, which send has sent to all, and
// returns how long that took each, sorted.
func (c *Callers) Pages(ctx context.Context, send func()) ([]time.Duration, error) {
	w := &waiting{left: len(c.calls), seen: make([]bool, len(c.calls)), done: make(chan struct{})}
	c.start(w, func() error {
		w.began = time.Now()
		send()
		return nil
	})
	if err := c.await(ctx, w.done, patience); err != nil {
		return nil, err
	}
	return w.took, nil // sorted as they came
}

// A waiting is that all callers wait for a page.
type waiting struct {
	began time.Time
	left  int
	seen  []bool
	took  []time.Duration
	done  chan struct{}
}

func (w *waiting) hear(one *caller, p []byte) error {
	if bytes.IndexByte(p, pageEnd) < 0 || w.seen[one.number] {
		return nil
	}
	w.seen[one.number] = true
	w.took = append(w.took, time.Since(w.began))
	if w.left--; w.left == 0 {
		close(w.done)
	}
	return nil
}

// Listen has f told by the loop what callers are sent. p is valid until f returns.
func (c *Callers) Listen(f Listener) { c.start(f, func() error { return nil }) }

// A Listener is told what a caller is sent.
type Listener func(number int, p []byte)

func (f Listener) hear(one *caller, p []byte) error {
	f(one.number, p)
	return nil
}

// Send has a caller type something, which is not waited for.
func (c *Callers) Send(number int, p []byte) {
	c.loop.do(func() {
		if err := c.calls[number].send(p); err != nil {
			c.fail(fmt.Errorf("call %d: %w", number, err))
		}
	})
}

// Ask has callers ask for a page, one after another, evenly, so that each has asked once
// in every d, until ctx ends.
func (c *Callers) Ask(ctx context.Context, d time.Duration) {
	ticks := time.NewTicker(max(d/time.Duration(len(c.calls)), time.Millisecond))
	defer ticks.Stop()
	began, asked := time.Now(), 0
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticks.C:
			for due := int(float64(len(c.calls)) * float64(time.Since(began)) / float64(d)); asked < due; asked++ {
				c.Send(asked%len(c.calls), []byte{askPage})
			}
		}
	}
}

// AskBulk has all callers ask for pages without end.
func (c *Callers) AskBulk() {
	for i := range c.calls {
		c.Send(i, []byte{askBulk})
	}
}

// ReadSlowly has all callers ask for pages without end, and read so many bytes a second.
func (c *Callers) ReadSlowly(rate int) error {
	if !c.line.Slow || c.line.Speaks == WSS {
		return errors.New("these callers read all that comes")
	}
	c.start(Listener(func(int, []byte) {}), func() error {
		for _, one := range c.calls {
			if err := one.send([]byte{askBulk}); err != nil {
				return err
			}
			c.loop.change(one.fd, 0)
		}
		// Ten times a second, as a terminal does that has a small buffer.
		some := make([]byte, rate/10)
		_, err := c.loop.every(time.Second/10, func() {
			for _, one := range c.calls {
				if one.closed {
					continue
				}
				n, err := one.end.Read(some)
				c.heard.Add(int64(max(n, 0)))
				if err != nil && !errors.As(err, new(errAgain)) {
					one.fail(err)
				}
			}
		})
		return err
	})
	return nil
}
