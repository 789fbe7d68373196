package minitest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"moip/internal/serial"
)

// Inside returns a Minitel whose line is inside the test; Open opens its port. It says that
// it is id, or answers nothing if that is zero.
func Inside(t testing.TB, id [3]byte) *Minitel {
	m := start(t, id, "ttyMinitel")
	m.plug = func() cable {
		w := &wire{}
		w.moved.L = &w.mu
		return w
	}
	m.Plug()
	return m
}

// Open is serial.Open for the port of a Minitel whose line is inside the test.
func (m *Minitel) Open(path string, speed int, parity serial.Parity) (*serial.Port, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, plugged := m.cable.(*wire)
	if !plugged {
		return nil, fs.ErrNotExist
	}
	return serial.New(path, &socket{wire: w}, speed, parity)
}

// wireRoom is how many bytes a wire holds each way, as a system's buffer does.
const wireRoom = 4 << 10

// A wire is the cable of a line inside. Its own methods are the Minitel's end.
type wire struct {
	mu       sync.Mutex
	moved    sync.Cond // whatever changes
	down, up []byte    // on their way to the Minitel, and from it
	rate     int       // of the port, 0 while it is closed
	parity   serial.Parity
	pulled   bool
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.down) == 0 && !w.pulled {
		w.moved.Wait()
	}
	if w.pulled {
		return 0, io.EOF
	}
	return w.take(&w.down, p), nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range p {
		if len(w.up) < wireRoom { // else nobody hears it
			w.up = append(w.up, b)
		}
		if b == 0xFF && w.parity != serial.ParityNone {
			w.up = append(w.up, b) // see serial.Line
		}
	}
	w.moved.Broadcast()
	return len(p), nil
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pulled = true
	w.moved.Broadcast()
	return nil
}

func (w *wire) speed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rate
}

// take moves bytes into p.
func (w *wire) take(from *[]byte, p []byte) int {
	n := copy(p, *from)
	*from = (*from)[n:]
	w.moved.Broadcast()
	return n
}

// A socket is the port's end of a wire.
type socket struct {
	*wire
	closed          bool
	readBy, writeBy deadline
}

func (s *socket) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.up) == 0 && !s.closed && !s.pulled && !s.readBy.passed() {
		s.moved.Wait()
	}
	switch {
	case s.closed:
		return 0, os.ErrClosed
	case s.pulled:
		return 0, io.EOF
	case len(s.up) == 0:
		return 0, os.ErrDeadlineExceeded
	}
	return s.take(&s.up, p), nil
}

func (s *socket) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > n {
		switch {
		case s.closed:
			return n, os.ErrClosed
		case s.pulled:
			return n, io.EOF
		case s.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case len(s.down) == wireRoom:
			s.moved.Wait()
		default:
			more := min(len(p)-n, wireRoom-len(s.down))
			s.down = append(s.down, p[n:n+more]...)
			n += more
			s.moved.Broadcast()
		}
	}
	return n, nil
}

func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.closed, s.rate, s.down = true, 0, nil
	s.moved.Broadcast()
	return nil
}

func (s *socket) SetReadDeadline(t time.Time) error  { return s.until(&s.readBy, t) }
func (s *socket) SetWriteDeadline(t time.Time) error { return s.until(&s.writeBy, t) }

func (s *socket) until(d *deadline, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if *d = (deadline{at: t}); !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), s.moved.Broadcast)
	}
	return nil
}

func (s *socket) Set(speed int, parity serial.Parity) error {
	if parity == serial.ParityLine {
		return errors.New("7 bits are not kept")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.parity = speed, parity
	return nil
}

func (s *socket) Queued() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.down), nil
}

func (s *socket) Discard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.up = nil, nil
	s.moved.Broadcast()
	return nil
}

// A deadline is one for reading or writing.
type deadline struct {
	at    time.Time // zero for none
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
