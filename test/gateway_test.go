package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"moip/internal/testkit/logtest"
)

// A gateway is the program, running.
type gateway struct {
	command *exec.Cmd
	doors   map[string]string // its addresses by scheme; operators' is "admin"
	log     log
	exited  chan struct{} // closed when it has
}

// asFileSays among the flags leaves it to the configuration file what is logged.
const asFileSays = "(log level as the file says)"

// start runs the program in dir and waits until it answers callers.
func start(dir string, flags []string) (*gateway, error) { return startBy(nil, dir, flags) }

// startBy is start by a command that is given the program and its arguments.
func startBy(command []string, dir string, flags []string) (*gateway, error) {
	without := []string{"--log", "--records", "--history", "--admin"}
	switch flags[0] {
	case "serial", "replay":
		without = nil
	case "portal":
		without = without[:2]
	}
	for _, file := range without {
		if !slices.Contains(flags, file) {
			flags = append(flags, file, "none")
		}
	}
	if i := slices.Index(flags, asFileSays); i >= 0 {
		flags = slices.Delete(flags, i, i+1)
	} else if flags[0] != "replay" {
		flags = append(flags, "--log-level", "debug")
	}
	line := slices.Concat(command, []string{program}, flags)
	g := &gateway{
		command: exec.Command(line[0], line[1:]...),
		doors:   map[string]string{},
		exited:  make(chan struct{}),
	}
	g.command.Dir = dir
	g.command.Stderr = &g.log
	stdout, err := g.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.command.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		g.welcomed(stdout, ready)
		g.command.Wait()
		close(g.exited)
	}()
	select {
	case <-ready:
		return g, nil
	case <-g.exited:
		return g, errors.New("it does not start")
	case <-time.After(patience):
		return g, errors.New("it does not get ready")
	}
}

// A door is shown on a line like "  ws://127.0.0.1:9001".
var door = regexp.MustCompile(`^  (\w+)://([^/ ]+)`)

var operators = regexp.MustCompile(`^Operators: https?://([^/]+)`)

// welcomed reads what the gateway tells whoever started it, to the end.
func (g *gateway) welcomed(stdout io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(stdout)
	isReady := sync.OnceFunc(func() { close(ready) }) // what replaces it may say so again
	for lines.Scan() {
		line := lines.Text()
		if door := door.FindStringSubmatch(line); door != nil {
			g.doors[door[1]] = door[2]
		}
		if operators := operators.FindStringSubmatch(line); operators != nil {
			g.doors["admin"] = operators[1]
		}
		if line == "Ctrl-C stops it." {
			isReady()
		}
	}
}

func (g *gateway) running() bool {
	select {
	case <-g.exited:
		return false
	default:
		return true
	}
}

// stop tells the gateway to stop.
func (g *gateway) stop() error { return g.command.Process.Signal(syscall.SIGTERM) }

// exit waits until the gateway has exited, as how says: 0 or killed.
func (g *gateway) exit(how string) error {
	select {
	case <-g.exited:
	case <-time.After(patience):
		return errors.New("it does not exit")
	}
	status := g.command.ProcessState
	got := fmt.Sprint(status.ExitCode())
	if status.ExitCode() < 0 {
		got = "killed"
	}
	if got != how {
		return fmt.Errorf("it exits: %v", status)
	}
	return nil
}

// kill ends a gateway whose story has failed.
func (g *gateway) kill() {
	g.command.Process.Kill()
	<-g.exited
}

// A log is what the gateway writes on stderr.
type log struct {
	logtest.Log
	heard int // how much of it the story has heard; its own
}

// hear waits until text was logged, after what was heard before.
func (l *log) hear(text string) error {
	late := time.After(patience)
	for {
		said, more := l.Now()
		if at := strings.Index(said[l.heard:], text); at >= 0 {
			l.heard += at + len(text)
			return nil
		}
		select {
		case <-more:
		case <-late:
			return errors.New("it does not say so")
		}
	}
}
