package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long anything may take that must happen.
const patience = 15 * time.Second

// A process is a gateway that runs, with those that it forks. The zero process
// is none, and uses nothing.
type process struct {
	pid  int
	gone chan struct{}
}

// launch runs the program of p in front of a service. When it returns, the
// gateway answers at the address at.
func launch(ctx context.Context, p peer, dir, service string) (gateway *process, at string, err error) {
	if at, err = freeAddr(); err != nil {
		return nil, "", err
	}
	cmd, err := p.command(dir, at, service)
	if err != nil {
		return nil, "", err
	}
	said, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, "", err
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if gateway, err = start(cmd); err != nil {
		return nil, "", err
	}
	if err = gateway.await(ctx, at); err != nil {
		gateway.stop()
		text, _ := os.ReadFile(said.Name())
		return nil, "", fmt.Errorf("%w\n%s", err, text)
	}
	return gateway, at, nil
}

// start runs cmd, which does not outlive us.
func start(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, gone := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // it is the end of this thread that Pdeathsig is about
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
	return &process{cmd.Process.Pid, gone}, nil
}

// await waits until the process answers at an address.
func (p *process) await(ctx context.Context, at string) error {
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

// stop ends the process and those that it forked.
func (p *process) stop() {
	syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.gone
}

// A usage is what a process and those that it forked have used so far.
type usage struct {
	rss, pss float64 // KiB that are resident; in pss, what n processes share counts as its n-th part
	cpu      time.Duration
}

func (p *process) use() (u usage) {
	for _, dir := range p.family() {
		smaps, _ := os.ReadFile(dir + "/smaps_rollup")
		u.rss += field(smaps, "Rss:")
		u.pss += field(smaps, "Pss:")
		threads, _ := filepath.Glob(dir + "/task/*/schedstat") // counts nanoseconds, stat only ticks
		for _, thread := range threads {
			stat, _ := os.ReadFile(thread)
			spent, _, _ := strings.Cut(string(stat), " ")
			ns, _ := strconv.ParseInt(spent, 10, 64)
			u.cpu += time.Duration(ns)
		}
	}
	return u
}

// family returns the directories in /proc of the processes in p's group.
func (p *process) family() (dirs []string) {
	if p.pid == 0 {
		return nil
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if group, err := syscall.Getpgid(pid); err == nil && group == p.pid {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// field returns the number that follows name, 0 if there is none.
func field(text []byte, name string) float64 {
	_, rest, _ := strings.Cut(string(text), name)
	if words := strings.Fields(rest); len(words) > 0 {
		n, _ := strconv.ParseFloat(words[0], 64)
		return n
	}
	return 0
}

// freeAddr returns an address of the loopback that nobody listens at.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
