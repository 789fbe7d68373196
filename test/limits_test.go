package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// limited starts a gateway whose limits are changed by the function that it returns, and
// hold for this machine too.
func limited(t *testing.T, limits string) (g *gateway, limit func(string)) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "moip.toml")
	write := func(limits string) {
		text := "listen = ['ws://127.0.0.1:0', 'telnet://127.0.0.1:0', 'tcp://127.0.0.1:0']\nbans = { file = 'none', never = [] }\nshield = { mode = 'off', file = 'none' }\n[limits]\n" + limits
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(limits)
	g, err := start(dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.kill()
		if t.Failed() {
			text := g.log.String()
			t.Logf("the gateway said:\n%s", text[max(0, len(text)-3000):])
		}
	})
	op := operator{t, g.doors["admin"]}
	return g, func(limits string) {
		t.Helper()
		write(limits)
		op.reloads(g, "limits.")
	}
}

// toldBy calls from an address by a door, and returns what it is told: by a WebSocket with
// the status by which that is closed.
func toldBy(t *testing.T, g *gateway, door, address string) string {
	t.Helper()
	if door == "ws" {
		conn, w, err := websocket.Dial(t.Context(), "ws://"+g.doors["ws"], &websocket.DialOptions{HTTPClient: clientFrom(t, address)})
		if err != nil {
			t.Fatalf("by a WebSocket, %s is answered %v, %v", address, w, err)
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, page, _ := conn.Read(ctx)
		_, _, err = conn.Read(ctx)
		return fmt.Sprintf("%.400s %d", page, websocket.CloseStatus(err))
	}
	conn, err := from(address).Dial("tcp", g.doors[door])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	told, _ := io.ReadAll(conn)
	return fmt.Sprintf("%.60s", told)
}

// refusedBy calls from an address by all doors, and expects to be told a text everywhere.
// Before each call it does what has it refused: a rate recovers while somebody is let in,
// so it tries again.
func refusedBy(t *testing.T, g *gateway, address, text string, before func()) {
	t.Helper()
	for _, door := range []string{"telnet", "tcp", "ws"} {
		told := ""
		for range 10 {
			before()
			if told = toldBy(t, g, door, address); strings.Contains(told, text) {
				break
			}
		}
		if !strings.Contains(told, text) || door == "ws" && !(strings.Contains(told, "Rappelez dans un moment.") && strings.HasSuffix(told, " 1013")) {
			t.Errorf("by %s, %s is told %q", door, address, told)
		}
	}
}

// nothing has somebody refused who is so anyway.
func nothing() {}

// exhaust calls from an address until it is refused.
func exhaust(t *testing.T, g *gateway, address string) {
	t.Helper()
	for range 20 {
		conn, err := from(address).Dial("tcp", g.doors["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		said := make([]byte, 5)
		if io.ReadFull(conn, said); string(said) == "Trop " {
			return
		}
	}
	t.Errorf("%s is not refused", address)
}

// asksOn asks for one thing after another without waiting for answers, which takes less of a
// busy machine than what browsers do, until stop. Who is refused is cut off, and comes back.
func asksOn(t *testing.T, g *gateway, address string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	many := strings.Repeat("GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			conn, err := from(address).DialContext(ctx, "tcp", g.doors["ws"])
			if err != nil {
				return // it is to stop
			}
			asking.Go(func() { io.Copy(io.Discard, conn) })
			closes := context.AfterFunc(ctx, func() { conn.Close() })
			for err == nil {
				_, err = io.WriteString(conn, many)
			}
			closes()
			conn.Close()
		}
	})
	return func() { cancel(); asking.Wait() }
}

// page asks for a page as a browser does.
func page(t *testing.T, client *http.Client, g *gateway) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+g.doors["ws"]+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w, string(text)
}

// Each limit, by each door: who is over it is told so in its own terms, and operators hear
// of it in the log, as an event, in the metrics and by moip ctl limits. Limits change while
// calls go on, and cut none.
func TestLimits(t *testing.T) {
	t.Parallel()
	g, limit := limited(t, "household_calls = 1\n")
	op := operator{t, g.doors["admin"]}
	follower := exec.Command(program, "ctl", "--admin", op.at, "events")
	var events log
	follower.Stdout, follower.Stderr = &events, &events
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follower.Process.Kill(); follower.Wait() })

	for n := 1; events.String() == ""; n++ {
		calls(t, g.doors["tcp"], fmt.Sprintf("127.7.%d.1", n)).conn.Close() // of which it is told once it follows
		if n == 100 {
			t.Fatal("nobody follows events")
		}
	}
	first := calls(t, g.doors["telnet"], "127.1.0.2")
	refusedBy(t, g, "127.1.0.2", "Trop d'appels depuis votre adresse.", nothing)
	if w, text := page(t, clientFrom(t, "127.1.0.2"), g); w.StatusCode != http.StatusOK || !strings.Contains(text, "Minitel") {
		t.Errorf("a page is no call, and is answered %s", w.Status)
	}
	calls(t, g.doors["tcp"], "127.1.0.3").conn.Close()

	limit("network_calls = 1\n")
	refusedBy(t, g, "127.1.0.4", "Trop d'appels depuis votre r", nothing)

	limit("max_calls = 1\n")
	refusedBy(t, g, "127.2.0.1", "Toutes les lignes sont occup", nothing)
	op.does(line("limits"), "calls                 1 of 1, 100 of a household, 400 of a network\n", "\nMOST CALLS  OF\n1           127.1.0.2\n")

	limit("household_new_calls = 1\n")
	for range 5 {
		calls(t, g.doors["tcp"], "127.3.0.1").conn.Close()
	}
	refusedBy(t, g, "127.3.0.1", "Trop d'appels en m", func() { exhaust(t, g, "127.3.0.1") })
	letIn(t, g, "127.3.0.2")

	limit("new_calls = 1\n")
	refusedBy(t, g, "127.4.0.2", "Trop d'appels en m", func() { exhaust(t, g, "127.4.0.1") })

	limit("arriving = 2\n")
	half := make([]net.Conn, 3)
	for i := range half {
		var err error
		if half[i], err = from(fmt.Sprintf("127.5.0.%d", i+1)).Dial("tcp", g.doors["ws"]); err != nil {
			t.Fatal(err)
		}
		defer half[i].Close()
		half[i].SetDeadline(time.Now().Add(patience))
	}
	if _, err := half[0].Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the oldest of three is not closed: %v", err)
	}
	io.WriteString(half[2], "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if n, err := half[2].Read(make([]byte, 1)); n != 1 {
		t.Errorf("the newest of three is not answered: %v", err)
	}

	limit("")
	stop := asksOn(t, g, "127.6.0.1")
	client := clientFrom(t, "127.6.0.1")
	w, text := page(t, client, g)
	for late := time.Now().Add(3 * patience); w.StatusCode == http.StatusOK && time.Now().Before(late); {
		w, text = page(t, client, g)
	}
	stop()
	if w.StatusCode != http.StatusTooManyRequests || w.Header.Get("Retry-After") != "2" ||
		!strings.Contains(text, "<h1>Trop d&#39;appels en même temps.</h1>") {
		t.Errorf("thousands of pages are answered, the last %s, %s", w.Status, text)
	}

	first.types("<Guide>")
	first.sees("MODE D'EMPLOI")
	metrics := fetch(t, "http://"+op.at+"/metrics")
	for _, reason := range []string{"household-full 127.1.0.2", "network-full 127.1.0.4", "full 127.2.0.1", "household-too-fast 127.3.0.1", "too-fast 127.4.0.", "crowded 127.5.0.1"} {
		reason, address, _ := strings.Cut(reason, " ")
		for _, door := range []string{"telnet", "tcp", "ws"} {
			if reason == "crowded" && door != "ws" {
				continue
			}
			if !strings.Contains(metrics, "\n"+`moip_refusals_total{reason="`+reason+`",transport="`+door+`"} `) {
				t.Errorf("the metrics lack %s by %s", reason, door)
			}
		}
		told := false
		for line := range strings.Lines(g.log.String()) {
			told = told || strings.Contains(line, `msg="caller refused" from=`+address) && strings.Contains(line, " reason="+reason+" ")
		}
		if !told {
			t.Errorf("the log lacks %s of %s", reason, address)
		}
		if !within(func() bool { return strings.Contains(events.String(), "  "+reason+", ") }) {
			t.Errorf("the events lack %s:\n%s", reason, &events)
		}
		op.does(line("limits"), "ws      "+reason+"\n")
	}
	var told struct {
		Calls, Arriving int
		Rules           map[string]int
		Refused         []struct{ Reason string }
	}
	if err := json.Unmarshal([]byte(op.asks("GET", "/limits", "", http.StatusOK)), &told); err != nil {
		t.Fatal(err)
	}
	if told.Calls == 0 || told.Rules["household_calls"] != 100 || told.Rules["calls"] == 0 || len(told.Refused) < 14 {
		t.Errorf("of limits the API tells %+v", told)
	}
	if !strings.Contains(metrics, "\nmoip_calls_most ") || !strings.Contains(metrics, "\nmoip_connections_arriving ") {
		t.Error("the metrics lack limits")
	}
}

// Who pastes 10,000 characters at a service loses none, by whatever door, though they come
// more slowly than they were sent.
func TestPasteIsSlowed(t *testing.T) {
	t.Parallel()
	got := make(chan string, 2)
	service := serves(t, func(c net.Conn) {
		var all strings.Builder
		io.WriteString(c, "service")
		for c.SetReadDeadline(time.Now().Add(3 * patience)); !strings.HasSuffix(all.String(), "#"); {
			var p [1 << 10]byte
			n, err := c.Read(p[:])
			if err != nil {
				break
			}
			all.Write(p[:n])
		}
		got <- all.String()
	})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte("listen = ['ws://127.0.0.1:0', 'tcp://127.0.0.1:0']\nlink = 'none'\nportal.url = 'tcp://"+service+"'\nlimits.keys = 2000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := start(dir, []string{"--config", "moip.toml"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	var text strings.Builder
	for i := 0; text.Len() < 21_990; i++ { // at 2,000 a second 16,000 come at once
		fmt.Fprintf(&text, "%d ", i)
	}
	text.WriteString("#")
	send := map[string]func(){
		"tcp": func() {
			conn, err := net.Dial("tcp", g.doors["tcp"])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			io.ReadFull(conn, make([]byte, len("service")))
			io.WriteString(conn, text.String())
		},
		"ws": func() {
			conn, _, err := websocket.Dial(t.Context(), "ws://"+g.doors["ws"], nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.CloseNow() })
			conn.Read(t.Context())
			conn.Write(t.Context(), websocket.MessageText, []byte(text.String()))
		},
	}
	for door, send := range send {
		began := time.Now()
		send()
		if all := <-got; all != text.String() {
			t.Errorf("by %s, of %d characters %d arrive", door, text.Len(), len(all))
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("by %s, they are not slowed: %v", door, took)
		}
	}
}

// A thousand addresses that open doors and say nothing, or a byte now and then, neither
// exhaust the gateway nor keep out those who mean to call, by whichever door.
func TestHalfOpen(t *testing.T) {
	g, _ := limited(t, "arriving = 150\nhousehold_arriving = 5\nnew_calls = 0\nhousehold_new_calls = 0\n")
	fds := func() int {
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.command.Process.Pid))
		if err != nil {
			t.Skip("there is no /proc")
		}
		return len(files)
	}
	before := fds()
	talker := calls(t, g.doors["tcp"], "127.9.0.1")
	var crowd sync.WaitGroup
	var opened atomic.Int64
	quit := make(chan struct{})
	stop := sync.OnceFunc(func() { close(quit); crowd.Wait() })
	defer stop()
	for i := range 100 {
		crowd.Go(func() { // each is ten addresses, one after another, and comes back when it is closed
			for n := 0; ; n++ {
				conn, err := from(fmt.Sprintf("127.8.%d.%d", i, 1+n%10)).Dial("tcp", g.doors["ws"])
				if err != nil {
					t.Error(err)
					return
				}
				opened.Add(1)
				io.WriteString(conn, "GET / HTTP/1.1\r\nX-Slow: ")
				slow := time.NewTicker(20 * time.Millisecond)
				for range 10 {
					select {
					case <-quit:
						slow.Stop()
						conn.Close()
						return
					case <-slow.C:
					}
					if _, err = conn.Write([]byte("a")); err != nil {
						break
					}
				}
				slow.Stop()
				if n%2 == 0 {
					conn.Close()
				} else {
					defer conn.Close() // until the end, as far as it depends on us
				}
			}
		})
	}
	var slowest time.Duration
	peak := 0
	const aCrowd = 1000
	for start := time.Now(); time.Since(start) < 4*time.Second || opened.Load() < aCrowd && time.Since(start) < 4*patience; {
		began := time.Now()
		letIn(t, g, "127.9.0.2")
		if w, _ := page(t, clientFrom(t, "127.9.0.3"), g); w.StatusCode != http.StatusOK {
			t.Errorf("a page is answered %s", w.Status)
		}
		slowest = max(slowest, time.Since(began))
		peak = max(peak, fds())
		talker.types("<Guide>")
		talker.sees("MODE D'EMPLOI")
		talker.types("<Retour>")
		talker.sees("Minitel sur IP")
	}
	stop()
	t.Logf("%d connections of 1000 addresses; an honest caller by all doors and a page took %v at most; %d descriptors, %d before", opened.Load(), slowest, peak, before)
	if peak > before+150+100 {
		t.Errorf("%d descriptors are open", peak)
	}
	if opened.Load() < aCrowd {
		t.Errorf("it was no crowd: %d", opened.Load())
	}
}
