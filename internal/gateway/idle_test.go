//go:build !race

package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"moip/internal/certificate/catest"
	"moip/internal/config"
	"moip/internal/handover"
)

// TestIdleMemory holds what an idle call takes of heap and stacks to a figure, in a gateway
// as it comes: with history, shield, limits and what operators are told. The other ends of
// the calls are in a process of their own.
func TestIdleMemory(t *testing.T) {
	if os.Getenv(otherEnds) != "" {
		beOtherEnds()
		os.Exit(0)
	}
	for _, c := range []struct {
		name     string
		scheme   string
		inside   bool // the portal is
		calls    int
		mostEach int // bytes; a tenth more than there are, by which runs differ
	}{
		{"WebSockets", "ws", false, 2000, 5000},
		{"PortalInside", "ws", true, 2000, 5000},
		{"TLS", "wss", false, 1000, 13_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			others := startOtherEnds(t)
			g := wholeGateway(t, func(cfg *config.Config) {
				cfg.Listen = []string{c.scheme + "://127.0.0.1:0"}
				if !c.inside {
					cfg.Portal.URL = "ws://" + others.portal
				}
			})
			others.call(t, g, c.scheme, 300) // whatever grows once has grown
			before := settled()
			others.call(t, g, c.scheme, c.calls)
			each := (settled() - before) / c.calls
			t.Logf("%d bytes for each", each)
			if calls, _ := g.board.Count(); calls != 300+c.calls {
				t.Errorf("there are %d calls", calls)
			}
			if each > c.mostEach {
				t.Errorf("an idle call holds %d bytes, more than %d", each, c.mostEach)
			}
		})
	}
}

// settled returns what is used when it is no longer becoming less: those of before may
// still be leaving, and the history be written.
func settled() int {
	for most := used(); ; {
		time.Sleep(time.Second)
		now := used()
		if now > most-64<<10 {
			return now
		}
		most = now
	}
}

// used returns the bytes of heap and stacks in use.
func used() int {
	for range 3 { // pools forget after two collections
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// wholeGateway starts a gateway with all that it may have, and limits that let many come
// from here. Its portal, if it is not inside, has no link.
func wholeGateway(t *testing.T, change func(*config.Config)) *gateway {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Admin, cfg.Records, cfg.Link = "127.0.0.1:0", filepath.Join(dir, "visits.jsonl"), "none"
	cfg.History.File, cfg.Bans.File = filepath.Join(dir, "history.db"), filepath.Join(dir, "bans")
	cfg.Limits.NewCalls, cfg.Limits.Keys, cfg.Limits.Ping = 0, 0, 0
	change(cfg)
	if strings.HasPrefix(cfg.Listen[0], "wss") {
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		catest.New(t).Give(t, cert, key, time.Hour, "127.0.0.1")
		cfg.TLS.Cert, cfg.TLS.Key = []string{cert}, []string{key}
	}
	if cfg.Builtin() {
		cfg.Link = ""
	}
	log := &logbook{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), level: new(slog.LevelVar)}
	g, err := open(t.Context(), Plan{Config: cfg}, log, &handover.Sockets{})
	if err != nil {
		t.Fatal(err)
	}
	g.start()
	t.Cleanup(g.stop)
	return g
}

// otherEnds says, in the environment, that this process is to be the other ends.
const otherEnds = "MOIP_TEST_OTHER_ENDS"

// others is the process at the other ends.
type others struct {
	portal string // where its portal is
	orders io.Writer
	done   *bufio.Scanner
}

func startOtherEnds(t *testing.T) others {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleMemory$")
	cmd.Env, cmd.Stderr = append(os.Environ(), otherEnds+"=1"), os.Stderr
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		orders.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	o := others{orders: orders, done: bufio.NewScanner(out)}
	o.done.Scan()
	o.portal = o.done.Text()
	return o
}

// call has so many callers more call g, look at a page and press a key.
func (o others) call(t *testing.T, g *gateway, scheme string, n int) {
	t.Helper()
	fmt.Fprintln(o.orders, scheme, g.listeners[0].Addr(), n)
	if o.done.Scan(); o.done.Text() != "done" {
		t.Fatalf("callers: %q, %v", o.done.Text(), o.done.Err())
	}
}

// beOtherEnds is a portal, and callers as many as it is told, until there are no more orders.
func beOtherEnds() {
	portal, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go portalOf(portal)
	fmt.Println(portal.Addr())
	var scheme, at string
	var n int
	var callers []net.Conn // or they were closed when nobody has them
	defer func() {
		for _, conn := range callers {
			conn.Close()
		}
	}()
	for {
		if _, err := fmt.Scanln(&scheme, &at, &n); err != nil {
			return
		}
		for range n {
			conn, err := aCaller(scheme, at)
			if err != nil {
				fmt.Println(err)
				return
			}
			callers = append(callers, conn)
		}
		fmt.Println("done")
	}
}

// portalOf shows a page to all who come.
func portalOf(l net.Listener) {
	page := bytes.Repeat([]byte("\x1FBA Un service de tous les jours"), 30) // 960 bytes
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			if _, err := ws.Upgrade(conn); err == nil {
				ws.WriteFrame(conn, ws.NewTextFrame(page))
			}
			io.Copy(io.Discard, conn)
		}()
	}
}

// aCaller calls, as a browser does, waits for the page and presses a key.
func aCaller(scheme, at string) (net.Conn, error) {
	conn, err := net.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	if scheme == "wss" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the authority's file is the gateway's
	}
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+at+"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"+
		"Accept: */*\r\nAccept-Language: fr,fr-FR;q=0.8,en-US;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nOrigin: http://"+at+"\r\n"+
		"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(conn)
	for line := "-"; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			return nil, fmt.Errorf("no WebSocket: %w", err)
		}
	}
	for seen := 0; seen < 250; {
		h, err := ws.ReadHeader(r)
		if err == nil {
			_, err = io.CopyN(io.Discard, r, h.Length)
		}
		if err != nil {
			return nil, fmt.Errorf("no page: %w", err)
		}
		seen += int(h.Length)
	}
	return conn, ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame([]byte("A"))))
}
