package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a peer may take until it answers.
const patience = 15 * time.Second

// A Process is a peer that runs, with those that it forks. The zero Process is none, and
// uses nothing.
type Process struct {
	pid  int
	gone chan struct{}
}

// Start runs a peer. When it returns, the peer answers.
func (p Peer) Start(ctx context.Context, at Place) (*Process, error) {
	if p.Direct() {
		return new(Process), nil
	}
	cmd, err := p.command(p, at)
	if err != nil {
		return nil, err
	}
	process, err := Run(ctx, cmd, at.At, at.Dir)
	if err != nil {
		return nil, fmt.Errorf("%s %w", p.Name, err)
	}
	return process, nil
}

// Run runs cmd in a folder, and returns once it answers at an address.
func Run(ctx context.Context, cmd *exec.Cmd, at, dir string) (*Process, error) {
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	process, err := start(cmd)
	if err != nil {
		return nil, err
	}
	if err := process.await(ctx, at); err != nil {
		process.Stop()
		text, _ := os.ReadFile(said.Name())
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return process, nil
}

// start runs cmd, which does not outlive us.
func start(cmd *exec.Cmd) (*Process, error) {
	// Those that it forks become our children when it ends, for Stop to wait for: not
	// everywhere does somebody else.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, gone := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // it is the end of this thread that Pdeathsig is about
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(gone)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &Process{cmd.Process.Pid, gone}, nil
}

// await waits until the process answers at an address.
func (p *Process) await(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.gone:
			return errors.New("ended at once")
		case <-ctx.Done():
			return fmt.Errorf("does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the process and those that it forked. Of five hundred, the last takes a while,
// in which nobody else should be measured.
func (p *Process) Stop() {
	if p.pid == 0 {
		return
	}
	syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.gone
	for end := time.Now().Add(patience); time.Now().Before(end); {
		switch pid, err := unix.Wait4(-p.pid, nil, unix.WNOHANG, nil); {
		case err == unix.ECHILD:
			return
		case pid == 0:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// FreeAddr is an address of the loopback that nobody listens at.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
