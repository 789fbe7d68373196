//go:build unix

package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The environment in which a process is told what it inherits: by systemd, as
// sd_listen_fds(3) has it, and by us. Descriptors are counted from 3.
const (
	fdsVariable = "LISTEN_FDS"
	pidVariable = "LISTEN_PID"
	ours        = "MOIP_HANDOVER"
	firstFD     = 3
)

// A legacy is what ours says. The descriptor after those of the sockets is where the
// process before waits.
type legacy struct {
	Asked []string // for each socket
	Told  string
}

// Inherit takes over what systemd or the process before hands over, if there is
// anything. It is called once, before other files are opened. Children inherit nothing.
func Inherit() (*Sockets, error) {
	s := &Sockets{}
	defer func() {
		for _, v := range []string{fdsVariable, pidVariable, "LISTEN_FDNAMES", ours} {
			os.Unsetenv(v)
		}
	}()
	var left legacy
	if text := os.Getenv(ours); text != "" {
		if err := json.Unmarshal([]byte(text), &left); err != nil {
			return nil, fmt.Errorf("%s is not what a gateway writes: %w", ours, err)
		}
		fd := firstFD + len(left.Asked)
		unix.CloseOnExec(fd)
		s.ready, s.told = os.NewFile(uintptr(fd), "process before"), left.Told
	} else if pid, err := strconv.Atoi(os.Getenv(pidVariable)); err == nil && pid == os.Getpid() {
		n, err := strconv.Atoi(os.Getenv(fdsVariable))
		if err != nil || n < 0 || n > 1024 {
			return nil, fmt.Errorf("%s=%.20q is no number of sockets", fdsVariable, os.Getenv(fdsVariable))
		}
		left.Asked = make([]string, n)
	}
	for i, asked := range left.Asked {
		l, err := inherited(firstFD + i)
		if err != nil {
			return nil, fmt.Errorf("socket handed over as descriptor %d: %w", firstFD+i, err)
		}
		s.inherited = append(s.inherited, socket{l, asked})
	}
	return s, nil
}

func inherited(fd int) (net.Listener, error) {
	// systemd's are not; what is must not change, for the other process has it too.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	return net.FileListener(file)
}

// HandOver starts the program anew, with the same command line, and hands all sockets
// that are open to the new process, and what it is told. It returns once that is Ready:
// nobody is answered by this one from then on, if its listeners are closed. If it fails,
// takes longer than a minute, or ctx is done before, there is no new process.
func (s *Sockets) HandOver(ctx context.Context, tell string) (pid int, err error) {
	child, ready, err := s.start(tell)
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	limited, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	spare := context.AfterFunc(limited, func() { child.Kill() })
	_, err = ready.Read(make([]byte, 1))
	if err == nil && spare() {
		go child.Wait() // or it would stay as a zombie, should it end before us
		return child.Pid, nil
	}
	state, _ := child.Wait()
	if spare(); limited.Err() != nil {
		return 0, fmt.Errorf("the new process was ended: %w", context.Cause(limited))
	}
	return 0, fmt.Errorf("the new process has ended (%v); its log, or what it has printed, says why", state)
}

// start starts the new process, and returns where it says that it is Ready.
func (s *Sockets) start(tell string) (*os.Process, *os.File, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	if program, err = exec.LookPath(program); err != nil { // a new version may be there
		return nil, nil, err
	}
	left := legacy{Told: tell}
	fds := []uintptr{0, 1, 2}
	defer func() {
		for _, fd := range fds[firstFD:] {
			unix.Close(int(fd))
		}
	}()
	s.mu.Lock()
	for _, l := range s.open {
		fd, err := l.duplicate()
		if err != nil {
			s.mu.Unlock()
			return nil, nil, err
		}
		fds, left.Asked = append(fds, uintptr(fd)), append(left.Asked, l.asked)
	}
	s.mu.Unlock()
	ready, waits, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer waits.Close()
	text, err := json.Marshal(left)
	if err != nil {
		ready.Close()
		return nil, nil, err
	}
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, ours+"=") })
	// Not by package os, which would have the descriptors block.
	pid, err := syscall.ForkExec(program, os.Args, &syscall.ProcAttr{Env: append(environ, ours+"="+string(text)), Files: append(fds, waits.Fd())})
	if err != nil {
		ready.Close()
		return nil, nil, fmt.Errorf("start %s: %w", program, err)
	}
	child, err := os.FindProcess(pid)
	return child, ready, err
}

// duplicate returns a descriptor for the socket of l.
func (l *listener) duplicate() (fd int, err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0, err
	}
	fault := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(fault, err)
}
