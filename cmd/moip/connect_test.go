package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/gdamore/tcell/v3/vt"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// startGateway starts one with its own portal, and returns how to call it.
func startGateway(t *testing.T) (url string, process *os.Process) {
	t.Helper()
	command := exec.Command("moip", "--ws", "127.0.0.1:0", "--log", "none", "--log-level", "error", "--records", "none", "--history", "none")
	command.Dir = t.TempDir()
	command.Env = environ()
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "ws://") {
			url = line
		}
		if line == "Ctrl-C stops it." {
			return url, command.Process
		}
	}
	t.Fatal("the gateway does not start")
	return "", nil
}

// environ is ours with more, and without the race detector's second thoughts.
func environ(more ...string) []string {
	return append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), more...)
}

// A seat is a pseudo-terminal where moip connect runs, and an emulator of the
// terminal at the other end of it.
type seat struct {
	*testing.T
	term   vt.MockTerm
	master *os.File
	slave  *os.File
	before string     // how it was set
	done   chan error // of the command

	frozen sync.Mutex // whoever has it keeps the terminal from taking anything

	mu   sync.Mutex
	all  bytes.Buffer  // what it wrote
	news chan struct{} // closed when it writes more
	proc *os.Process
}

// sit runs moip connect on a terminal of that size.
func sit(t *testing.T, width, height int, variables []string, args ...string) *seat {
	t.Helper()
	return startOn(t, width, height, variables, exec.Command("moip", append([]string{"connect"}, args...)...))
}

// startOn runs a command there.
func startOn(t *testing.T, width, height int, variables []string, command *exec.Cmd) *seat {
	t.Helper()
	s := &seat{T: t, done: make(chan error, 1), news: make(chan struct{})}
	s.term = vt.NewMockTerm(vt.MockOptSize{X: vt.Col(width), Y: vt.Row(height)}, vt.MockOptColors(1<<24))
	var err error
	if s.master, s.slave, err = pty.Open(); err != nil {
		t.Fatal(err)
	}
	pty.Setsize(s.master, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)})
	s.before = s.modes()
	s.term.Start()
	var pumps sync.WaitGroup
	pumps.Go(func() { io.Copy(s, s.master) })
	pumps.Go(func() { io.Copy(s.master, s.term) })

	command.Env = environ(append([]string{"LC_ALL=C.UTF-8", "TERM=xterm-kitty", "COLORTERM=", "NO_COLOR="}, variables...)...)
	command.Stdin, command.Stdout, command.Stderr = s.slave, s.slave, s.slave
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.proc = command.Process
	go func() { s.done <- command.Wait() }()
	t.Cleanup(func() {
		s.proc.Kill()
		s.slave.Close()
		s.master.Close()
		s.term.Close()
		pumps.Wait()
	})
	return s
}

// modes returns how the pseudo-terminal is set.
func (s *seat) modes() string {
	stty := exec.Command("stty", "-g")
	stty.Stdin = s.slave
	modes, err := stty.Output()
	if err != nil {
		s.Fatal(err)
	}
	return string(modes)
}

// Write is told what moip writes.
func (s *seat) Write(p []byte) (int, error) {
	s.frozen.Lock()
	defer s.frozen.Unlock()
	n, err := s.term.Write(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(p)
	close(s.news)
	s.news = make(chan struct{})
	return n, err
}

// written returns what moip has written, and a channel that is closed when there
// is more.
func (s *seat) written() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String(), s.news
}

// wait waits until ok reports true.
func (s *seat) wait(what string, ok func() bool) {
	s.Helper()
	late := time.After(patience)
	for {
		_, news := s.written()
		if ok() {
			return
		}
		select {
		case <-news:
		case <-late:
			s.Fatalf("it does not show %s but\n%s", what, strings.Join(s.rows(), "\n"))
		}
	}
}

func (s *seat) shows(text string) {
	s.Helper()
	s.wait(text, func() bool { return strings.Contains(strings.Join(s.rows(), "\n"), text) })
}

// rows returns what the terminal shows, without blanks at the ends.
func (s *seat) rows() []string {
	size, _ := s.term.WindowSize()
	all := make([]string, size.Height)
	for y := range all {
		for x := range size.Width {
			all[y] += s.term.GetCell(vt.Coord{X: vt.Col(x), Y: vt.Row(y)}).C
		}
		all[y] = strings.TrimRight(all[y], " ")
	}
	return all
}

func (s *seat) types(keys string) { s.master.WriteString(keys) }

// resize changes the size of the window.
func (s *seat) resize(width, height int) {
	s.term.SetSize(vt.Coord{X: vt.Col(width), Y: vt.Row(height)})
	pty.Setsize(s.master, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)})
	s.proc.Signal(syscall.SIGWINCH)
}

// leaves waits until moip exits, and wants the code, and the terminal as it was.
func (s *seat) leaves(code int) {
	s.Helper()
	select {
	case <-time.After(patience):
		s.Fatal("it does not exit")
	case err := <-s.done:
		got := 0
		if failed, ok := err.(*exec.ExitError); ok {
			got = failed.ExitCode()
		}
		if got != code {
			s.Errorf("it exits with %d, want %d", got, code)
		}
	}
	if after := s.modes(); after != s.before {
		s.Errorf("the terminal was %s and is %s", s.before, after)
	}
	const normal = "\x1b[?1049l" // the screen that was there before
	s.wait("the old screen", func() bool { all, _ := s.written(); return strings.Contains(all, normal) })
}

// What it shows is what it dumps; it survives sizes; and it leaves the terminal
// as it was.
func TestConnect(t *testing.T) {
	t.Parallel()
	url, _ := startGateway(t)
	s := sit(t, 40, 25, nil, url)
	s.shows("émulateur, 127.0.0.1") // so it answers who it is
	s.shows("F9 Connexion/Fin")     // over the page, until something is typed
	s.types("mire\r")
	s.shows("Sommaire  fin")
	command := exec.Command("moip", "connect", url, "--dump", "--send", "mire{Envoi}", "--wait", "couleurs 1/6")
	tape := filepath.Join(t.TempDir(), "call.moip")
	command.Args = append(command.Args, "--record", tape)
	command.Env = environ()
	dump, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(tape); err != nil || info.Mode().Perm()&0o077 != 0 { // passwords are typed
		t.Errorf("others may read the recording: %v, %v", info, err)
	}
	want := strings.Split(strings.TrimSuffix(string(dump), "\n"), "\n")
	if !slices.Equal(s.rows()[1:], want[1:]) { // row 00 is MIRE's, then the portal's
		t.Errorf("it shows\n%s\nand dumps\n%s", strings.Join(s.rows(), "\n"), dump)
	}
	s.types("\x1b") // which no Minitel has
	s.shows("F9 Connexion/Fin")
	s.types("\x1b[18~") // F7
	s.shows("attributs 2/6")
	s.resize(39, 24)
	s.shows("Fenêtre trop petite : 39×24.")
	s.resize(80, 30)
	s.shows("attributs 2/6")
	s.shows("Retour arr.") // the crib
	s.types("\x1b[21~")    // F10
	s.leaves(0)
}

// Whatever ends it, the terminal is as it was.
func TestConnectSignals(t *testing.T) {
	t.Parallel()
	url, _ := startGateway(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			s := sit(t, 40, 25, nil, url)
			s.shows("Service :")
			s.proc.Signal(sig)
			s.leaves(0)
		})
	}
}

// Ctrl-Z gives the terminal back to the shell, which can go on with the call.
func TestConnectSuspended(t *testing.T) {
	t.Parallel()
	url, _ := startGateway(t)
	shell := exec.Command("sh", "-c", `set -m; moip connect "$0"; stty -g; read go; fg >/dev/null`, url)
	s := startOn(t, 40, 25, nil, shell)
	s.shows("Service :")
	s.types("\x1a")
	s.shows(strings.TrimSpace(s.before)[:30])
	if slices.ContainsFunc(s.rows(), func(row string) bool { return strings.Contains(row, "Service :") }) {
		t.Error("the page is still there")
	}
	s.types("go\r")
	s.shows("Service :")
	s.types("mire\r")
	s.shows("Sommaire  fin")
	s.types("\x11") // Ctrl-Q
	s.leaves(0)
}

// Much may be pasted, and it may be told to end in the middle of that.
func TestConnectPaste(t *testing.T) {
	t.Parallel()
	url, _ := startGateway(t)
	s := sit(t, 40, 25, nil, url)
	s.shows("Service :")
	go s.types(strings.Repeat("s", 10_000))
	s.shows("Service :  S")
	s.proc.Signal(syscall.SIGTERM)
	s.leaves(0)
	s = sit(t, 40, 25, nil, url)
	s.shows("Service :")
	go s.types("d\xe9j\xe0" + strings.Repeat("s\x7f", 15_000) + "\x11") // no UTF-8, and Ctrl-Q
	s.leaves(0)
}

// A terminal that takes nothing cannot be restored. Then a second signal ends it.
func TestConnectFrozen(t *testing.T) {
	t.Parallel()
	service, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	var pages atomic.Int64
	go func() {
		conn, err := service.Accept()
		for err == nil { // one page after another, which takes many bytes to draw
			letter := 'a' + byte(pages.Load()%26)
			_, err = conn.Write(bytes.Repeat([]byte{0x1B, 0x41, letter, 0x1B, 0x42, letter}, 480))
			pages.Add(1)
		}
	}()
	s := sit(t, 40, 25, nil, "tcp://"+service.Addr().String())
	s.shows("aaaaaaaa")
	s.frozen.Lock()
	defer s.frozen.Unlock()
	for before := int64(-1); before != pages.Load(); time.Sleep(time.Second) { // until it takes none any more
		before = pages.Load()
	}
	s.proc.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
		t.Fatal("it was not stuck")
	case <-time.After(time.Second):
	}
	s.proc.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Error("it does not end")
	}
}

// When the call ends, the last page stays, whatever is typed just then, and the
// reason is told. Row 00 has the terminal's own letter.
func TestConnectEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sig     syscall.Signal
		message string
		code    int
		reason  string
	}{
		{syscall.SIGTERM, "Fin de l'appel, Ctrl-C pour quitter", 0, ""},
		{syscall.SIGKILL, "Liaison coupée, Ctrl-C pour quitter", 1, "moip: the connection is lost: "},
	} {
		t.Run(test.sig.String(), func(t *testing.T) {
			url, process := startGateway(t)
			s := sit(t, 40, 26, nil, url)
			s.shows("Quitter  ")
			s.wait("C", func() bool { return strings.HasSuffix(s.rows()[0], "C") })
			process.Signal(test.sig)
			s.shows(test.message)
			s.shows("Service :")
			s.wait("F", func() bool { return strings.HasSuffix(s.rows()[0], "F") })
			s.types("salut\r\x03")
			s.leaves(test.code)
			s.wait(test.reason, func() bool { all, _ := s.written(); return strings.Contains(all, test.reason) })
		})
	}
}

// Colours are as many as the terminal has.
func TestConnectColors(t *testing.T) {
	t.Parallel()
	url, _ := startGateway(t)
	const rgb, palette, ansi = "\x1b[38;2;", "\x1b[38;5;", "\x1b[37m"
	for _, test := range []struct{ variables, has string }{
		{"TERM=xterm-256color COLORTERM=truecolor", rgb},
		{"TERM=xterm-256color", palette},
		{"TERM=xterm", ansi},
		{"TERM=xterm-256color NO_COLOR=1", ""},
	} {
		t.Run(test.variables, func(t *testing.T) {
			s := sit(t, 40, 25, strings.Fields(test.variables), url)
			s.shows("Service :")
			s.wait(test.has, func() bool { all, _ := s.written(); return strings.Contains(all, test.has) })
			all, _ := s.written()
			for _, color := range []string{rgb, palette, ansi} {
				if strings.Contains(all, color) != (color == test.has) {
					t.Errorf("there is %q: %v", color, color != test.has)
				}
			}
			s.types("\x11")
			s.leaves(0)
		})
	}
}
