//go:build linux && !library

package serial

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// marks tells that wrong characters come marked.
const marks = true

var flags = map[int]uint32{300: unix.B300, 1200: unix.B1200, 4800: unix.B4800, 9600: unix.B9600}

var errNotSeven = errors.New("the adapter does not keep 7 bits with even parity: parity software makes them here")

// tty is a line by termios. The file is in the runtime's poller, which gives
// deadlines, and a Close that ends Read and Write.
type tty struct {
	*os.File
	former unix.Termios // as it was found
}

func openLine(path string) (Line, error) {
	// Non-blocking, or open would wait for a modem to have carrier.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, reason(err)
	}
	t := &tty{File: os.NewFile(uintptr(fd), path)}
	if err := t.seize(fd); err != nil {
		t.File.Close()
		return nil, reason(err)
	}
	return t, nil
}

// seize makes the port ours, or leaves it as it is.
func (t *tty) seize(fd int) error {
	former, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return errors.Join(errNoPort, err) // a phantom, such as most of a PC's ttyS, fails here
	}
	t.former = *former
	// The lock binds those who ask for it, as picocom and pyserial do, and root
	// too; TIOCEXCL binds all but root.
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0)
}

// reason gives an error of open the sense that it has for a port.
func reason(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK):
		return errBusy
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return os.ErrNotExist // the file outlived its device
	case errors.Is(err, unix.EISDIR):
		return errNoPort
	}
	return err
}

// with runs f on the descriptor, which stays open meanwhile.
func (t *tty) with(f func(fd int) error) error {
	conn, err := t.SyscallConn()
	if err != nil {
		return err
	}
	if failed := conn.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return os.ErrClosed
	}
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENODEV) {
		return io.EOF
	}
	return err
}

func (t *tty) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENODEV) {
		err = io.EOF
	}
	return n, err
}

func (t *tty) Set(speed int, p Parity) error {
	want := raw(t.former, flags[speed], p)
	return t.with(func(fd int) error {
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, &want); err != nil {
			return err
		}
		// The call succeeds if it could set anything at all.
		kept, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		const character = unix.CSIZE | unix.PARENB | unix.PARODD
		switch {
		case kept.Cflag&unix.CBAUD != want.Cflag&unix.CBAUD:
			return fmt.Errorf("the adapter does not do %d bit/s", speed)
		case kept.Cflag&character == want.Cflag&character:
			return nil
		case p == ParityLine:
			return errNotSeven
		}
		return errors.New("the adapter does not keep 8 bits without parity")
	})
}

// raw is t with nothing between the line and us: no editing, no translation,
// no flow control, no modem.
func raw(t unix.Termios, speed uint32, p Parity) unix.Termios {
	t.Oflag, t.Lflag = 0, 0
	t.Iflag = unix.INPCK | unix.PARMRK
	if p == ParityNone {
		t.Iflag = 0
	}
	t.Cflag &^= unix.CSIZE | unix.PARENB | unix.PARODD | unix.CMSPAR | unix.CSTOPB | unix.CRTSCTS | unix.CBAUD | unix.CIBAUD
	t.Cflag |= unix.CREAD | unix.CLOCAL | speed
	if p == ParityLine {
		t.Cflag |= unix.CS7 | unix.PARENB
	} else {
		t.Cflag |= unix.CS8
	}
	// With VMIN 0, an empty buffer would be the end of the file.
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return t
}

func (t *tty) Queued() (n int, err error) {
	err = t.with(func(fd int) error {
		n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		return err
	})
	return n, err
}

func (t *tty) Discard() error {
	return t.with(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH) })
}

func (t *tty) Close() error {
	t.with(func(fd int) error {
		// Closing would wait for output, up to half a minute.
		unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH)
		unix.IoctlSetInt(fd, unix.TIOCNXCL, 0)
		return unix.IoctlSetTermios(fd, unix.TCSETS, &t.former)
	})
	return t.File.Close()
}
