package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gobwas/ws"
)

// A protocol is what is spoken at one end: bare TCP, or the messages of a
// WebSocket that have this code.
type protocol ws.OpCode

const (
	tcp      protocol = 0
	wsText            = protocol(ws.OpText)
	wsBinary          = protocol(ws.OpBinary)
)

func (p protocol) String() string {
	if p == tcp {
		return "tcp"
	}
	return "ws"
}

// A peer is one way to bring callers to a service.
type peer struct {
	name            string
	caller, service protocol
	most            int    // calls
	forks           bool   // a process for each call
	program         string // to be installed; its Debian package has the same name
	// command runs the gateway at an address, in front of a service. It is
	// nil if callers reach the service without.
	command func(dir, at, service string) (*exec.Cmd, error)
}

var peers = []peer{
	{name: "direct", caller: tcp, service: tcp, most: math.MaxInt},
	{name: "direct", caller: wsText, service: wsText, most: math.MaxInt},
	{name: "MoIP", caller: tcp, service: tcp, most: math.MaxInt, command: moip("tcp", "tcp", "")},
	{name: "HAProxy", caller: tcp, service: tcp, most: math.MaxInt, command: haproxy, program: "haproxy"},
	{name: "MoIP", caller: wsText, service: wsText, most: math.MaxInt, command: moip("ws", "ws", "")},
	{name: "MoIP", caller: wsText, service: tcp, most: math.MaxInt, command: moip("ws", "tcp", "")},
	// It refuses text.
	{name: "websockify", caller: wsBinary, service: tcp, most: 500, forks: true, command: websockify, program: "websockify"},
}

// moip runs MoIP as it comes, but for a portal without a control link, what the address
// for callers asks for, and limits: we are one caller who is many.
func moip(caller, portal, query string) func(dir, at, service string) (*exec.Cmd, error) {
	return func(dir, at, service string) (*exec.Cmd, error) {
		file := filepath.Join(dir, "moip.toml")
		config := fmt.Sprintf("listen = [\"%s://%s/%s\"]\nlog = \"none\"\nlink = \"none\"\n[portal]\nurl = \"%s://%s\"\n[history]\nfile = %q\n[limits]\nmax_calls = 0\nnew_calls = 0\nkeys = 0\n",
			caller, at, query, portal, service, filepath.Join(dir, "history.db"))
		return exec.Command(filepath.Join(dir, "moip"), "--config", file), os.WriteFile(file, []byte(config), 0o600)
	}
}

func haproxy(dir, at, service string) (*exec.Cmd, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	config := fmt.Sprintf(`global
  maxconn %d
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen calls
  bind %s
  server service %s
`, *calls+20, at, service)
	return exec.Command("haproxy", "-db", "-f", file), os.WriteFile(file, []byte(config), 0o600)
}

func websockify(_, at, service string) (*exec.Cmd, error) {
	return exec.Command("websockify", at, service), nil
}

func (p peer) title() string { return fmt.Sprintf("%s, %v→%v", p.name, p.caller, p.service) }

// missing reports whether the peer's program is not installed.
func (p peer) missing() bool {
	if p.program == "" {
		return false
	}
	_, err := exec.LookPath(p.program)
	return err != nil
}
