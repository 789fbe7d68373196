package catest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"moip/internal/testkit/freeport"
)

// pebbleVersion is that of github.com/letsencrypt/pebble/v2, which is none of our
// module's dependencies: its programs are built on their own.
const pebbleVersion = "v2.10.1"

// A Pebble is an authority that speaks ACME, as Let's Encrypt does. All names are at
// 127.0.0.1 for it.
type Pebble struct {
	URL   string         // of its directory
	Roots string         // a file by which it is itself known
	Pool  *x509.CertPool // by which the certificates are known that it gives

	door *door
}

// StartPebble starts one, until the test ends. It knocks at the ports given to see whose
// a name is, and its certificates last so long.
func StartPebble(t testing.TB, httpPort, tlsPort int, lasts time.Duration) *Pebble {
	t.Helper()
	programs := install(t)
	own := New(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	own.Give(t, cert, key, time.Hour, "127.0.0.1")

	names, listen, manage := freeport.Addr(t), freeport.Addr(t), freeport.Addr(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "certificate": cert, "privateKey": key,
		"httpPort": httpPort, "tlsPort": tlsPort, "retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "of a test", "validityPeriod": int(lasts.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, filepath.Join(programs, "pebble-challtestsrv"), "-dnsserver", names, "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", freeport.Addr(t))
	run(t, filepath.Join(programs, "pebble"), "-config", file, "-dnsserver", names)

	p := &Pebble{Roots: own.File, Pool: x509.NewCertPool(), door: &door{to: listen}}
	p.Up(t)
	t.Cleanup(p.Down)
	p.URL = "https://" + p.door.at + "/dir"
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own.Pool}, DisableKeepAlives: true}}
	fetch(t, client, p.URL)
	if !p.Pool.AppendCertsFromPEM(fetch(t, client, "https://"+manage+"/roots/0")) {
		t.Fatal("pebble has no root")
	}
	return p
}

// Down has nobody reach it, until Up.
func (p *Pebble) Down() { p.door.close() }

// Up has it reached again.
func (p *Pebble) Up(t testing.TB) {
	t.Helper()
	if err := p.door.open(); err != nil {
		t.Fatal(err)
	}
}

var installing sync.Mutex

// install builds the programs, unless they were before, and returns their folder.
func install(t testing.TB) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "moip", "pebble-"+pebbleVersion)
	if _, err := os.Stat(filepath.Join(dir, "pebble-challtestsrv")); err == nil {
		return dir
	}
	const path = "github.com/letsencrypt/pebble/v2/cmd/"
	command := exec.Command("go", "install", path+"pebble@"+pebbleVersion, path+"pebble-challtestsrv@"+pebbleVersion)
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("pebble, an authority for tests, cannot be built: %v\n%s", err, out)
	}
	return dir
}

// run runs a program until the test ends.
func run(t testing.TB, program string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	command := exec.Command(program, args...)
	command.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), said.String())
		}
	})
}

// fetch returns what is at a URL, once it is there.
func fetch(t testing.TB, client *http.Client, url string) []byte {
	t.Helper()
	var last error
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		w, err := client.Get(url)
		if err != nil {
			last = err
			continue
		}
		defer w.Body.Close()
		body, err := io.ReadAll(w.Body)
		if err == nil && w.StatusCode == http.StatusOK {
			return body
		}
		t.Fatalf("%s: %s, %v", url, w.Status, err)
	}
	t.Fatal(last)
	return nil
}

// A door is an address by which something is reached, if it is open.
type door struct {
	at, to string

	mu       sync.Mutex
	listener net.Listener
	through  map[net.Conn]bool
	passing  sync.WaitGroup
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.at
	if at == "" {
		at = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	d.at, d.listener, d.through = l.Addr().String(), l, map[net.Conn]bool{}
	d.passing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.passing.Go(func() { d.pass(conn) })
		}
	})
	return nil
}

func (d *door) pass(conn net.Conn) {
	defer conn.Close()
	peer, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer peer.Close()
	if !d.lets(conn, peer) {
		return
	}
	d.passing.Go(func() {
		io.Copy(peer, conn)
		peer.Close()
	})
	io.Copy(conn, peer)
}

// lets notes connections that close is to end, unless it has been.
func (d *door) lets(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		if d.through != nil {
			d.through[conn] = true
		}
	}
	return d.through != nil
}

func (d *door) close() {
	d.mu.Lock()
	if d.listener != nil {
		d.listener.Close()
	}
	for conn := range d.through {
		conn.Close()
	}
	d.listener, d.through = nil, nil
	d.mu.Unlock()
	d.passing.Wait()
}
