//go:build linux

package cluster

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process is a program that runs, and ends with the test.
type process struct {
	name   string
	at     string // an address where it answers
	line   []string
	dir    string
	said   string // a file, of all that it ever said
	env    []string
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has
}

// lookPath is where a program is, or the test fails.
func lookPath(t *testing.T, name, packageName string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("there is no %s: install Debian's package %s (make test does, as root)", name, packageName)
	return ""
}

// runs starts a program in a folder, by a command before it if there is one, and waits until
// it answers.
func runs(t *testing.T, name, dir, at string, line ...string) *process {
	t.Helper()
	p := &process{name: name, at: at, line: line, dir: dir, said: filepath.Join(dir, name+".log")}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said at last\n%s", name, p.tail(1500))
		}
	})
	p.start(t)
	return p
}

// start starts it, again if it has ended.
func (p *process) start(t *testing.T) {
	t.Helper()
	said, err := os.OpenFile(p.said, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd, exited, started := exec.Command(p.line[0], p.line[1:]...), make(chan struct{}), make(chan error)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = p.dir, said, said, append(os.Environ(), p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	go func() {
		runtime.LockOSThread() // it is the end of this thread that Pdeathsig is about
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	p.cmd, p.exited = cmd, exited
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", p.at, time.Second); err == nil {
			conn.Close()
			return
		}
		if !p.running() || time.Now().After(late) {
			t.Fatalf("%s does not answer at %s:\n%s", p.name, p.at, p.tail(1500))
		}
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends it one.
func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// kill ends it, as by a power cut.
func (p *process) kill() {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// ends waits until it has ended by itself, with code 0.
func (p *process) ends(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		if s := p.cmd.ProcessState; !s.Success() {
			t.Errorf("%s ends with %v:\n%s", p.name, s, p.tail(1500))
		}
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // says what it waits for
		<-p.exited
		t.Errorf("%s does not end:\n%s", p.name, p.tail(8000))
	}
}

// tail is the end of what it said.
func (p *process) tail(n int64) string {
	f, err := os.Open(p.said)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, end-n), io.SeekStart)
	}
	text, _ := io.ReadAll(f)
	return string(text)
}

// commands runs lines of words, one after the other.
func commands(lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// writes a file in a folder.
func writes(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
