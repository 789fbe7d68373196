package minitest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// New returns a Minitel at a pseudo-terminal, of which Path is the port. It says that it is
// id, or answers nothing if that is zero.
func New(t testing.TB, id [3]byte) *Minitel {
	m := start(t, id, filepath.Join(t.TempDir(), "ttyMinitel"))
	m.plug = func() cable { return openTerminal(t, m.Path) }
	m.Plug()
	return m
}

// terminal is the cable to a pseudo-terminal.
type terminal struct {
	*os.File // its master
	path     string
	held     *os.File // its slave, so that the master does not hang up when the other end closes
}

func openTerminal(t testing.TB, path string) *terminal {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	// One that can be waited for, so that closing it ends the waiting.
	fd, err := unix.Dup(int(master.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fd, true)
	if err := os.Symlink(slave.Name(), path); err != nil {
		t.Fatal(err)
	}
	return &terminal{os.NewFile(uintptr(fd), "Minitel"), path, slave}
}

func (c *terminal) Close() error {
	os.Remove(c.path)
	c.held.Close()
	return c.File.Close()
}

// speeds are the line's, as the system and the Minitel have them.
var speeds = map[uint32]int{unix.B300: 300, unix.B1200: 1200, unix.B4800: 4800, unix.B9600: 9600}

func (c *terminal) speed() (speed int) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			if t, err := unix.IoctlGetTermios(int(fd), unix.TCGETS); err == nil {
				speed = speeds[t.Cflag&unix.CBAUD]
			}
		})
	}
	return speed
}
