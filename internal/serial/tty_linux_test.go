//go:build !library

package serial

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLineParityRefused(t *testing.T) {
	peer, path := terminal(t)
	_, err := Open(path, 1200, ParityLine)
	if !errors.Is(err, errNotSeven) || !strings.Contains(err.Error(), "parity software") {
		t.Errorf("%v", err)
	}
	port, err := Open(path, 1200, ParityNone)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if err := port.SetParity(ParityLine); err == nil || port.Parity() != ParityNone {
		t.Errorf("%v, parity %s", err, port.Parity())
	}
	if got := termios(t, peer); got.Iflag&unix.PARMRK != 0 {
		t.Error("the former parity is not in force any more")
	}
}

// The whole of what 7E1 asks of a UART, which no pseudo-terminal keeps.
func TestRawLine(t *testing.T) {
	got := raw(unix.Termios{Cflag: unix.CS8 | unix.CSTOPB | unix.PARODD | unix.CRTSCTS | unix.B9600 | unix.HUPCL, Iflag: unix.IXON, Lflag: unix.ECHO, Oflag: unix.OPOST}, unix.B1200, ParityLine)
	want := unix.Termios{Cflag: unix.CS7 | unix.PARENB | unix.CREAD | unix.CLOCAL | unix.B1200 | unix.HUPCL, Iflag: unix.INPCK | unix.PARMRK}
	want.Cc[unix.VMIN] = 1
	if got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
}

func TestCloseEndsWrite(t *testing.T) {
	port, _ := pair(t, ParitySoftware)
	ended := make(chan error)
	go func() {
		_, err := port.Write(make([]byte, 1<<20)) // nobody reads it
		ended <- err
	}()
	time.Sleep(50 * time.Millisecond)
	port.Close()
	wait(t, ended, os.ErrClosed)
}

func TestWriteDeadline(t *testing.T) {
	port, peer := pair(t, ParitySoftware)
	var n int
	ended := make(chan error)
	go func() {
		var err error
		n, err = port.Write(make([]byte, 1<<18))
		ended <- err
	}()
	read(t, peer, 1) // it writes
	port.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if wait(t, ended, os.ErrDeadlineExceeded); n == 0 || n == 1<<18 {
		t.Errorf("%d bytes are written", n)
	}
}

func TestExclusive(t *testing.T) {
	peer, path := terminal(t)
	port, err := Open(path, 1200, ParityAuto)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, 1200, ParityAuto)
	if err == nil || !errors.Is(err, errBusy) || !strings.Contains(err.Error(), fmt.Sprintf(", process %d,", os.Getpid())) {
		t.Errorf("opened twice: %v", err)
	}
	if !exclusive(t, port) {
		t.Error("programs that do not ask for the lock may open it")
	}
	port.Close()
	if port, err = Open(path, 1200, ParityAuto); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	port.Close()
}

func exclusive(t *testing.T, port *Port) (is bool) {
	t.Helper()
	err := port.line.(*tty).with(func(fd int) error {
		n, err := unix.IoctlGetInt(fd, unix.TIOCGEXCL)
		is = n != 0
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func TestCloseRestores(t *testing.T) {
	peer, path := terminal(t)
	before := *termios(t, peer)
	port, err := Open(path, 9600, ParityAuto)
	if err != nil {
		t.Fatal(err)
	}
	if during := *termios(t, peer); during == before {
		t.Fatal("the port was raw before")
	}
	port.Close()
	if after := *termios(t, peer); after != before {
		t.Errorf("%+v before, %+v after", before, after)
	}
}

// A gateway with a thousand callers has descriptors beyond what select takes.
func TestHighDescriptor(t *testing.T) {
	_, path := terminal(t)
	for range 1100 {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	port, err := Open(path, 1200, ParityAuto)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	port.line.(*tty).with(func(fd int) error {
		if fd < 1024 {
			t.Fatalf("descriptor %d", fd)
		}
		return nil
	})
	port.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := port.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
