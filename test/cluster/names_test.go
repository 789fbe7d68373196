//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/net/dns/dnsmessage"
)

// TestNames tries what doc/cluster.md says of a name with several addresses: three gateways
// alone, with the same portal but for its greeting; a DNS server that turns their addresses
// round with each answer; and the programs with which people call. All three answer, then one
// refuses, then one is silent.
func TestNames(t *testing.T) {
	if *inside == "" {
		again(t)
		return
	}
	lines := append(privately,
		"ip link add hub type bridge", "ip link set hub up", "ip address add 10.0.0.1/24 dev hub",
		"ip netns add caller", "ip link add line type veth peer name e0 netns caller", "ip link set line up", "ip address add 192.0.2.1/24 dev line",
		"ip -n caller link set lo up", "ip -n caller link set e0 up", "ip -n caller address add 192.0.2.2/24 dev e0", "ip -n caller route add default via 192.0.2.1",
		"ip netns exec caller sysctl -q -w net.ipv4.tcp_syn_retries=1", // 3 s, and not 127, for whoever waits as long as the kernel does
	)
	for i := range names {
		lines = append(lines, fmt.Sprintf("ip address add 10.0.0.%d/24 dev hub", 11+i))
	}
	lines = append(lines, "mount --bind "+writes(t, t.TempDir(), "resolv.conf", "nameserver 10.0.0.1\n")+" /etc/resolv.conf")
	if err := commands(lines...); err != nil {
		t.Fatal(err)
	}
	resolves(t, "10.0.0.1:53", "hub.example.", 11, 12, 13)
	var all []*process
	for i, name := range names {
		portal := fmt.Sprintf("127.0.0.1:700%d", i)
		echoes(t, portal, byte('1'+i))
		at := fmt.Sprintf("10.0.0.%d", 11+i)
		all = append(all, runs(t, name, t.TempDir(), at+":23", program, "serve", "--tcp", at+":23", "--ws", at+":80", "--admin", "none", "--history", "none",
			"--records", "none", "--videotext", "tcp://"+portal, "--nocommand"))
	}
	phase := func(what string) {
		t.Log(what)
		for _, c := range clients(t) {
			came := [4]int{}
			var longest time.Duration
			for range 6 {
				began := time.Now()
				n := c.calls(t)
				came[n]++
				if n > 0 {
					longest = max(longest, time.Since(began))
				}
			}
			t.Logf("%-24s came to the first %d times, the second %d, the third %d; not at all %d; within %v", c.name, came[1], came[2], came[3], came[0], longest.Round(10*time.Millisecond))
			if came[0] > 0 && !c.gives {
				t.Errorf("%s, %s: not always put through", c.name, what)
			}
		}
	}
	phase("all answer")
	all[0].kill()
	phase("the first refuses")
	if err := commands("iptables -A INPUT -d 10.0.0.11 -j DROP"); err != nil {
		t.Fatal(err)
	}
	phase("the first is silent")
}

// A client is a program with which people call.
type client struct {
	name  string
	gives bool // it gives up if the first address that it has does not answer
	line  []string
}

func clients(t *testing.T) []client {
	telnet, busybox := lookPath(t, "inetutils-telnet", "inetutils-telnet"), lookPath(t, "busybox", "busybox")
	return []client{
		{"moip connect, telnet", false, []string{program, "connect", "telnet://hub.example:23"}},
		{"moip connect, WebSocket", false, []string{program, "connect", "ws://hub.example/"}},
		{"telnet of inetutils", false, []string{telnet, "hub.example", "23"}},
		{"telnet of BusyBox", true, []string{busybox, "telnet", "hub.example", "23"}},
	}
}

// calls calls, and returns at which gateway it has come, 0 for none within 20 s.
func (c client) calls(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", "caller"}, c.line...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 90})
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	defer terminal.Close()
	stop := context.AfterFunc(ctx, func() { terminal.Close() })
	defer stop()
	said := ""
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		said += string(buf[:n])
		for i := range 3 {
			if strings.Contains(said, fmt.Sprintf("<%d!>", i+1)) {
				return i + 1
			}
		}
		if err != nil {
			return 0
		}
	}
}

// resolves answers for one name with addresses of 10.0.0.0/24, in another order each time.
func resolves(t *testing.T, at, name string, hosts ...byte) {
	t.Helper()
	conn, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 512)
		for turn := 0; ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Name.String() != name {
				m.RCode = dnsmessage.RCodeNameError
			} else if q.Type == dnsmessage.TypeA {
				for i := range hosts {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, hosts[(i+turn)%len(hosts)]}},
					})
				}
				turn++
			}
			if answer, err := m.Pack(); err == nil {
				conn.WriteTo(answer, from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); serving.Wait() })
}
