package serial

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// These tests stand at the other end of a pseudo-terminal, which keeps speeds,
// but neither CS7 nor PARENB: it is an adapter that only does 8N1.

// pair opens a port at 1200 bit/s, and gives the other end of it too.
func pair(t *testing.T, p Parity) (*Port, *os.File) {
	t.Helper()
	peer, path := terminal(t)
	port, err := Open(path, 1200, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	return port, peer
}

// terminal is a pseudo-terminal: our end, and the path of the port.
func terminal(t *testing.T) (peer *os.File, path string) {
	t.Helper()
	peer, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	slave.Close()
	return peer, slave.Name()
}

func termios(t *testing.T, f *os.File) *unix.Termios {
	t.Helper()
	got, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func read(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSettings(t *testing.T) {
	port, peer := pair(t, ParityAuto)
	if port.Parity() != ParitySoftware {
		t.Errorf("parity %s where there is no 7E1", port.Parity())
	}
	got := termios(t, peer)
	if got.Cflag&unix.CBAUD != unix.B1200 || got.Cflag&unix.CSIZE != unix.CS8 ||
		got.Cflag&unix.CLOCAL == 0 || got.Cflag&(unix.PARENB|unix.CRTSCTS|unix.CSTOPB) != 0 {
		t.Errorf("cflag %o", got.Cflag)
	}
	if got.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 || got.Oflag&unix.OPOST != 0 ||
		got.Iflag&(unix.IXON|unix.IXOFF|unix.ICRNL|unix.ISTRIP) != 0 {
		t.Errorf("not raw: iflag %o, oflag %o, lflag %o", got.Iflag, got.Oflag, got.Lflag)
	}
}

func TestSpeed(t *testing.T) {
	port, peer := pair(t, ParitySoftware)
	for speed, want := range map[int]uint32{300: unix.B300, 4800: unix.B4800, 9600: unix.B9600, 1200: unix.B1200} {
		if err := port.SetSpeed(speed); err != nil {
			t.Fatal(err)
		}
		if got := termios(t, peer).Cflag & unix.CBAUD; got != want || port.Speed() != speed {
			t.Errorf("%d bit/s: %o on the line, %d told", speed, got, port.Speed())
		}
	}
	if err := port.SetSpeed(2400); err == nil || !strings.Contains(err.Error(), "300, 1200, 4800 or 9600") || port.Speed() == 2400 {
		t.Errorf("2400 bit/s: %v", err)
	}
}

func TestSoftwareParity(t *testing.T) {
	port, peer := pair(t, ParitySoftware)
	var all, even8 []byte
	for c := range 256 {
		all = append(all, byte(c))
		even8 = append(even8, even(byte(c)))
	}
	if n, err := port.Write(all); n != 256 || err != nil {
		t.Fatal(n, err)
	}
	if got := read(t, peer, 256); !bytes.Equal(got, even8) {
		t.Errorf("on the line: %x", got)
	}

	if _, err := peer.Write(all); err != nil {
		t.Fatal(err)
	}
	for c, got := range read(t, port, 256) {
		want := byte(c) & 0x7F
		if even(byte(c)) != byte(c) {
			want |= 0x80
		}
		if got != want {
			t.Errorf("%#02x was read as %#02x", c, got)
		}
	}
	if port.WrongParity() != 128 {
		t.Errorf("%d wrong of 128", port.WrongParity())
	}
}

func TestNoParity(t *testing.T) {
	port, peer := pair(t, ParityNone)
	var all []byte
	for c := range 256 {
		all = append(all, byte(c))
	}
	peer.Write(all)
	if got := read(t, port, 256); !bytes.Equal(got, all) {
		t.Errorf("read %x", got)
	}
	port.Write(all)
	if got := read(t, peer, 256); !bytes.Equal(got, all) || port.WrongParity() != 0 {
		t.Errorf("on the line: %x, %d wrong", got, port.WrongParity())
	}
	if err := port.SetParity(ParitySoftware); err != nil || port.Parity() != ParitySoftware {
		t.Fatal(err)
	}
	peer.Write([]byte{0x41, 0xC1, 0xFF})
	if got := read(t, port, 3); string(got) != "A\xc1\x7f" || port.WrongParity() != 1 {
		t.Errorf("with parity: %x, %d wrong", got, port.WrongParity())
	}
	if err := port.SetParity("odd"); err == nil || port.Parity() != ParitySoftware {
		t.Errorf("parity odd: %v", err)
	}
}

func TestReadDeadline(t *testing.T) {
	port, peer := pair(t, ParitySoftware)
	began := time.Now()
	port.SetReadDeadline(began.Add(50 * time.Millisecond))
	b := make([]byte, 8)
	if n, err := port.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if took := time.Since(began); took < 50*time.Millisecond || took > 5*time.Second {
		t.Errorf("after %v", took)
	}
	port.SetReadDeadline(time.Time{})
	peer.Write([]byte("A"))
	if got := read(t, port, 1); got[0] != 'A' {
		t.Errorf("%x", got)
	}
}

func TestCloseEndsRead(t *testing.T) {
	port, _ := pair(t, ParitySoftware)
	ended := make(chan error)
	go func() {
		_, err := port.Read(make([]byte, 8))
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := port.Close(); err != nil {
		t.Error(err)
	}
	wait(t, ended, os.ErrClosed)
	for name, call := range map[string]func() error{
		"Read":     func() error { _, err := port.Read(make([]byte, 1)); return err },
		"Write":    func() error { _, err := port.Write([]byte("A")); return err },
		"Drain":    port.Drain,
		"Discard":  port.Discard,
		"SetSpeed": func() error { return port.SetSpeed(300) },
		"Close":    port.Close,
	} {
		if err := call(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func wait(t *testing.T, ended chan error, want error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, want) {
			t.Errorf("ended with %v, not %v", err, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
}

func TestUnplugged(t *testing.T) {
	port, peer := pair(t, ParitySoftware)
	ended := make(chan error)
	go func() {
		_, err := port.Read(make([]byte, 8))
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	peer.Close()
	wait(t, ended, io.EOF)
	if _, err := port.Read(make([]byte, 8)); !errors.Is(err, io.EOF) {
		t.Errorf("a second Read: %v", err)
	}
	if _, err := port.Write([]byte("A")); err == nil {
		t.Error("it still takes bytes")
	}
	if err := port.Close(); err != nil {
		t.Error(err)
	}
}

func TestPendingAndDrain(t *testing.T) {
	port, _ := pair(t, ParitySoftware)
	if n := port.Pending(); n != 0 {
		t.Errorf("%d bytes pending before any", n)
	}
	began := time.Now()
	port.Write(make([]byte, 24)) // a fifth of a second at 1200 bit/s
	if n := port.Pending(); n > 24 || n < 1 && time.Since(began) < 200*time.Millisecond {
		t.Errorf("%d of 24 bytes pending", n)
	}
	if err := port.Drain(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("drained in %v", took)
	}
	if n := port.Pending(); n != 0 {
		t.Errorf("%d bytes pending after Drain", n)
	}
	began = time.Now()
	port.Write(make([]byte, 1200))
	if err := port.Discard(); err != nil || port.Pending() != 0 {
		t.Errorf("Discard left %d bytes, %v", port.Pending(), err)
	}
	if err := port.Drain(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("drained nothing in %v, %v", time.Since(began), err)
	}
}

func TestCloseEndsDrain(t *testing.T) {
	port, _ := pair(t, ParitySoftware)
	port.Write(make([]byte, 2400)) // 20 s
	ended := make(chan error)
	go func() { ended <- port.Drain() }()
	time.Sleep(20 * time.Millisecond)
	port.Close()
	wait(t, ended, os.ErrClosed)
}

func TestDiscard(t *testing.T) {
	port, peer := pair(t, ParitySoftware)
	peer.Write([]byte("AAA"))
	if got := read(t, port, 1); got[0] != 'A' {
		t.Fatalf("%x", got)
	}
	if err := port.Discard(); err != nil {
		t.Fatal(err)
	}
	peer.Write([]byte("B"))
	if got := read(t, port, 1); got[0] != 'B' {
		t.Errorf("%q after Discard", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	_, path := terminal(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path   string
		speed  int
		parity Parity
		want   string
	}{
		{path, 2400, ParityAuto, "2400 bit/s is not a speed of a Minitel"},
		{path, 1200, "odd", `parity "odd"`},
		{path, 1200, "", `parity ""`},
		{"/dev/ttyUSB99", 1200, ParityAuto, "moip serial --list"},
		{file, 1200, ParityAuto, "not a serial port"},
		{t.TempDir(), 1200, ParityAuto, ""},
	} {
		port, err := Open(test.path, test.speed, test.parity)
		if err == nil {
			port.Close()
			t.Errorf("%s opens", test.path)
			continue
		}
		if strings.Count(err.Error(), test.path) != 1 || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q", err)
		}
	}
}

func TestAdmission(t *testing.T) {
	if got := advice(0o660, "root", "dialout"); !strings.Contains(got, "group dialout") {
		t.Error(got)
	}
	if got := advice(0o600, "root", "tty"); got != "only root may open it" {
		t.Error(got)
	}
	if got := explain("/dev/null", syscall.EACCES).Error(); !strings.HasPrefix(got, "/dev/null: ") || !strings.Contains(got, "permission denied") {
		t.Error(got)
	}
}
