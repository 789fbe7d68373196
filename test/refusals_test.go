package test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A refusal is a reason why somebody is not let in, and how it is provoked.
type refusal struct {
	reason, transport string
	config            string // besides what all have
	env               string // of the gateway, "" for ours
	told              string // to whoever is refused, "" if that is seen elsewhere
	provoke           func(t *testing.T, g *gateway) (told string)
}

// doors of gateways that are to refuse somebody. One believes proxies.
const doorsOfRefusals = `
listen = ["ws://127.0.0.1:0", "telnet://127.0.0.1:0", "tcp://127.0.0.1:0%s"]
[bans]
never = []
`

// refusals are all that there are. doc/reliability.md lists them.
var refusals = []refusal{
	{reason: "banned", transport: "telnet", told: "Accès refusé.", provoke: func(t *testing.T, g *gateway) string {
		operator{t, g.doors["admin"]}.does(line("ban 127.0.0.2"), "127.0.0.2 is kept out for ever")
		return toldAt(t, g.doors["telnet"], "127.0.0.2", "")
	}},
	{reason: "full", transport: "tcp", config: "[limits]\nmax_calls = 1\n", told: "Toutes les lignes sont occupées.", provoke: func(t *testing.T, g *gateway) string {
		calls(t, g.doors["telnet"], "127.0.0.2")
		return toldAt(t, g.doors["tcp"], "127.1.0.3", "")
	}},
	{reason: "hub-full", transport: "tcp", config: "[cluster]\nlisten = \"127.0.0.1:0\"\nmax_calls = 1\n", told: "Toutes les lignes sont occupées.", provoke: func(t *testing.T, g *gateway) string {
		calls(t, g.doors["telnet"], "127.0.0.2")
		return toldAt(t, g.doors["tcp"], "127.1.0.3", "")
	}},
	{reason: "household-full", transport: "ws", config: "[limits]\nhousehold_calls = 1\n", told: "Trop d'appels depuis votre adresse.", provoke: func(t *testing.T, g *gateway) string {
		calls(t, g.doors["telnet"], "127.0.0.2")
		return toldAt(t, g.doors["ws"], "127.0.0.2", upgradeHead+"\r\n")
	}},
	{reason: "network-full", transport: "tcp", config: "[limits]\nnetwork_calls = 1\n", told: "Trop d'appels depuis votre réseau.", provoke: func(t *testing.T, g *gateway) string {
		calls(t, g.doors["telnet"], "127.0.0.2")
		return toldAt(t, g.doors["tcp"], "127.0.0.3", "")
	}},
	{reason: "too-fast", transport: "telnet", config: "[limits]\nnew_calls = 1\n", told: "Trop d'appels en même temps.", provoke: func(t *testing.T, g *gateway) string {
		return hurries(t, g.doors["telnet"], "127.0.0.2")
	}},
	{reason: "household-too-fast", transport: "tcp", config: "[limits]\nhousehold_new_calls = 1\n", told: "Trop d'appels en même temps.", provoke: func(t *testing.T, g *gateway) string {
		return hurries(t, g.doors["tcp"], "127.0.0.2")
	}},
	{reason: "crowded", transport: "ws", config: "[limits]\nhousehold_arriving = 1\n", provoke: func(t *testing.T, g *gateway) string {
		silent, err := from("127.0.0.2").Dial("tcp", g.doors["ws"])
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		for !isClosed(silent) {
			second, err := from("127.0.0.2").Dial("tcp", g.doors["ws"])
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
		}
		return ""
	}},
	{reason: "foreign", transport: "telnet", provoke: func(t *testing.T, g *gateway) string {
		return toldAt(t, g.doors["telnet"], "127.0.0.2", "SSH-2.0-OpenSSH_9.9\r\n")
	}},
	{reason: "slowed", transport: "tcp", config: "[shield]\nslow_at = 25\nban_at = 1000000\n[limits]\nhousehold_new_calls = 0\n", told: "Trop d'appels en même temps.", provoke: func(t *testing.T, g *gateway) string {
		for range 10 {
			toldAt(t, g.doors["ws"], "127.0.0.2", "GET /.env HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		}
		return hurries(t, g.doors["tcp"], "127.0.0.2")
	}},
	{reason: "proxy", transport: "tcp", config: "[proxies]\ntrust = [\"127.0.0.2\"]\n", told: "", provoke: func(t *testing.T, g *gateway) string {
		return toldAt(t, g.doors["tcp"], "127.0.0.2", "no header, that is\r\n")
	}},
	{reason: "forwarded", transport: "ws", config: "[proxies]\ntrust = [\"127.0.0.2\"]\nheader = \"x-forwarded-for\"\n", provoke: func(t *testing.T, g *gateway) string {
		return toldAt(t, g.doors["ws"], "127.0.0.2", upgradeHead+"X-Forwarded-For: somebody\r\n\r\n")
	}},
}

// TestRefusals provokes every reason to refuse somebody, and finds it in the log, the
// metrics and the events. Elsewhere, others come in.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, r := range refusals {
		t.Run(r.reason, func(t *testing.T) {
			t.Parallel()
			dir, proxy := t.TempDir(), ""
			if strings.Contains(r.config, "[proxies]") && r.transport != "ws" {
				proxy = "?proxy=on"
			}
			config := fmt.Sprintf(doorsOfRefusals, proxy) + r.config
			if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			g, err := startBy([]string{"env", cmp.Or(r.env, "TEST=refusals")}, dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0"})
			if err != nil {
				t.Fatalf("%v\n%s", err, &g.log)
			}
			t.Cleanup(func() {
				g.kill()
				if t.Failed() {
					t.Logf("the gateway said:\n%s", &g.log)
				}
			})
			events := refusalEvents(t, g.doors["admin"])
			told := r.provoke(t, g)
			if want := shownAs(t, r.told); !strings.Contains(told, want) && !strings.Contains(told, r.told) {
				t.Errorf("who is refused is told %q, not %q", told, r.told)
			}
			select {
			case e := <-events:
				if e.Reason != r.reason || e.By != r.transport || e.Refused == 0 || !strings.HasPrefix(e.From, "127.") {
					t.Errorf("the event is %+v", e)
				}
			case <-time.After(patience):
				t.Error("there is no event")
			}
			want := fmt.Sprintf("by=%s reason=%s ", r.transport, r.reason)
			if err := g.log.hear(want); err != nil {
				t.Errorf("%s: %v", want, err)
			}
			metric := fmt.Sprintf("moip_refusals_total{reason=%q,transport=%q}", r.reason, r.transport)
			if metrics := fetch(t, "http://"+g.doors["admin"]+"/metrics"); metricSum(metrics, metric) < 1 {
				t.Errorf("the metrics lack %s", metric)
			}
			if err := g.finish(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The manual has each of them, and no others.
func TestRefusalsAreListed(t *testing.T) {
	manual, err := os.ReadFile("../doc/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(manual), "## Who is refused")
	table, _, _ = strings.Cut(table, "\n## ")
	var listed, provoked []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` ").FindAllStringSubmatch(table, -1) {
		listed = append(listed, m[1])
	}
	for _, r := range refusals {
		provoked = append(provoked, r.reason)
	}
	slices.Sort(listed)
	slices.Sort(provoked)
	if !slices.Equal(listed, slices.Compact(provoked)) {
		t.Errorf("listed are %v, provoked %v", listed, provoked)
	}
}

// shownAs is a line in the bytes of a Minitel.
func shownAs(t *testing.T, text string) string {
	t.Helper()
	p, err := encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// toldAt calls from an address, says something, and returns what is answered to the end.
func toldAt(t *testing.T, door, address, says string) string {
	t.Helper()
	conn, err := from(address).Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, says)
	told, err := io.ReadAll(conn) // a connection may be reset behind what it was told
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("%s is told %q, and the connection stays", address, told)
	}
	return string(told)
}

// hurries calls from an address many times at once, and returns what the first is told that
// is refused.
func hurries(t *testing.T, door, address string) string {
	t.Helper()
	told := make(chan string, 40)
	var callers sync.WaitGroup
	defer callers.Wait()
	for range cap(told) {
		conn, err := from(address).Dial("tcp", door)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		callers.Go(func() {
			conn.SetDeadline(time.Now().Add(patience))
			if text, err := io.ReadAll(conn); err == nil {
				told <- string(text)
			}
		})
	}
	select {
	case text := <-told:
		return text
	case <-time.After(patience):
		t.Fatal("nobody is refused")
		return ""
	}
}

// isClosed reports whether the other end closes a connection within a moment.
func isClosed(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := io.Copy(io.Discard, conn)
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout()
}

// An eventSeen is what the API tells of a refusal.
type eventSeen struct {
	Type, From, By, Reason string
	Refused                uint64
}

// refusalEvents follows the events of who is refused.
func refusalEvents(t *testing.T, admin string) <-chan eventSeen {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+admin+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan eventSeen, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(w.Body); lines.Scan(); {
			var e eventSeen
			data, ok := strings.CutPrefix(lines.Text(), "data:")
			if ok && json.Unmarshal([]byte(data), &e) == nil && e.Type == "refused" {
				seen <- e
			}
		}
	}()
	t.Cleanup(func() { cancel(); w.Body.Close(); <-done })
	return seen
}
