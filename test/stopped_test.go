//go:build unix

package test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A gateway that stands still for longer than any of its patience, as a machine that is
// moved does, goes on where it stood. What came meanwhile is heard before anybody is taken
// for silent, for slow or for gone.
func TestStopped(t *testing.T) {
	t.Parallel()
	const still = 8 * time.Second
	pressed := make(chan struct{}, 1)
	portal := serves(t, func(c net.Conn) {
		io.WriteString(c, "\x0caccueil")
		p := make([]byte, 512)
		for {
			n, err := c.Read(p)
			if err != nil {
				return
			}
			switch got := string(p[:n]); {
			case got == "\x13I": // it reacts while the gateway stands still
				pressed <- struct{}{}
				time.Sleep(still / 5)
				io.WriteString(c, "vraiment ?")
			case got == "P": // more than anybody takes who does not read
				io.WriteString(c, strings.Repeat("page ", 40<<10)+"[fin]")
			default:
				c.Write(p[:n])
			}
		}
	})
	dir := t.TempDir()
	text := "listen = ['ws://127.0.0.1:0', 'telnet://127.0.0.1:0', 'tcp://127.0.0.1:0']\nlink = 'none'\n" +
		"[portal]\nurl = 'tcp://" + portal + "'\n[limits]\nping = '2s'\nstall = '4s'\n"
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml")
	t.Cleanup(func() {
		if t.Failed() {
			log := g.log.String()
			t.Logf("the gateway said:\n%s", log[max(0, len(log)-4000):])
		}
	})

	var crowds []*crowd
	for i, door := range []string{"ws", "telnet", "tcp"} {
		crowds = append(crowds, gatherBy(t, func() (net.Conn, error) {
			l, err := home{scheme: door, door: g.doors[door], address: fmt.Sprintf("127.6.1.%d", 1+i)}.dial()
			if err != nil {
				return nil, err
			}
			return &homeConn{l.conn, l}, nil
		}, "", 20))
	}
	calls := func() (conn net.Conn, screen *reader) {
		conn, err := from("127.6.2.1").Dial("tcp", g.doors["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(3*still + patience))
		screen = &reader{from: conn}
		if err := screen.expects("accueil", true); err != nil {
			t.Fatal(err)
		}
		return conn, screen
	}
	slow, _ := calls()
	asked, askedScreen := calls()
	io.WriteString(slow, "P")
	time.Sleep(time.Second) // as much is on its way as there is room for
	io.WriteString(asked, "\x13I")
	<-pressed

	g.command.Process.Signal(syscall.SIGSTOP)
	time.Sleep(still / 2)
	io.WriteString(asked, "touche") // typed meanwhile
	got := make(chan error, 1)
	go func() { got <- readsUntil(slow, "[fin]") }() // it reads again
	time.Sleep(still / 2)
	before := make([]int64, len(crowds))
	for i, c := range crowds {
		before[i] = c.keys.Load()
	}
	g.command.Process.Signal(syscall.SIGCONT)

	if err := askedScreen.expects("vraiment ?touche", true); err != nil {
		t.Errorf("a portal that has reacted to Connexion/Fin: %v", err)
	}
	if err := <-got; err != nil {
		t.Errorf("a caller who has read what waited: %v", err)
	}
	for i, c := range crowds {
		if !within(func() bool { return c.keys.Load() >= before[i]+60 }) {
			t.Error("calls do not go on")
		}
		c.leave() // each says what it missed
	}
	if log := g.log.String(); strings.Contains(log, "silent") || strings.Contains(log, "dropped") {
		t.Error("somebody was cut")
	}
}

// A homeConn is a homeLine as a connection.
type homeConn struct {
	net.Conn
	line *homeLine
}

func (c *homeConn) Read(p []byte) (int, error)  { return c.line.Read(p) }
func (c *homeConn) Write(p []byte) (int, error) { return c.line.Write(p) }
