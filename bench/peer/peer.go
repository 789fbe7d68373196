// Package peer runs what people put between callers and a service, MoIP among others, and
// says what that takes of the machine.
package peer

import (
	"fmt"
	"os"
	"os/exec"

	"moip/bench/load"
)

// A Peer is one way to bring callers to a service.
type Peer struct {
	Name            string
	Caller, Service load.Protocol
	Inside          bool   // it is itself the service
	Most            int    // calls, 0 for no bound
	Program         string // to be installed, "" for none
	Package         string // in which Debian has that; if "", by the same name
	module          string // a file that is needed too, of a package by the name of its own
	// command is how it is run; nil if callers reach the service without.
	command func(Peer, Place) (*exec.Cmd, error)
}

// A Place is where a peer is run, and in front of what.
type Place struct {
	Dir     string // its own, in which it writes what it likes
	MoIP    string // the program
	At      string // where it listens
	Service string // the address
	Calls   int    // which it is to bear
	Query   string // of the address that MoIP listens at: "?speed=1200"
	Link    string // the address of the service's control link, "" for none
}

const (
	direct   = "direct"
	moipName = "MoIP"
	fewer    = 5000 // calls by TLS, since handshakes take so long
)

// All are those that there are, MoIP last of those of one path: it is compared with what
// was measured just before.
var All = []Peer{
	{Name: direct, Caller: load.TCP, Service: load.TCP},
	{Name: "io.Copy", Caller: load.TCP, Service: load.TCP, Most: 3000, command: relay}, // it takes 6 descriptors a call
	{Name: "nginx stream", Caller: load.TCP, Service: load.TCP, Program: "nginx", module: streamModule, Package: "nginx libnginx-mod-stream", command: nginxStream},
	{Name: "HAProxy TCP", Caller: load.TCP, Service: load.TCP, Program: "haproxy", command: haproxy("tcp")},
	{Name: moipName, Caller: load.TCP, Service: load.TCP, command: moip},

	{Name: direct, Caller: load.WS, Service: load.WS},
	{Name: "nginx", Caller: load.WS, Service: load.WS, Program: "nginx", command: nginxProxy},
	{Name: "HAProxy HTTP", Caller: load.WS, Service: load.WS, Program: "haproxy", command: haproxy("http")},
	{Name: moipName, Caller: load.WS, Service: load.WS, command: moip},

	{Name: "nginx", Caller: load.WSS, Service: load.WS, Most: fewer, Program: "nginx", command: nginxProxy},
	{Name: "HAProxy HTTP", Caller: load.WSS, Service: load.WS, Most: fewer, Program: "haproxy", command: haproxy("http")},
	{Name: moipName, Caller: load.WSS, Service: load.WS, Most: fewer, command: moip},

	// It forks for each call.
	{Name: "websockify", Caller: load.Binary, Service: load.TCP, Most: 500, Program: "websockify", command: websockify},
	{Name: moipName, Caller: load.WS, Service: load.TCP, command: moip},

	{Name: moipName, Caller: load.WS, Inside: true, command: moip},
}

// Path is how callers and service speak: "ws→tcp".
func (p Peer) Path() string {
	if p.Inside {
		return fmt.Sprintf("%v→builtin", p.Caller)
	}
	return fmt.Sprintf("%v→%v", p.Caller, p.Service)
}

// Direct reports whether there is nothing between callers and service.
func (p Peer) Direct() bool { return p.command == nil }

// MoIP reports whether it is ours.
func (p Peer) MoIP() bool { return p.Name == moipName }

// Missing says what is to be installed before it can be run, by the names of Debian's
// packages: "" if nothing is.
func (p Peer) Missing() string {
	if p.Program == "" {
		return ""
	}
	_, err := exec.LookPath(p.Program)
	if err == nil && p.module != "" {
		_, err = os.Stat(p.module)
	}
	switch {
	case err == nil:
		return ""
	case p.Package != "":
		return p.Package
	}
	return p.Program
}
