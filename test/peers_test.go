package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// runsBook runs a gateway whose directory has services by code, with limits.
func runsBook(t *testing.T, limits string, services map[string]string) *gateway {
	t.Helper()
	dir, book := t.TempDir(), ""
	for code, address := range services {
		book += fmt.Sprintf("[[service]]\ncode = %q\ntitle = %q\nurl = %q\nprobe = \"none\"\n", code, code, "tcp://"+address)
	}
	for name, text := range map[string]string{
		"moip.toml":     "listen = ['ws://127.0.0.1:0', 'telnet://127.0.0.1:0', 'tcp://127.0.0.1:0']\nbans = { file = 'none', never = [] }\ndirectory = 'services.toml'\n[limits]\n" + limits,
		"services.toml": book,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return runsIn(t, dir, "--config", "moip.toml")
}

// files returns how many files the gateway has open.
func (g *gateway) files() int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.command.Process.Pid))
	return len(all)
}

// resident returns how much memory it has, in KiB.
func (g *gateway) resident() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.command.Process.Pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kib
}

// Who types at a service that never reads has little wait for it, is given back to the
// portal, and told why; others notice nothing, and nothing of it stays.
func TestMuteService(t *testing.T) {
	t.Parallel()
	mute := make(chan struct{})
	defer close(mute)
	deaf := serves(t, func(c net.Conn) {
		c.(*net.TCPConn).SetReadBuffer(4 << 10)
		io.WriteString(c, "\x0cj'arrive")
		select {
		case <-mute:
		case <-time.After(4 * patience):
		}
	})
	repeats, _ := strings.CutPrefix(repeater(t), "tcp://")
	g := runsBook(t, "keys = 0\n", map[string]string{"MUET": deaf, "ECHO": repeats})
	others := gather(t, g.doors["tcp"], "ECHO\x13A", 20)
	files := g.files()

	const callers = 5
	var back sync.WaitGroup
	for i := range callers {
		conn, err := from(fmt.Sprintf("127.6.4.%d", 1+i)).Dial("tcp", g.doors["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(4 * patience))
		io.WriteString(conn, "MUET\x13A")
		if err := readsUntil(conn, "j'arrive"); err != nil {
			t.Fatal(err)
		}
		told := make(chan error, 1)
		back.Go(func() { told <- readsUntil(conn, "coute plus") })
		back.Go(func() {
			typed := 0
			for line := bytes.Repeat([]byte("a"), 100); ; typed += len(line) {
				select {
				case err := <-told:
					if err != nil {
						t.Errorf("after %d keys: %v", typed, err)
					}
					conn.Close()
					return
				case <-time.After(time.Millisecond):
				}
				if typed > 256<<10 {
					t.Errorf("%d keys wait for it", typed)
					conn.Close()
					return
				}
				conn.Write(line)
			}
		})
	}
	back.Wait()
	before := others.keys.Load()
	if !within(func() bool { return others.keys.Load() > before+40 }) {
		t.Error("others do not go on")
	}
	if !within(func() bool { return g.files() <= files }) {
		t.Errorf("%d files are open, %d were", g.files(), files)
	}
	others.leave()
}

// readsUntil reads until text has come.
func readsUntil(conn io.Reader, text string) error {
	_, err := readsOne(conn, text)
	return err
}

// readsOne reads until one of some texts has come, and returns which.
func readsOne(conn io.Reader, texts ...string) (string, error) {
	var last []byte
	p := make([]byte, 4<<10)
	for {
		for _, text := range texts {
			if bytes.Contains(last, []byte(text)) {
				return text, nil
			}
		}
		n, err := conn.Read(p)
		if err != nil {
			return "", fmt.Errorf("%w before any of %q came", err, texts)
		}
		last = append(last[max(0, len(last)-64):], p[:n]...)
	}
}

// A portal and a service that send without pause are slowed by callers who read little, or
// not at all: what waits for them is bounded, and nobody else is slowed.
func TestEndless(t *testing.T) {
	t.Parallel()
	var taken atomic.Int64
	pours := func(c net.Conn) {
		page := bytes.Repeat([]byte("du texte, sans pause. "), 1000)
		for {
			n, err := c.Write(page)
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	flood := serves(t, pours)
	repeats, _ := strings.CutPrefix(repeater(t), "tcp://")
	g := runsBook(t, "stall = '1m'\n", map[string]string{"FLOT": flood, "ECHO": repeats})
	dir := t.TempDir()
	text := "listen = ['tcp://127.0.0.1:0']\nlink = 'none'\n[portal]\nurl = 'tcp://" + flood + "'\n"
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	poured := runsIn(t, dir, "--config", "moip.toml") // by its portal
	others := gather(t, g.doors["tcp"], "ECHO\x13A", 20)
	before := []int{g.resident(), poured.resident()}

	const callers = 10 // of each
	for i := range callers {
		for door, first := range map[string]string{g.doors["tcp"]: "FLOT\x13A", poured.doors["tcp"]: ""} {
			conn, err := from(fmt.Sprintf("127.6.5.%d", 1+i)).Dial("tcp", door)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.(*net.TCPConn).SetReadBuffer(8 << 10)
			io.WriteString(conn, first)
			conn.SetReadDeadline(time.Now().Add(4 * patience))
			if err := readsUntil(conn, "sans pause"); err != nil {
				t.Fatal(err)
			}
		}
	}
	settled := int64(-1)
	for settled != taken.Load() {
		settled = taken.Load()
		time.Sleep(2 * time.Second)
	}
	began := others.keys.Load()
	if !within(func() bool { return others.keys.Load() > began+100 }) {
		t.Error("others do not go on")
	}
	if more := taken.Load() - settled; more > callers<<10 {
		t.Errorf("%d bytes more were taken of what nobody reads", more)
	}
	for i, g := range []*gateway{g, poured} {
		// 16 MiB of garbage may wait to be collected, and the race detector has more of all.
		if more := g.resident() - before[i]; more > 48<<10 {
			t.Errorf("gateway %d has %d KiB more for %d callers who do not read", i, more, callers)
		}
	}
	others.leave()
}

// All call again in the same second when a gateway is back: those who are too many are told
// when to come again, in French, and all are served. Who has a call does not feel it.
func TestStorm(t *testing.T) {
	t.Parallel()
	const callers = 1000
	g := runsBook(t, "new_calls = 20\n", nil) // 100 at once, and as many again for strangers
	var served, refused atomic.Int64
	var calling sync.WaitGroup
	over := make(chan struct{})
	for i := range callers {
		calling.Go(func() {
			client := &http.Client{Transport: &http.Transport{
				DialContext: from(fmt.Sprintf("127.6.%d.%d", 10+i/200, 1+i%200)).DialContext, DisableKeepAlives: true,
			}}
			time.Sleep(time.Duration(i) * time.Second / callers)
			for {
				wait, body, err := joins(client, g.doors["ws"])
				switch {
				case err != nil:
					t.Errorf("caller %d: %v", i, err)
					return
				case body != nil:
					served.Add(1)
					<-over
					body.Close()
					return
				}
				refused.Add(1)
				time.Sleep(wait)
			}
		})
	}
	began := time.Now()
	all := within(func() bool { return served.Load() == callers || t.Failed() })
	t.Logf("%d calls are served after %v, %d were told to come again", served.Load(), time.Since(began), refused.Load())
	close(over)
	calling.Wait()
	if !all {
		t.Error("not all are served")
	}
	if refused.Load() == 0 {
		t.Error("nobody was refused: it was no storm")
	}
}

// joins asks for a WebSocket once. It returns it, or in how long to ask again.
func joins(client *http.Client, door string) (wait time.Duration, line io.Closer, err error) {
	r, err := http.NewRequest("GET", "http://"+door+"/", nil)
	if err != nil {
		return 0, nil, err
	}
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		const busy = "\x03\xf5too many calls" // 1013, try again later, behind a page that says so
		said, err := readsOne(answer.Body, "Minitel sur IP", busy)
		if said == busy {
			answer.Body.Close()
			return 2 * time.Second, nil, err
		}
		return 0, answer.Body, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	seconds, failed := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || failed != nil || !strings.Contains(string(text), "appels en même temps") {
		return 0, nil, fmt.Errorf("%s, Retry-After %q: %q", answer.Status, answer.Header.Get("Retry-After"), text)
	}
	return time.Duration(seconds) * time.Second, nil, nil
}
