// Package serial opens serial ports for lines that carry seven bits and even
// parity, as a Minitel's socket does. It knows ports, speeds and parity, and
// nothing of what is at the other end.
//
// On Linux it goes by termios alone. On macOS, Windows, FreeBSD and OpenBSD it
// stands on go.bug.st/serial, which differs in a few ways told below.
package serial

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Parity says who makes and checks the parity of a character. On the line,
// seven bits with even parity look the same whoever made them.
type Parity string

const (
	ParityAuto     Parity = "auto"     // line if the adapter keeps that setting, software otherwise
	ParityLine     Parity = "line"     // 7E1 by the UART
	ParitySoftware Parity = "software" // 8N1 on the UART, even parity made and checked here in bit 7
	ParityNone     Parity = "none"     // 8N1, bytes as they are
)

// speeds are those of a Minitel's socket, in bit/s.
var speeds = []int{300, 1200, 4800, 9600}

// usbDelay is what may pass between a byte's leaving the kernel and its being on
// the line, apart from waiting for those before it.
const usbDelay = 10 * time.Millisecond

// A Line is a port as the system has it. Its methods may be called at any time
// from any goroutine; after Close they fail with os.ErrClosed.
type Line interface {
	// Read fails with io.EOF when the port is gone. On Linux, unless parity is none,
	// bytes come marked as PARMRK has them: 0xFF is doubled (termios(3)).
	Read(b []byte) (int, error)
	Write(b []byte) (int, error) // waits while the system's buffer is full
	Close() error                // ends Read and Write, does not wait for output
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// Set puts speed, in bit/s, and parity, never auto, in force at once. If it fails,
	// they may be anything.
	Set(speed int, p Parity) error
	// Queued counts the bytes that the system has yet to send, 0 where it does
	// not tell.
	Queued() (int, error)
	// Discard throws away what was received and not read, and what is not sent.
	Discard() error
}

// A Port is an open serial port. Reading is for one goroutine at a time; all
// else may be called from any.
type Port struct {
	path    string
	line    Line
	wrong   atomic.Uint64
	closed  chan struct{}
	closing sync.Once
	writing sync.Mutex // held while a Write waits

	mu      sync.Mutex // guards what follows, never held for long
	speed   int
	decoder decoder
	// The time when all that was written has been on the line, if it went out
	// without a pause. The kernel does not know what an adapter keeps in its
	// chip, which is seconds' worth at 300 bit/s.
	clear time.Time
}

// Open opens the port at path, for this program alone, at 300, 1200, 4800 or
// 9600 bit/s. Its errors are fit to be shown: they name the port and say what
// can be done.
func Open(path string, speed int, p Parity) (*Port, error) {
	if err := check(speed, p); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l, err := openLine(path)
	if err != nil {
		return nil, explain(path, err)
	}
	return New(path, l, speed, p)
}

// New returns the port that has l, which it closes if it fails. Speed and parity are those
// of Open; path is what its errors call it.
func New(path string, l Line, speed int, p Parity) (*Port, error) {
	port := &Port{path: path, line: l, closed: make(chan struct{}), speed: speed}
	if err := port.SetParity(p); err != nil {
		l.Close()
		return nil, err
	}
	return port, nil
}

func check(speed int, p Parity) error {
	if !slices.Contains(speeds, speed) {
		return fmt.Errorf("%d bit/s is not a speed of a Minitel: 300, 1200, 4800 or 9600", speed)
	}
	switch p {
	case ParityAuto, ParityLine, ParitySoftware, ParityNone:
		return nil
	}
	return fmt.Errorf("parity %q is not known: auto, line, software or none", string(p))
}

// Parity is the one in force: line, software or none.
func (p *Port) Parity() Parity {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.decoder.parity
}

// SetParity changes the parity at once. If it fails, the former one stays in
// force.
//
// An adapter may claim to do 7E1 and not do it: then nothing sensible arrives
// under ParityLine, and ParitySoftware is worth trying.
func (p *Port) SetParity(parity Parity) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := check(p.speed, parity); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	try := []Parity{parity}
	if parity == ParityAuto && marks {
		try = []Parity{ParityLine, ParitySoftware}
	} else if parity == ParityAuto {
		try = []Parity{ParitySoftware} // sees wrong characters, which the UART would keep to itself
	}
	var err error
	for _, parity := range try {
		if err = p.line.Set(p.speed, parity); err == nil {
			p.decoder = decoder{parity: parity, marks: marks && parity != ParityNone}
			return nil
		}
	}
	if p.decoder.parity != "" {
		p.line.Set(p.speed, p.decoder.parity)
	}
	return explain(p.path, err)
}

// Speed is the line's, in bit/s.
func (p *Port) Speed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.speed
}

// SetSpeed changes the speed at once: what is not on the line yet goes out at
// the new one. Drain before. If it fails, the former speed stays.
func (p *Port) SetSpeed(speed int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := check(speed, p.decoder.parity); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	if err := p.line.Set(speed, p.decoder.parity); err != nil {
		p.line.Set(p.speed, p.decoder.parity)
		return explain(p.path, err)
	}
	p.speed = speed
	return nil
}

// Read waits for bytes. One that came with wrong parity, without its stop bit,
// or as a break is 0x80 or above, all others are below; under ParityNone any
// byte may be any. It fails with io.EOF when the port is gone, as an adapter that is
// pulled out; with os.ErrDeadlineExceeded at the deadline; with os.ErrClosed
// after Close.
//
// Where the port stands on go.bug.st/serial, a missing stop bit and a break are
// not told from other bytes, nor is wrong parity under ParityLine.
func (p *Port) Read(b []byte) (int, error) {
	for {
		n, err := p.line.Read(b)
		p.mu.Lock()
		n, wrong := p.decoder.decode(b[:n])
		p.mu.Unlock()
		p.wrong.Add(uint64(wrong))
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// SetReadDeadline ends a Read that waits, as for a net.Conn.
func (p *Port) SetReadDeadline(t time.Time) error { return p.line.SetReadDeadline(t) }

// Write sends the low seven bits of each byte, or all eight under ParityNone. It
// waits while the system's buffer is full, until the write deadline or Close.
func (p *Port) Write(b []byte) (int, error) {
	p.writing.Lock()
	defer p.writing.Unlock()
	if p.Parity() == ParitySoftware {
		b = withParity(b)
	}
	began := time.Now()
	n, err := p.line.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clear.Before(began) {
		p.clear = began
	}
	p.clear = p.clear.Add(time.Duration(n) * p.character())
	return n, err
}

// SetWriteDeadline ends a Write that waits, as for a net.Conn. Where the port
// stands on go.bug.st/serial, it is late by what a few characters take, and does
// not end a Write on an adapter that takes nothing any more; Close does.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.line.SetWriteDeadline(t) }

// Pending counts the bytes written that are not on the line yet: those that the
// system has, or those that cannot have left in the time, if that is more.
func (p *Port) Pending() int {
	n, _ := p.pending()
	return n
}

func (p *Port) pending() (int, error) {
	queued, err := p.line.Queued()
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := time.Until(p.clear)
	return max(queued, int((wait+p.character()-1)/p.character())), err
}

// Drain waits until what was written is on the line. That takes its time at the
// line's speed; if it takes a second more, it gives up and says so. Nothing may
// be written meanwhile.
func (p *Port) Drain() error {
	left, err := p.pending()
	p.mu.Lock()
	limit := time.Now().Add(time.Duration(left)*p.character() + time.Second)
	p.mu.Unlock()
	for err == nil && left > 0 {
		if time.Now().After(limit) {
			return fmt.Errorf("%s: the port does not send: %d bytes left", p.path, left)
		}
		if err = p.sleep(usbDelay); err == nil {
			left, err = p.pending()
		}
	}
	if err == nil {
		err = p.sleep(usbDelay)
	}
	return explain(p.path, err)
}

// Discard throws away what was received and not read, and what is written and not
// on the line. What an adapter has in its chip may still come.
func (p *Port) Discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear = time.Time{}
	p.decoder.seen = 0
	return explain(p.path, p.line.Discard())
}

// WrongParity counts the bytes read so far that came wrong, as Read tells.
func (p *Port) WrongParity() uint64 { return p.wrong.Load() }

// Close ends Read and Write, throws away what is not on the line, and gives the
// port back with the settings that it had, on Linux, or with those it has.
func (p *Port) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return p.line.Close()
}

// character is what one takes on the line: ten bits. The caller holds p.mu.
func (p *Port) character() time.Duration { return 10 * time.Second / time.Duration(p.speed) }

func (p *Port) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.closed:
		return os.ErrClosed
	}
}
