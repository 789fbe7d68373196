//go:build linux

package cluster

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestWhole is what make test-cluster runs: each gateway and its NATS server in a network
// namespace of their own, HAProxy in another, 3,000 callers, and cuts of 30 s. It runs again in
// a network that nobody else sees, which ends with it.
func TestWhole(t *testing.T) {
	if *inside == "" {
		again(t)
		return
	}
	g := namespaces(t)
	e := g.begins(t, *callers, 30, 4*time.Second)
	e.killed(e.members[0], 10*time.Second)
	e.fault("a NATS server is killed", func() { e.members[1].nats.kill() })
	time.Sleep(10 * time.Second)
	e.fault("it is back", func() { e.members[1].nats.start(t) })
	e.silent(e.members[2], 30*time.Second)
	for _, m := range e.members {
		e.fault(m.name+" is drained and back", func() { e.drains(m, 20*time.Second) })
		e.allThere()
	}
	e.ends("paris")
}

// again runs a test in a network and with mounts of its own.
func again(t *testing.T) {
	t.Helper()
	if !*whole {
		t.Skip("it is for make test-cluster")
	}
	lookPath(t, "ip", "iproute2")
	lookPath(t, "iptables", "iptables")
	if os.Geteuid() != 0 {
		t.Fatal("it makes networks, and so needs root")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-inside="+program, fmt.Sprintf("-cluster.callers=%d", *callers))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

// natsPorts are those that a cut is about.
const natsPorts = "-p tcp -m multiport --ports 4222,6222 -j DROP"

// privately is what a test needs first that runs again.
var privately = []string{
	"mount --make-rprivate /",
	"mkdir -p /run/netns",
	"mount -t tmpfs none /run/netns",
	"ip link set lo up",
}

// namespaces makes the network of doc/cluster.md: a bridge, at which each machine is a
// network namespace.
func namespaces(t *testing.T) ground {
	t.Helper()
	g := ground{
		net: "10.0.0.", line: "23", web: "80", proxy: "10.0.0.2", settle: 8 * time.Second,
		by:   func(h host) []string { return []string{"ip", "netns", "exec", space(h)} },
		from: func(i int) net.IP { return net.IPv4(10, 64, byte(i/200), byte(1+i%200)) },
	}
	lines := append(privately,
		"ip address add 10.64.0.0/16 dev lo",
		"ip link add hub type bridge",
		"ip link set hub up",
		"ip address add 10.0.0.1/24 dev hub",
	)
	for _, h := range []host{front, gateways, gateways + 1, gateways + 2} {
		s := space(h)
		lines = append(lines,
			"ip netns add "+s,
			fmt.Sprintf("ip link add to%d master hub type veth peer name e0 netns %s", h, s),
			fmt.Sprintf("ip link set to%d up", h),
			fmt.Sprintf("ip -n %s link set lo up", s),
			fmt.Sprintf("ip -n %s link set e0 up", s),
			fmt.Sprintf("ip -n %s address add 10.0.0.%d/24 dev e0", s, h),
			fmt.Sprintf("ip -n %s route add default via 10.0.0.1", s),
		)
	}
	if err := commands(lines...); err != nil {
		t.Fatal(err)
	}
	g.cut = func(h host, cut bool) {
		how := map[bool]string{true: "-A", false: "-D"}[cut]
		for _, chain := range []string{"INPUT", "OUTPUT"} {
			if err := commands(fmt.Sprintf("ip netns exec %s iptables %s %s %s", space(h), how, chain, natsPorts)); err != nil {
				t.Error(err)
			}
		}
	}
	return g
}

func space(h host) string { return fmt.Sprintf("machine-%d", h) }
