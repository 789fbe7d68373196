//go:build unix

package handover

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is a program that is replaced by itself, if asked to be.
func TestMain(m *testing.M) {
	if os.Getenv("HANDOVER_TEST") != "" {
		program()
		return
	}
	goleak.VerifyTestMain(m)
}

// program answers whoever calls with its number, and with what it was told. On SIGHUP it
// is replaced; what replaces it fails if HANDOVER_FAIL is a file that is there, and is
// never ready if that is a folder. On SIGTERM it ends, and waits for nobody.
func program() {
	s, err := Inherit()
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	if info, err := os.Stat(os.Getenv("HANDOVER_FAIL")); err == nil && s.Told() != "" {
		if info.IsDir() {
			fmt.Println("starting", os.Getpid())
			select {}
		}
		s.Close()
		os.Exit(3)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var doors []net.Listener
	var serving sync.WaitGroup
	for _, address := range strings.Fields(os.Getenv("HANDOVER_TEST")) {
		l, err := s.Listen(address)
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		if address == "127.0.0.1:0" { // as a reload does that changes what is answered
			again, err := s.Again(l)
			if err != nil {
				fmt.Println("failed:", err)
				os.Exit(1)
			}
			l.Close()
			l = again
		}
		doors = append(doors, l)
		serving.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%d %s\n", os.Getpid(), s.Told())
				c.Close()
			}
		})
	}
	at := []string{}
	for _, l := range doors {
		at = append(at, l.Addr().String())
	}
	unused := s.Ready()
	fmt.Println("ready", os.Getpid(), strings.Join(at, ","), len(unused))
	for range hup {
		pid, err := s.HandOver(ctx, "told by "+fmt.Sprint(os.Getpid()))
		if err != nil {
			fmt.Println("not replaced:", err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		fmt.Println("replaced by", pid)
		break
	}
	for _, l := range doors {
		l.Close()
	}
	serving.Wait()
}

type run struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// runs starts the program, listening at addresses, with sockets as systemd hands them over.
func runs(t *testing.T, addresses string, fail string, sockets ...*os.File) *run {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	if len(sockets) > 0 { // by a shell, since the variable has to have its number
		cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, self)
	}
	cmd.Env = append(os.Environ(), "HANDOVER_TEST="+addresses, "HANDOVER_FAIL="+fail, fmt.Sprint("LISTEN_FDS=", len(sockets)))
	cmd.ExtraFiles = sockets
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	r := &run{t, cmd, bufio.NewScanner(out)}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); out.Close() })
	return r
}

// prints returns what follows a word that the next line begins with.
func (r *run) prints(word string) string {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatalf("nothing is printed, not %q", word)
	}
	rest, ok := strings.CutPrefix(r.lines.Text(), word)
	if !ok {
		r.t.Fatalf("it prints %q, not %q", r.lines.Text(), word)
	}
	return strings.TrimSpace(rest)
}

func ask(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	answer, err := io.ReadAll(c)
	return strings.TrimSpace(string(answer)), err
}

// While a process is replaced again and again, nobody is refused: at any moment somebody
// answers, the new one once it is ready, with what it was told.
func TestHandOver(t *testing.T) {
	r := runs(t, "127.0.0.1:0 127.0.0.2:0", "")
	var pid, unused int
	var at string
	fmt.Sscan(r.prints("ready"), &pid, &at, &unused)
	address, _, _ := strings.Cut(at, ",")

	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if answer, err := ask(address); err != nil || answer == "" {
					t.Errorf("question %d: %q, %v", n, answer, err)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	for range 5 {
		syscall.Kill(pid, syscall.SIGHUP)
		var next int
		was := at
		lines := []string{r.prints(""), r.prints("")} // of two processes, in whatever order
		slices.Sort(lines)
		fmt.Sscanf(lines[0], "ready %d %s %d", &next, &at, &unused)
		if at != was || unused != 0 {
			t.Errorf("the new one listens at %s, not %s; of %d it knows nothing", at, was, unused)
		}
		if lines[1] != fmt.Sprintf("replaced by %d", next) {
			t.Errorf("%s, not %d", lines[1], next)
		}
		told := fmt.Sprintf("%d told by %d", next, pid)
		for deadline := time.Now().Add(30 * time.Second); ; {
			answer, err := ask(address)
			if answer == told {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("answer %q, %v, not %q", answer, err, told)
			}
		}
		pid = next
	}
	close(stop)
	asking.Wait()
	syscall.Kill(pid, syscall.SIGKILL)
}

// What cannot start replaces nothing.
func TestHandOverFails(t *testing.T) {
	fail := t.TempDir() + "/fail"
	r := runs(t, "127.0.0.1:0", fail)
	var pid int
	var at string
	fmt.Sscan(r.prints("ready"), &pid, &at)
	if err := os.WriteFile(fail, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.cmd.Process.Signal(syscall.SIGHUP)
	if why := r.prints("not replaced:"); !strings.Contains(why, "exit status 3") {
		t.Errorf("why: %s", why)
	}
	if answer, err := ask(at); answer != fmt.Sprint(pid) {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// What is told to end while another starts does not wait for that, which ends as well.
func TestHandOverStopped(t *testing.T) {
	r := runs(t, "127.0.0.1:0", t.TempDir())
	r.prints("ready")
	r.cmd.Process.Signal(syscall.SIGHUP)
	next, err := strconv.Atoi(r.prints("starting"))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	r.cmd.Process.Signal(syscall.SIGTERM)
	if why := r.prints("not replaced:"); !strings.Contains(why, "terminated signal received") {
		t.Errorf("why: %s", why)
	}
	if err := syscall.Kill(next, 0); err != syscall.ESRCH {
		t.Errorf("process %d is there: %v", next, err)
		syscall.Kill(next, syscall.SIGKILL)
	}
	if err := r.cmd.Wait(); err != nil || time.Since(begun) > 10*time.Second {
		t.Errorf("it ended after %v: %v", time.Since(begun), err)
	}
}

// The sockets of systemd are known by where they are bound; of those that nobody has
// asked for, the addresses are told.
func TestSystemd(t *testing.T) {
	var files []*os.File
	var addresses []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files, addresses = append(files, file), append(addresses, l.Addr().String())
	}
	r := runs(t, addresses[1], "", files...)
	var pid, unused int
	var at string
	fmt.Sscan(r.prints("ready"), &pid, &at, &unused)
	if at != addresses[1] || unused != 1 {
		t.Errorf("it listens at %s, not %s, and %d are not used", at, addresses[1], unused)
	}
	if answer, err := ask(at); answer != fmt.Sprint(pid) {
		t.Errorf("answer %q, %v", answer, err)
	}
}

func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"::", "0.0.0.0", true}, {"", "::", true}, {"127.0.0.1", "::ffff:127.0.0.1", true},
		{"127.0.0.1", "", false}, {"127.0.0.1", "127.0.0.2", false}, {"::1", "127.0.0.1", false},
	} {
		if got := sameHost(net.ParseIP(c.a), net.ParseIP(c.b)); got != c.same {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

// A socket that was asked for in other words is still the one at that address.
func TestOtherWords(t *testing.T) {
	had, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(had.Addr().String())
	s := &Sockets{inherited: []socket{{had, "127.0.0.1:" + port}}}
	l, err := s.Listen("localhost:" + port)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if unused := s.Ready(); len(unused) > 0 {
		t.Errorf("unused: %v", unused)
	}
}
