//go:build linux

package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A ground is where a hub stands: a network of its own, with its addresses as doc/cluster.md
// has them: 10.0.0.11 and so on are gateways, 10.0.0.2 is HAProxy.
type ground struct {
	net    string              // the first three numbers, with a dot: 10.0.0.
	by     func(host) []string // the command by which a program runs on a machine
	from   func(i int) net.IP  // the addresses of callers
	proxy  string              // from where HAProxy calls the gateways
	line   string              // the port where HAProxy has telnet callers,
	web    string              // and where WebSockets
	cut    func(host, bool)    // a machine from all NATS servers, or no more; nil if wires do
	settle time.Duration
	inner  bool // NATS is inside the gateways
}

// A host is the last number of a machine's address.
type host int

const (
	test     host = 1 // callers, portal, service, operators
	front    host = 2
	gateways host = 11 // and the two behind it
)

func (g ground) at(h host, port string) string { return fmt.Sprintf("%s%d:%s", g.net, h, port) }

var names = []string{"paris", "lyon", "nice"}

const (
	fullToken = "full-0123456789abcdef"
	lookToken = "look-0123456789abcdef"
)

// opens starts all of a hub: servers of NATS unless they are in the gateways, gateways,
// HAProxy.
func (g ground) opens(t *testing.T) *hub {
	t.Helper()
	haproxy := lookPath(t, "haproxy", "haproxy")
	h := newHub(t, g.settle)
	h.token, h.service = fullToken, "tcp://"+g.at(test, "7001")
	echoes(t, g.at(test, "7000"), 'P')
	echoes(t, g.at(test, "7001"), 'S')
	for i, name := range names {
		m := &member{name: name, admin: g.at(gateways+host(i), "8999"), dir: t.TempDir()}
		h.members = append(h.members, m)
	}
	var urls, routes [3][]string
	if !g.inner {
		urls = g.servers(t, h)
	} else {
		for i := range names {
			for j := range names {
				if i != j {
					routes[i] = append(routes[i], g.at(gateways+host(j), "6222"))
				}
			}
		}
	}
	for i, m := range h.members {
		at := gateways + host(i)
		writes(t, m.dir, "full.token", fullToken+"\n")
		writes(t, m.dir, "look.token", lookToken+"\n")
		cluster := fmt.Sprintf("url = %s\nrecords = %q\n", list(urls[i]), stream)
		if g.inner {
			writes(t, m.dir, "hub.secret", "secret-of-this-hub-0123456789abcdef\n")
			cluster = fmt.Sprintf("listen = %q\nroutes = %s\nsecret_file = \"hub.secret\"\n", g.at(at, "6222"), list(routes[i]))
		}
		writes(t, m.dir, "moip.toml", fmt.Sprintf(`
listen = ["telnet://%s?proxy=on", "ws://%s?proxy=on"]
link = "none"
admin = "%s"
admin_token_file = "full.token"
admin_look_token_file = "look.token"
admin_plain = true
log = "none"
[portal]
url = "tcp://%s"
[proxies]
trust = [%q]
[bans]
never = ["127.0.0.0/8", "10.0.0.0/8"]
[limits]
new_calls = 0
[cluster]
node = %q
%s`, g.at(at, "9000"), g.at(at, "9001"), m.admin, g.at(test, "7000"), g.proxy, m.name, cluster))
		line := append(g.by(at), program, "--config", "moip.toml")
		m.gateway = runs(t, m.name, m.dir, m.admin, line...)
	}
	dir := t.TempDir()
	config := strings.NewReplacer("10.0.0.", g.net, "LOOK-TOKEN", lookToken,
		"bind :23 ", "bind "+g.at(front, g.line)+" ", "bind :80 ", "bind "+g.at(front, g.web)+" ").Replace(written(t, "haproxy"))
	there := g.at(front, "8404") // where it answers without a gateway
	writes(t, dir, "haproxy.cfg", config+"\nfrontend there\n    mode http\n    bind "+there+"\n    monitor-uri /\n")
	line := append(g.by(front), haproxy, "-db", "-f", "haproxy.cfg")
	runs(t, "haproxy", dir, there, line...)
	return h
}

// servers starts a NATS beside each gateway, and returns where each gateway finds them.
func (g ground) servers(t *testing.T, h *hub) (urls [3][]string) {
	t.Helper()
	path := lookPath(t, "nats-server", "nats-server")
	for i, m := range h.members {
		at, routes := gateways+host(i), []string{}
		for j := range names {
			routes = append(routes, "nats://"+g.at(gateways+host(j), "6222"))
		}
		writes(t, m.dir, "nats.conf", fmt.Sprintf(`
server_name: nats-%s
listen: %q
jetstream { store_dir: %q }
cluster {
	name: hub
	listen: %q
	routes: %s
	no_advertise: true
}
`, m.name, g.at(at, "4222"), filepath.Join(m.dir, "jetstream"), g.at(at, "6222"), list(routes)))
		line := append(g.by(at), path, "-c", "nats.conf")
		m.nats = runs(t, "nats-"+m.name, m.dir, g.at(at, "4222"), line...)
	}
	for i := range names {
		h.urls = append(h.urls, "nats://"+g.at(gateways+host(i), "4222"))
	}
	makes(t, h.urls)
	for i, m := range h.members {
		for j := range names {
			urls[i] = append(urls[i], "nats://"+g.at(gateways+host(j), "4222"))
		}
		if g.cut == nil {
			urls[i] = m.wires(t, g, i)
			continue
		}
		m.cut = func() { g.cut(gateways+host(i), true) }
		m.heal = func() { g.cut(gateways+host(i), false) }
	}
	return urls
}

func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// written is what the chapter Callers of doc/cluster.md has operators write, in a language.
func written(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../doc/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## Callers\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(chapter)
	if block == nil {
		t.Fatalf("doc/cluster.md, chapter Callers, has no %s", language)
	}
	return block[1]
}

// A wire leads through the test, which can hold what is on it, without a word to either end.
type wire struct {
	mu   sync.Mutex
	free *sync.Cond
	held bool
	over bool
}

// wires puts wires between a gateway and all servers, and returns where they begin. It is
// how a gateway is cut off without a network of its own.
func (m *member) wires(t *testing.T, g ground, i int) (urls []string) {
	t.Helper()
	w := &wire{}
	w.free = sync.NewCond(&w.mu)
	var carrying sync.WaitGroup
	var listeners []net.Listener
	for j := range names {
		at, to := g.at(host(100+10*i+j), "4222"), g.at(gateways+host(j), "4222")
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
		urls = append(urls, "nats://"+at)
		carrying.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				carrying.Go(func() { w.carries(conn, to) })
			}
		})
	}
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
		w.set(func() { w.over = true })
		carrying.Wait()
	})
	m.cut = func() { w.set(func() { w.held = true }) }
	m.heal = func() { w.set(func() { w.held = false }) }
	return urls
}

func (w *wire) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	w.free.Broadcast()
}

// passes waits while the wire is held, and reports whether it is there.
func (w *wire) passes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.held && !w.over {
		w.free.Wait()
	}
	return !w.over
}

func (w *wire) carries(conn net.Conn, to string) {
	defer conn.Close()
	if !w.passes() {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		defer far.Close()
		defer conn.Close()
		buf := make([]byte, 16<<10)
		for {
			n, err := from.Read(buf)
			if !w.passes() {
				return
			}
			if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	both.Go(func() { one(far, conn) })
	both.Go(func() { one(conn, far) })
	both.Wait()
}
