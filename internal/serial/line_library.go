//go:build windows || darwin || freebsd || openbsd || (linux && library)

package serial

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bugst "go.bug.st/serial"
)

// marks tells that wrong characters come marked. Here they do not.
const marks = false

const (
	// tick is how late a deadline or Close may be for a Read. The library's
	// timeout cannot be changed for a Read that waits.
	tick = 20 * time.Millisecond
	// piece is how many bytes a Write gives to the library, whose Write knows no
	// deadline, at a time.
	piece = 64
)

// port is a line by go.bug.st/serial. Mind that on Unix the library waits with
// select: it panics if the port's descriptor is 1024 or more. A bridge with one
// port never comes there; a gateway with a thousand callers may.
type port struct {
	library     bugst.Port
	closed      atomic.Bool
	read, write deadline
}

func openLine(path string) (Line, error) {
	library, err := bugst.Open(path, mode(1200, ParitySoftware))
	if err != nil {
		return nil, reason(err)
	}
	if err := library.SetReadTimeout(tick); err != nil {
		library.Close()
		return nil, err
	}
	return &port{library: library}, nil
}

func mode(speed int, p Parity) *bugst.Mode {
	m := &bugst.Mode{BaudRate: speed, DataBits: 8, Parity: bugst.NoParity, StopBits: bugst.OneStopBit}
	if p == ParityLine {
		m.DataBits, m.Parity = 7, bugst.EvenParity
	}
	return m
}

// reason gives an error of the library the sense that it has for us.
func reason(err error) error {
	var failed *bugst.PortError
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() {
	case bugst.PortBusy:
		return errBusy
	case bugst.PortNotFound:
		return fs.ErrNotExist
	case bugst.PermissionDenied:
		return fs.ErrPermission
	case bugst.InvalidSerialPort:
		return errors.Join(errNoPort, err)
	case bugst.PortClosed:
		return io.EOF
	}
	return err
}

func (p *port) Read(b []byte) (int, error) {
	for {
		if p.closed.Load() {
			return 0, os.ErrClosed
		}
		n, err := p.library.Read(b)
		switch {
		case n > 0:
			return n, nil
		case p.closed.Load():
			return 0, os.ErrClosed
		case err != nil:
			return 0, reason(err)
		case len(b) == 0:
			return 0, nil
		case p.read.passed():
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (p *port) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		if p.closed.Load() {
			return sent, os.ErrClosed
		}
		if p.write.passed() {
			return sent, os.ErrDeadlineExceeded
		}
		n, err := p.library.Write(b[sent:min(len(b), sent+piece)])
		sent += n
		if err != nil {
			return sent, reason(err)
		}
	}
	return sent, nil
}

func (p *port) Close() error {
	if p.closed.Swap(true) {
		return os.ErrClosed
	}
	p.library.ResetOutputBuffer() // what a Write may wait for
	return p.library.Close()
}

func (p *port) SetReadDeadline(t time.Time) error  { return p.read.set(t) }
func (p *port) SetWriteDeadline(t time.Time) error { return p.write.set(t) }

func (p *port) Set(speed int, parity Parity) error {
	if p.closed.Load() {
		return os.ErrClosed
	}
	return reason(p.library.SetMode(mode(speed, parity)))
}

func (p *port) Queued() (int, error) {
	if p.closed.Load() {
		return 0, os.ErrClosed
	}
	return 0, nil
}

func (p *port) Discard() error {
	if p.closed.Load() {
		return os.ErrClosed
	}
	return errors.Join(p.library.ResetInputBuffer(), p.library.ResetOutputBuffer())
}

// deadline is a point in time, or none.
type deadline struct {
	mu sync.Mutex
	at time.Time
}

func (d *deadline) set(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	return nil
}

func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}
