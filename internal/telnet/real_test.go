package telnet

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A program is a telnet client of this machine.
type program struct {
	path string
	args []string
	// What the user types and what arrives of it. Everything, in the same
	// order, unless the program stands in the way.
	keys, arrive []byte
}

// TestRealTelnet lets the telnet programs of this machine call a server, each
// on a terminal of its own. Observed with Debian 12:
//
//   - inetutils-telnet and telnet-ssl agree to all of the greeting and tell
//     terminal and window. Every byte passes both ways.
//   - busybox agrees to ECHO, which is enough for its character mode, and to
//     the server's SGA; it answers DO SGA with DONT SGA, and DO BINARY with
//     WONT. It sends CR LF for CR and for LF, so LF arrives as CR, and its
//     escape character, 1Dh, cannot be turned off. All else passes.
func TestRealTelnet(t *testing.T) {
	programs := installed(t)
	if len(programs) == 0 {
		t.Fatal("no telnet program: install one of the packages inetutils-telnet, telnet-ssl or busybox")
	}
	for _, p := range programs {
		t.Run(filepath.Base(p.path), func(t *testing.T) { call(t, p) })
	}
}

// installed finds the telnet programs, each once under whatever names.
func installed(t *testing.T) []program {
	var found []program
	for _, name := range []string{"telnet", "inetutils-telnet", "telnet-ssl", "busybox"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(found, func(p program) bool { return p.path == path }) {
			continue
		}
		p := program{path: path, args: []string{"-E"}, keys: every(), arrive: every()}
		if filepath.Base(path) == "busybox" {
			p.args = []string{"telnet"}
			p.keys = bytes.ReplaceAll(p.keys, []byte{0x1D}, nil)
			p.arrive = bytes.ReplaceAll(p.keys, []byte{lf}, []byte{cr})
		}
		found = append(found, p)
	}
	return found
}

// every returns all bytes from 00h to FFh.
func every() []byte {
	p := make([]byte, 256)
	for i := range p {
		p[i] = byte(i)
	}
	return p
}

// call runs one program through one call.
func call(t *testing.T, p program) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(ctx, p.path, append(p.args, host, port)...)
	cmd.Env = append(os.Environ(), "TERM=minitel1b")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 40, Rows: 25})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	defer cmd.Wait() // killed when the time is over, which ends reads of tty
	defer cancel()

	deadline, _ := ctx.Deadline()
	if err := listener.(*net.TCPListener).SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, conn: conn, Conn: New(Server)}

	// When the prompt is on the screen, the greeting has been obeyed.
	s.write(append(s.Greeting(), "prompt>"...))
	var screen []byte
	for !bytes.HasSuffix(screen, []byte("prompt>")) {
		screen = append(screen, read(t, tty, 1)...)
	}

	// A key arrives without Enter, and nothing is on the screen before the
	// server's answer.
	write(t, tty, []byte("x"))
	s.expect([]byte("x"))
	s.write(s.Encode(nil, []byte("y")))
	if got := read(t, tty, 1); string(got) != "y" {
		t.Fatalf("the screen shows %q, want the server's answer", got)
	}

	write(t, tty, p.keys)
	s.expect(p.arrive)
	s.write(s.Encode(nil, every()))
	if got := read(t, tty, 256); !bytes.Equal(got, every()) {
		t.Errorf("on the screen % X", got)
	}

	for s.Facts().Terminal == "" || s.Facts().Window == "" {
		s.receive()
	}
	// Some programs tell the type in capitals.
	if f := s.Facts(); !bytes.EqualFold([]byte(f.Terminal), []byte("minitel1b")) || f.Window != "40x25" {
		t.Errorf("facts %+v", f)
	}
}

// served is the server's end of a call.
type served struct {
	*Conn
	t     *testing.T
	conn  net.Conn
	typed []byte // and not expected yet
}

func (s *served) write(p []byte) {
	s.t.Helper()
	write(s.t, s.conn, p)
}

func (s *served) receive() {
	s.t.Helper()
	p := make([]byte, 512)
	n, err := s.conn.Read(p)
	if err != nil {
		s.t.Fatalf("%v, with % X typed", err, s.typed)
	}
	data, reply := s.Receive(p[:n])
	s.typed = append(s.typed, data...)
	s.write(reply)
}

// expect waits for keys, which must be these.
func (s *served) expect(keys []byte) {
	s.t.Helper()
	for len(s.typed) < len(keys) {
		s.receive()
	}
	if !bytes.Equal(s.typed, keys) {
		s.t.Errorf("typed % X, want % X", s.typed, keys)
	}
	s.typed = nil
}

func write(t *testing.T, w io.Writer, p []byte) {
	t.Helper()
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
}

// read waits for n bytes.
func read(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if n, err := io.ReadFull(r, p); err != nil {
		t.Fatalf("%v after % X", err, p[:n])
	}
	return p
}
