package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pires/go-proxyproto"

	"moip/videotex"
)

// atProxy is where the proxies of these tests call from, and no caller does.
const atProxy = "127.0.0.8"

// proxyProgram runs a proxy, until the test ends, with a configuration in which $dir is a
// folder of its own, and waits until it answers at an address.
func proxyProgram(t *testing.T, name, config, at string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no %s: install Debian's package of that name (make test does, as root)", name)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "$dir", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &log{}
	proxy := exec.Command(path, append(args, file)...)
	proxy.Stdout, proxy.Stderr = said, said
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proxy.Process.Kill()
		proxy.Wait()
		if t.Failed() {
			t.Logf("%s said\n%s", name, said)
		}
	})
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%s does not answer at %s: %v\n%s", name, at, err, said)
		}
	}
}

// haproxy runs HAProxy with the sections of a configuration, which answers at an address.
func haproxy(t *testing.T, sections, at string) {
	t.Helper()
	proxyProgram(t, "haproxy", `
defaults
    timeout connect 10s
    timeout client 1m
    timeout server 1m
    timeout check 10s
`+sections, at, "-db", "-f")
}

// nginx runs nginx with servers, which answers at an address.
func nginx(t *testing.T, servers, at string) {
	t.Helper()
	proxyProgram(t, "nginx", `
daemon off;
master_process off;
pid $dir/pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
`+servers+`
}
`, at, "-e", "stderr", "-c")
}

// nosy is a portal that learns by the PROXY protocol who calls, and tells the caller.
func nosy(t *testing.T) (address string) {
	t.Helper()
	return serves(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		header, err := proxyproto.Read(r)
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "\fVous appelez de <%v>", header.SourceAddr)
		io.Copy(io.Discard, r)
	})
}

// isTold expects that the portal tells the caller at the other end where it calls from.
func isTold(t *testing.T, r io.Reader, want string) {
	t.Helper()
	var got []byte
	for p := make([]byte, 100); !bytes.ContainsRune(got, '>'); {
		n, err := r.Read(p)
		if err != nil {
			t.Errorf("the caller is told %q, %v, not %s", got, err, want)
			return
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Contains(got, []byte("<"+want+">")) {
		t.Errorf("the caller is told %q, not %s", got, want)
	}
}

// by calls by a line from an address, and says something at once: without the scheduler,
// in whose queue a busy test may wait so long that it counts as one who listens first.
func by(t *testing.T, door, address, says string) *net.TCPConn {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	socket := os.NewFile(uintptr(fd), "a caller's socket")
	defer socket.Close()
	to := netip.MustParseAddrPort(door)
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: netip.MustParseAddr(address).As4()}); err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err != nil {
		t.Fatal(err)
	}
	syscall.Write(fd, []byte(says)) // who is not let in may be cut off already
	conn, err := net.FileConn(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

// byWeb calls by a WebSocket from an address, with headers. It returns the connection as a
// reader, and where it is; or nil if it is refused.
func byWeb(t *testing.T, url, address string, header http.Header) (r io.Reader, at string, w *http.Response) {
	t.Helper()
	client := clientFrom(t, address)
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
		conn, err := from(address).DialContext(ctx, network, to)
		if err == nil {
			at = conn.LocalAddr().String()
		}
		return conn, err
	}
	c, w, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil {
		if w == nil {
			t.Fatal(err)
		}
		return nil, at, w
	}
	t.Cleanup(func() { c.CloseNow() })
	conn := websocket.NetConn(t.Context(), c, websocket.MessageText)
	conn.SetDeadline(time.Now().Add(patience))
	return conn, at, w
}

// A real HAProxy is before all doors, by both versions of the protocol, and another between
// the gateway and its portal. Portal, log, operators and bans know callers by their own
// addresses, and HAProxy's health checks, which succeed, are no calls.
func TestBehindHAProxy(t *testing.T) {
	t.Parallel()
	fronts := ports(t, 7)
	portal := nosy(t)
	dir := t.TempDir()
	config := `
listen = ["ws://127.0.0.1:0?proxy=on", "telnet://127.0.0.1:0?proxy=on", "tcp://127.0.0.1:0?proxy=on"]
link = "none"
[portal]
url = "tcp://` + fronts[6] + `"
real_ip = "proxy-v2"
[proxies]
trust = ["` + atProxy + `"]
[bans]
file = "none"
never = ["` + atProxy + `"]
`
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", "127.0.0.1:0")
	o := operator{t, g.doors["admin"]}

	sections := ""
	doors := map[string]string{}
	for i, version := range []string{"send-proxy", "send-proxy-v2"} {
		for j, scheme := range []string{"tcp", "telnet", "ws"} {
			name, at, check := scheme+" "+version, fronts[3*i+j], ""
			doors[name] = at
			if scheme == "ws" {
				check = "option httpchk GET /"
			}
			sections += fmt.Sprintf(`
listen %s-%s
    mode tcp
    bind %s
    %s
    server moip %s source %s %s check inter 200ms
`, scheme, version, at, check, g.doors[scheme], atProxy, version)
		}
	}
	sections += fmt.Sprintf(`
listen portal
    mode tcp
    bind %s accept-proxy
    server portal %s send-proxy
`, fronts[6], portal)
	haproxy(t, sections, fronts[6])

	o.does(line("ban 127.0.0.22 --for 1h --reason test"))
	for name, at := range doors {
		scheme, _, _ := strings.Cut(name, " ")
		if scheme == "ws" {
			// A header of HTTP means nothing here.
			r, address, _ := byWeb(t, "ws://"+at, "127.0.0.21", http.Header{"X-Forwarded-For": {"203.0.113.1"}, "Forwarded": {"for=203.0.113.1"}})
			if r == nil {
				t.Errorf("%s: refused", name)
				continue
			}
			isTold(t, r, address)
			known(o, g, address, scheme)
			if r, _, w := byWeb(t, "ws://"+at, "127.0.0.22", nil); r != nil || w.StatusCode != http.StatusForbidden {
				t.Errorf("%s: who is banned is answered %s", name, w.Status)
			}
			continue
		}
		conn := by(t, at, "127.0.0.21", "")
		isTold(t, conn, conn.LocalAddr().String())
		known(o, g, conn.LocalAddr().String(), scheme)
		// A second header is what the caller types.
		conn = by(t, at, "127.0.0.23", "PROXY TCP4 203.0.113.1 127.0.0.1 1 2\r\n")
		isTold(t, conn, conn.LocalAddr().String())
		if got, _ := io.ReadAll(by(t, at, "127.0.0.22", "3615\r\n")); string(got) != "Acc\x19Aes refus\x19Be.\r\n" {
			t.Errorf("%s: who is banned is told %q", name, got)
		}
	}

	// Without the proxy.
	for _, scheme := range []string{"tcp", "telnet"} {
		conn := by(t, g.doors[scheme], "127.0.0.24", "PROXY TCP4 203.0.113.1 127.0.0.1 1 2\r\n")
		isTold(t, conn, conn.LocalAddr().String())
	}
	conn := by(t, g.doors["tcp"], "127.0.0.22", "PROXY TCP4 127.0.0.8 127.0.0.1 1 2\r\n")
	if got, _ := io.ReadAll(conn); string(got) != "Acc\x19Aes refus\x19Be.\r\n" {
		t.Errorf("who is banned and says that it is the proxy is told %q", got)
	}
	conn = by(t, g.doors["tcp"], atProxy, "3615 ULLA and more\r\n")
	if got, _ := io.ReadAll(conn); string(got) != "Adresse inconnue.\r\n" {
		t.Errorf("a proxy without a header is told %q", got)
	}
	hears(t, &g.log, `msg="caller refused" from=`+conn.LocalAddr().String()+` by=tcp reason=proxy error="no PROXY header comes first (have the proxy send one: send-proxy or send-proxy-v2)"`)
	metrics(o, `moip_refusals_total{reason="proxy",transport="tcp"} 1`)
	hears(t, &g.log, "a proxy looks whether somebody is here")
	if call := regexp.MustCompile(`"call began".* from=` + atProxy + `:.*`).FindString(g.log.String()); call != "" {
		t.Errorf("a health check is a call: %s", call)
	}
	if calls := o.asks("GET", "/calls", "", http.StatusOK); strings.Contains(calls, atProxy) || strings.Contains(calls, "203.0.113.1") {
		t.Errorf("the calls are %s", calls)
	}
}

// known expects that log and operators know of a caller by its address.
func known(o operator, g *gateway, address, scheme string) {
	o.Helper()
	hears(o.T, &g.log, "from="+address+" by="+scheme)
	if calls := o.asks("GET", "/calls", "", http.StatusOK); !strings.Contains(calls, `"`+address+`"`) {
		o.Errorf("%s is not among the calls: %s", address, calls)
	}
}

func metrics(o operator, want string) {
	o.Helper()
	w, err := http.Get("http://" + o.at + "/metrics")
	if err != nil {
		o.Fatal(err)
	}
	defer w.Body.Close()
	if text, _ := io.ReadAll(w.Body); !strings.Contains(string(text), want) {
		o.Errorf("the metrics lack %s", want)
	}
}

// A real nginx is before the door for WebSockets, and tells by one header after the other,
// to which the configuration is changed; and then through a HAProxy before it, which tells
// it by its own. What callers write in headers themselves counts for nothing.
func TestBehindNginx(t *testing.T) {
	t.Parallel()
	fronts := ports(t, 3)
	portal, dir := nosy(t), t.TempDir()
	path := filepath.Join(dir, "moip.toml")
	admin := fronts[2]
	write := func(header string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(`
listen = ["ws://127.0.0.1:0"]
link = "none"
[portal]
url = "tcp://`+portal+`"
real_ip = "proxy-v2"
[proxies]
trust = ["`+atProxy+`"]
header = "`+header+`"
[bans]
file = "none"
never = []
`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("x-forwarded-for")
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", admin)
	o := operator{t, admin}
	_, port, _ := net.SplitHostPort(fronts[0])
	nginx(t, `
    map $remote_addr $forwarded_element {
        ~^[0-9.]+$        "for=$remote_addr";
        ~^[0-9A-Fa-f:.]+$ "for=\"[$remote_addr]\"";
        default           "for=unknown";
    }
    server {
        listen 127.0.0.1:`+port+`;
        listen [::1]:`+port+`;
        proxy_bind `+atProxy+`;
        proxy_http_version 1.1;
        location /x-forwarded-for {
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_pass http://`+g.doors["ws"]+`;
        }
        location /x-real-ip {
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header X-Real-IP $remote_addr;
            proxy_pass http://`+g.doors["ws"]+`;
        }
        location /forwarded {
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Forwarded "$http_forwarded, $forwarded_element";
            proxy_pass http://`+g.doors["ws"]+`;
        }
    }
`, fronts[0])
	forged := http.Header{"X-Forwarded-For": {"203.0.113.1", "203.0.113.2, " + atProxy}, "X-Real-Ip": {"203.0.113.3"}, "Forwarded": {"for=203.0.113.4"}}
	for i, header := range []string{"x-forwarded-for", "x-real-ip", "forwarded"} {
		if i > 0 {
			write(header)
			o.reloads(g, "proxies.header")
		}
		for host, address := range map[string]string{"127.0.0.1": "127.0.0.31", "[::1]": "::1"} {
			for _, said := range []http.Header{nil, forged} {
				url := "ws://" + host + ":" + port + "/" + header
				r, _, w := byWeb(t, url, address, said)
				if r == nil {
					t.Errorf("%s from %s, saying %v: %s", header, address, said, w.Status)
					continue
				}
				at := net.JoinHostPort(address, "0") // no port is told
				isTold(t, r, at)
				known(o, g, at, "ws")
			}
		}
		o.does(line("ban 127.0.0.32 --for 1h --reason test"))
		if r, _, w := byWeb(t, "ws://"+fronts[0]+"/"+header, "127.0.0.32", forged); r != nil || w.StatusCode != http.StatusForbidden {
			t.Errorf("%s: who is banned is answered %s", header, w.Status)
		}
		// Without the proxy, the headers are a caller's.
		r, at, _ := byWeb(t, "ws://"+g.doors["ws"], "127.0.0.33", forged)
		if r == nil {
			t.Fatal("refused")
		}
		isTold(t, r, at)
	}

	// A quotation without an end is the caller's own harm.
	if r, _, w := byWeb(t, "ws://"+fronts[0]+"/forwarded", "127.0.0.31", http.Header{"Forwarded": {`for="`}}); r != nil || w.StatusCode != http.StatusBadRequest {
		t.Errorf("who spoils the header is answered %s", w.Status)
	}
	hears(t, &g.log, `msg="caller refused"`, `by=ws reason=forwarded error="forwarded of 127.0.0.8: a quotation has no end"`)
	metrics(o, `moip_refusals_total{reason="forwarded",transport="ws"} 1`)

	write("x-forwarded-for")
	o.reloads(g, "proxies.header")
	haproxy(t, fmt.Sprintf(`
listen web
    mode http
    bind %s
    option forwardfor
    server nginx %s source %s
`, fronts[1], fronts[0], atProxy), fronts[1])
	r, _, w := byWeb(t, "ws://"+fronts[1]+"/x-forwarded-for", "127.0.0.34", forged)
	if r == nil {
		t.Fatal(w.Status)
	}
	isTold(t, r, "127.0.0.34:0")
}

// A portal of PyMoIP's kind is introduced to callers by their own addresses.
func TestIntroducedBehindProxy(t *testing.T) {
	t.Parallel()
	at, dir := ports(t, 2), t.TempDir()
	portal := runs(t, "portal", "--ws", at[0], "--link", at[1])
	config := `
listen = ["tcp://127.0.0.1:0?proxy=on"]
link = "ws://` + at[1] + `"
[portal]
url = "ws://` + at[0] + `"
[proxies]
trust = ["` + atProxy + `"]
`
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml")
	hears(t, &portal.log, "gateway linked")
	conn := by(t, g.doors["tcp"], atProxy, "PROXY TCP4 192.0.2.7 198.51.100.1 4000 9001\r\n")
	guest := &guest{t: t, conn: conn, screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
	guest.screen.Indicate('C')
	var reading sync.WaitGroup
	reading.Go(guest.read)
	t.Cleanup(func() { conn.Close(); reading.Wait() })
	guest.sees("192.0.2.7")
}

// What doc/operators.md has operators write is what works.
func TestBehindProxyAsWritten(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../doc/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## Behind a proxy\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	written := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(chapter, -1) {
		written[block[1]] += block[2]
	}
	dir, fronts := t.TempDir(), ports(t, 3)
	config := strings.NewReplacer(":9000?", ":0?", ":9001", ":0").Replace(written["toml"])
	config += "[bans]\nnever = []\nfile = 'none'\n"
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", "127.0.0.1:0")
	o := operator{t, g.doors["admin"]}
	placed := strings.NewReplacer("127.0.0.1:9000", g.doors["telnet"], "127.0.0.1:9001", g.doors["ws"],
		":23\n", fronts[0]+"\n", ":80\n", fronts[1]+"\n", "listen 80;", "listen "+fronts[2]+";")
	haproxy(t, placed.Replace(written["haproxy"]), fronts[0])
	nginx(t, placed.Replace(written["nginx"]), fronts[2])

	conn := by(t, fronts[0], "127.0.0.41", "")
	known(o, g, conn.LocalAddr().String(), "telnet")
	for i, front := range fronts[1:] {
		address := fmt.Sprintf("127.0.0.%d", 42+i)
		r, _, w := byWeb(t, "ws://"+front, address, http.Header{"X-Forwarded-For": {"203.0.113.1"}})
		if r == nil {
			t.Fatalf("by %s: %s", front, w.Status)
		}
		known(o, g, address+":0", "ws")
		page, err := clientFrom(t, address).Get("http://" + front + "/")
		if err != nil {
			t.Fatal(err)
		}
		if page.Body.Close(); page.StatusCode != http.StatusOK {
			t.Errorf("by %s the page is answered %s", front, page.Status)
		}
	}
	if calls := o.asks("GET", "/calls", "", http.StatusOK); strings.Contains(calls, "203.0.113.1") {
		t.Errorf("the calls are %s", calls)
	}
}
