// Package natstest runs a NATS server for a test, as an operator has it: another program,
// which can be killed.
package natstest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"moip/internal/testkit/freeport"
)

// A Server is a nats-server on the loopback, with files of its own.
type Server struct {
	URL string

	t       testing.TB
	args    []string
	running *exec.Cmd
}

// New starts a server, which is killed when the test ends. Its configuration is config; on
// top of that it listens at a port of its own.
func New(t testing.TB, config string) *Server {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeport.Addr(t))
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{
		URL: "nats://127.0.0.1:" + port, t: t,
		args: []string{"-c", file, "-a", "127.0.0.1", "-p", port, "-sd", dir, "-l", filepath.Join(dir, "log")},
	}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// JetStream is a configuration with streams.
const JetStream = "jetstream {}\n"

// Start starts the server again after Kill. It returns once clients can come.
func (s *Server) Start() {
	s.t.Helper()
	program, err := find()
	if err != nil {
		s.t.Fatal("this test needs a NATS server: install nats-server (Debian: apt-get install nats-server)")
	}
	s.running = exec.Command(program, s.args...)
	if err := s.running.Start(); err != nil {
		s.t.Fatal(err)
	}
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.URL[len("nats://"):])
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(late) {
			log, _ := os.ReadFile(s.args[len(s.args)-1])
			s.t.Fatalf("nats-server %s does not start: %v\n%s", strconv.Quote(program), err, log)
		}
	}
}

// find returns the program. Debian has it where only root looks.
func find() (string, error) {
	if program, err := exec.LookPath("nats-server"); err == nil {
		return program, nil
	}
	return exec.LookPath("/usr/sbin/nats-server")
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	if s.running == nil {
		return
	}
	s.running.Process.Kill()
	s.running.Wait()
	s.running = nil
}
