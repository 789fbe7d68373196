package main

import (
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

// A gateway is the program, running.
type gateway struct {
	command *exec.Cmd
	dir     string
	door    string // of callers by tcp; ws and telnet are at the next ports
}

// launch runs the program with a configuration beside its doors. It is run by a command
// before it, as ip netns exec, if there is one; host is where its doors are.
func launch(host, config string, before ...string) (*gateway, error) {
	path, err := built()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "moip-faults")
	if err != nil {
		return nil, err
	}
	g := &gateway{dir: dir, door: net.JoinHostPort(host, "9100")}
	text := fmt.Sprintf("listen = ['tcp://%s:9100', 'ws://%s:9101', 'telnet://%s:9102']\nadmin = '%s:9103'\nadmin_plain = true\nadmin_hosts = ['%s']\n", host, host, host, host, host) +
		"log = 'server.log'\nrecords = 'none'\nlink = 'none'\n" + config
	if strings.HasPrefix(host, "127.") {
		text = "bans = { file = 'none', never = [] }\n" + text // for each address to be a household
	}
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	return g, g.start(append(before, path, "--config", filepath.Join(dir, "moip.toml")))
}

func (g *gateway) start(line []string) error {
	said, err := os.Create(filepath.Join(g.dir, "said"))
	if err != nil {
		return err
	}
	defer said.Close()
	g.command = exec.Command(line[0], line[1:]...)
	g.command.Dir, g.command.Stdout, g.command.Stderr = g.dir, said, said
	if err := g.command.Start(); err != nil {
		return err
	}
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		if text, _ := os.ReadFile(said.Name()); strings.Contains(string(text), "Ctrl-C") {
			return nil
		}
	}
	text, _ := os.ReadFile(said.Name())
	g.stop()
	return fmt.Errorf("the gateway does not start:\n%s", text)
}

// again stops the gateway at once and starts it anew.
func (g *gateway) again() error {
	g.kill()
	return g.start(g.command.Args)
}

func (g *gateway) kill() {
	g.command.Process.Signal(syscall.SIGCONT)
	g.command.Process.Kill()
	g.command.Wait()
}

func (g *gateway) stop() {
	g.kill()
	os.RemoveAll(g.dir)
}

func (g *gateway) signal(s syscall.Signal) { g.command.Process.Signal(s) }

// memory returns what is resident and the most that was, in MiB.
func (g *gateway) memory() (now, most float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.command.Process.Pid))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmRSS":
			now = kib / 1024
		case "VmHWM":
			most = kib / 1024
		}
	}
	return now, most
}

// files returns how many it has open.
func (g *gateway) files() int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.command.Process.Pid))
	return len(all)
}

// logged returns how many lines of its log have a text.
func (g *gateway) logged(text string) (n int) {
	log, _ := os.ReadFile(filepath.Join(g.dir, "server.log"))
	return strings.Count(string(log), text)
}

// built returns the program.
func built() (string, error) {
	if *program != "" {
		return filepath.Abs(*program)
	}
	path := filepath.Join(os.TempDir(), "moip-faults-"+runtime.GOARCH)
	out, err := exec.Command("go", "build", "-o", path, "moip/cmd/moip").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	*program = path
	return path, nil
}
