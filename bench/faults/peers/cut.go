package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The network: the gateway at one side of a router, its peers at the other. All of them are
// namespaces. Who is cut off has its packets dropped by the router, both ways and in silence,
// as by a cable that is pulled behind a switch.
const (
	gatewaySide = "moip-fault-gateway"
	middle      = "moip-fault-router"
	farSide     = "moip-fault-peers"

	gatewayHost = "10.99.1.2"
	portalHost  = "10.99.2.2"
	callerHosts = "10.99.2.1%d" // of callers, one each
	operatorAt  = 5             // the number of the operator's host among them

	operatorToken = "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6"
)

// stated is the time in which the dead are to be found (doc/operators.md), and a while for
// timers and the kernel's rounding.
const stated = 90*time.Second + 10*time.Second

// cut cuts callers, the portal and an operator off in silence, and tells when each is found dead.
func cut() error {
	if err := lay(); err != nil {
		return fmt.Errorf("%w (it takes root, and ip of iproute2 with network namespaces)", err)
	}
	defer remove()
	s, err := serve(within(farSide, portalHost+":9200"))
	if err != nil {
		return err
	}
	defer s.die()
	token := filepath.Join(os.TempDir(), "moip-faults-token")
	if err := os.WriteFile(token, []byte(operatorToken+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(token)
	g, err := launch(gatewayHost, "admin_token_file = '"+token+"'\n[portal]\nurl = 'tcp://"+s.address+"'\n", "ip", "netns", "exec", gatewaySide)
	if err != nil {
		return err
	}
	defer g.stop()

	// Idle callers, and those for whom something is on its way when they vanish.
	kinds := []struct{ name, scheme string }{
		{"WebSocket caller", "ws"}, {"telnet caller", "telnet"}, {"tcp caller", "tcp"},
		{"telnet caller, sent a page", "telnet"}, {"tcp caller, sent a page", "tcp"},
	}
	var writers []net.Conn // of the portal, to callers in turn
	for i, kind := range kinds {
		conn, err := callIn(kind.scheme, fmt.Sprintf(callerHosts, i))
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		defer conn.Close()
		writers = append(writers, s.latest())
	}
	operator, err := follow(fmt.Sprintf(callerHosts, operatorAt))
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	defer operator.Close()
	fmt.Printf("cut off in silence, found dead after (stated: %v)\n", 90*time.Second)

	cutOff := time.Now()
	for i := range operatorAt + 1 {
		if err := drop("add", fmt.Sprintf(callerHosts, i)); err != nil {
			return err
		}
	}
	for _, w := range writers[3:] {
		io.WriteString(w, strings.Repeat("une page ", 100))
	}
	var late []string
	for i, kind := range kinds {
		end := "from=" + fmt.Sprintf(callerHosts, i) + ":"
		took, ok := g.awaits(cutOff, "call ended", end)
		fmt.Printf("  %-28s %v\n", kind.name, took.Round(time.Second))
		if !ok {
			late = append(late, kind.name)
		}
	}
	took, ok := g.loses(cutOff, fmt.Sprintf(callerHosts, operatorAt))
	fmt.Printf("  %-28s %v (stated: %v, being told of these ends meanwhile)\n", "operator who follows events", took.Round(time.Second), 2*90*time.Second)
	if !ok {
		late = append(late, "operator")
	}
	for i := range operatorAt + 1 {
		drop("del", fmt.Sprintf(callerHosts, i))
	}

	// The portal, of a call that does nothing and of one whose caller types.
	for _, types := range []bool{false, true} {
		name, from := "portal, in silence", fmt.Sprintf(callerHosts, 8)
		if types {
			name, from = "portal, while keys are typed", fmt.Sprintf(callerHosts, 9)
		}
		conn, err := callIn("tcp", from)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		cutOff := time.Now()
		if err := drop("add", portalHost); err != nil {
			return err
		}
		if types {
			io.WriteString(conn, "a")
		}
		conn.SetReadDeadline(cutOff.Add(stated))
		err = await(conn, "reste en attente")
		fmt.Printf("  %-28s %v, and its caller is told\n", name, time.Since(cutOff).Round(time.Second))
		if err != nil {
			late = append(late, name)
		}
		drop("del", portalHost)
		conn.Close()
	}
	if len(late) > 0 {
		return errors.New("not found in the time stated: " + strings.Join(late, ", "))
	}
	return nil
}

// awaits waits until the log has a line with all of some texts, and returns when, since a moment.
func (g *gateway) awaits(since time.Time, texts ...string) (took time.Duration, ok bool) {
	for time.Since(since) < stated {
		log, _ := os.ReadFile(g.dir + "/server.log")
	lines:
		for line := range strings.Lines(string(log)) {
			for _, text := range texts {
				if !strings.Contains(line, text) {
					continue lines
				}
			}
			return time.Since(since), true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return time.Since(since), false
}

// latest returns the call that has come to a server last.
func (s *server) latest() (latest net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// callIn calls from the peers' side, and has seen the portal's page.
func callIn(scheme, from string) (conn net.Conn, err error) {
	inside(farSide, func() { conn, err = call(scheme, net.JoinHostPort(gatewayHost, "9100"), from) })
	if err != nil {
		return nil, err
	}
	if err := await(conn, welcome[1:]); err != nil {
		return nil, err
	}
	if scheme == "ws" { // pings are answered by who reads
		go io.Copy(io.Discard, conn)
	}
	return conn, nil
}

// loses waits until the gateway has no connection to a host, and returns when, since a moment.
func (g *gateway) loses(since time.Time, host string) (took time.Duration, ok bool) {
	to := net.ParseIP(host).To4()
	established := regexp.MustCompile(fmt.Sprintf(" %02X%02X%02X%02X:[0-9A-F]{4} 01 ", to[3], to[2], to[1], to[0]))
	for time.Since(since) < 2*stated {
		table, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", g.command.Process.Pid))
		if !established.Match(table) {
			return time.Since(since), true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return time.Since(since), false
}

// follow has an operator follow events, as the console does.
func follow(from string) (conn net.Conn, err error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	inside(farSide, func() { conn, err = dialer.Dial("tcp", net.JoinHostPort(gatewayHost, "9103")) })
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", conn.RemoteAddr(), operatorToken)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("events: %s", answer.Status)
	}
	return conn, nil
}

// lay makes the network.
func lay() error {
	remove() // of a run that was killed
	lines := []string{
		"netns add " + gatewaySide, "netns add " + middle, "netns add " + farSide,
		"link add g0 netns " + middle + " type veth peer name e0 netns " + gatewaySide,
		"link add f0 netns " + middle + " type veth peer name e0 netns " + farSide,
		"-n " + gatewaySide + " addr add " + gatewayHost + "/24 dev e0", "-n " + farSide + " addr add " + portalHost + "/24 dev e0",
		"-n " + middle + " addr add 10.99.1.1/24 dev g0", "-n " + middle + " addr add 10.99.2.1/24 dev f0",
	}
	for i := range 10 {
		lines = append(lines, "-n "+farSide+" addr add "+fmt.Sprintf(callerHosts, i)+"/24 dev e0")
	}
	for _, side := range []string{gatewaySide, farSide} {
		lines = append(lines, "-n "+side+" link set lo up", "-n "+side+" link set e0 up")
	}
	lines = append(lines, "-n "+middle+" link set g0 up", "-n "+middle+" link set f0 up",
		"-n "+gatewaySide+" route add default via 10.99.1.1", "-n "+farSide+" route add default via 10.99.2.1")
	for _, line := range lines {
		if err := ip(line); err != nil {
			return err
		}
	}
	var err error
	inside(middle, func() { err = os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) })
	return err
}

func remove() {
	for _, side := range []string{gatewaySide, middle, farSide} {
		ip("netns del " + side) // it may not be there
	}
}

// drop has the router drop all from and to a host from now on, or no longer.
func drop(verb, host string) error {
	return errors.Join(ip("-n "+middle+" rule "+verb+" blackhole from "+host), ip("-n "+middle+" rule "+verb+" blackhole to "+host))
}

func ip(line string) error {
	out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// within listens in a namespace.
func within(side, address string) func() (net.Listener, error) {
	return func() (l net.Listener, err error) {
		inside(side, func() { l, err = net.Listen("tcp", address) })
		return l, err
	}
}

// inside does f in a namespace: what it opens stays there. The thread that it is done by
// ends with it.
func inside(side string, f func()) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		space, err := os.Open("/run/netns/" + side)
		if err == nil {
			defer space.Close()
			err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			panic(err) // it was made a moment ago
		}
		f()
	})
	done.Wait()
}
