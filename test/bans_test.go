package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/videotex"
)

// bansConfig is of a gateway that may keep this machine out: from some of its addresses
// callers are banned.
const bansConfig = `
listen = ["ws://127.0.0.1:0", "telnet://127.0.0.1:0", "tcp://127.0.0.1:0"]
[bans]
never = ["127.0.0.9"]
`

// operator is moip ctl at a gateway.
type operator struct {
	*testing.T
	at string
}

// does expects that what is told contains all of want.
func (o operator) does(args []string, want ...string) {
	o.Helper()
	out, err := exec.Command(program, append([]string{"ctl", "--admin", o.at}, args...)...).CombinedOutput()
	if err != nil {
		o.Errorf("moip ctl %q: %v, %s", args, err, out)
	}
	o.check(args, string(out), want)
}

// fails expects an error.
func (o operator) fails(args []string, want ...string) {
	o.Helper()
	out, err := exec.Command(program, append([]string{"ctl", "--admin", o.at}, args...)...).CombinedOutput()
	if err == nil {
		o.Errorf("moip ctl %q does it", args)
	}
	o.check(args, string(out), want)
}

func (o operator) check(args []string, out string, want []string) {
	o.Helper()
	for _, want := range want {
		if !strings.Contains(out, want) {
			o.Errorf("moip ctl %q says\n%s, without %q", args, out, want)
		}
	}
}

func line(s string) []string { return strings.Fields(s) }

// asks sends a request of the API, and expects a status.
func (o operator) asks(method, path, body string, want int) string {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), method, "http://"+o.at+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		o.Fatal(err)
	}
	defer w.Body.Close()
	told, _ := io.ReadAll(w.Body)
	if w.StatusCode != want {
		o.Errorf("%s %s %s: %s, %s", method, path, body, w.Status, told)
	}
	return string(told)
}

func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
}

// calls is a guest that calls by telnet or tcp from an address, and is let in.
func calls(t *testing.T, to, address string) *guest {
	t.Helper()
	conn, err := from(address).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, conn: conn, screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(g.read)
	t.Cleanup(func() { conn.Close(); reading.Wait() })
	g.sees("Passerelle en liaison")
	return g
}

// keptOut calls from an address by all doors, in vain.
func keptOut(t *testing.T, g *gateway, address string) {
	t.Helper()
	for _, door := range []string{"telnet", "tcp"} {
		conn, err := from(address).Dial("tcp", g.doors[door])
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, "3615\r\n") // who speaks first is told, too
		if got, err := io.ReadAll(conn); string(got) != "Acc\x19Aes refus\x19Be.\r\n" || err != nil {
			t.Errorf("by %s, %s is told %q, %v", door, address, got, err)
		}
		conn.Close()
	}
	_, w, err := websocket.Dial(t.Context(), "ws://"+g.doors["ws"], &websocket.DialOptions{HTTPClient: clientFrom(t, address)})
	if err == nil || w == nil || w.StatusCode != http.StatusForbidden {
		t.Errorf("the WebSocket of %s is answered %v, %v", address, w, err)
	}
	w, err = clientFrom(t, address).Get("http://" + g.doors["ws"])
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if told, err := io.ReadAll(w.Body); w.StatusCode != http.StatusForbidden || string(told) != "Accès refusé.\n" || err != nil {
		t.Errorf("the browser of %s is answered %s, %q, %v", address, w.Status, told, err)
	}
}

func clientFrom(t *testing.T, address string) *http.Client {
	transport := &http.Transport{DialContext: from(address).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// letIn calls from an address by all doors, and comes in.
func letIn(t *testing.T, g *gateway, address string) {
	t.Helper()
	for _, door := range []string{"telnet", "tcp"} {
		calls(t, g.doors[door], address).conn.Close()
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+g.doors["ws"], &websocket.DialOptions{HTTPClient: clientFrom(t, address)})
	if err != nil {
		t.Error(err)
		return
	}
	c.CloseNow()
}

// An operator keeps a caller out, of whom nothing more is seen but in what tells of it;
// also after a crash; and lets it in again.
func TestBans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(bansConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	starts := func() (*gateway, operator) {
		g, err := start(dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0"})
		if err != nil {
			t.Fatalf("%v\n%s", err, &g.log)
		}
		t.Cleanup(g.kill)
		return g, operator{t, g.doors["admin"]}
	}
	g, op := starts()
	rascal, honest := calls(t, g.doors["telnet"], "127.0.0.2"), calls(t, g.doors["telnet"], "127.0.0.3")
	follower := exec.Command(program, "ctl", "--admin", op.at, "events")
	var events log
	follower.Stdout, follower.Stderr = &events, &events
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follower.Process.Kill(); follower.Wait() })
	for late := time.Now().Add(patience); events.String() == ""; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("nobody follows events")
		}
		calls(t, g.doors["tcp"], "127.0.0.3").conn.Close() // of which it is told once it follows
	}

	op.does(line("bans"), "NETWORK")
	op.does([]string{"ban", "--call", "1", "--for", "7d", "--reason", "tape trop vite", "--now"}, "127.0.0.2 is kept out until ", ", calls ended: 1")
	rascal.sees("Fin : accès refusé")
	rascal.until("the end", func(string) bool { return rascal.over })
	op.does(line("bans"), "127.0.0.2  operator  ", "  tape trop vite\n")
	op.does(line("--json bans"), `"network": "127.0.0.2/32"`, `"by": "operator"`, `"until": "`)
	keptOut(t, g, "127.0.0.2")
	letIn(t, g, "127.0.0.4")
	honest.types("<Guide>")
	honest.sees("MODE D'EMPLOI")

	for _, want := range []string{
		`msg="call ended" call=1 from=127.0.0.2`, "reason=banned\n",
		`msg="caller refused" from=127.0.0.2:`, "by=telnet reason=banned refused=1\n",
	} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := strings.Count(g.log.String(), "caller refused"); n != 1 {
		t.Errorf("of four refusals in a minute it is logged %d times", n)
	}
	for _, want := range []string{"call 1  ended  banned", "refused  from 127.0.0.2:", " by telnet  banned, 1 since last told"} {
		if !within(func() bool { return strings.Contains(events.String(), want) }) {
			t.Errorf("of %q it is not told:\n%s", want, &events)
		}
	}
	metrics := fetch(t, "http://"+op.at+"/metrics")
	for _, want := range []string{
		`moip_refusals_total{reason="banned",transport="telnet"} 1`, `moip_refusals_total{reason="banned",transport="tcp"} 1`,
		`moip_refusals_total{reason="banned",transport="ws"} 2`, `moip_calls_ended_total{reason="banned"} 1`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}

	g.kill()
	g, op = starts()
	keptOut(t, g, "127.0.0.2")
	op.does(line("unban 127.0.0.2"))
	letIn(t, g, "127.0.0.2")
	op.fails(line("unban 127.0.0.2"), "127.0.0.2: it is not banned")

	op.does(line("ban 127.0.0.0/29"), "127.0.0.0/29 is kept out for ever")
	keptOut(t, g, "127.0.0.7")
	letIn(t, g, "127.0.0.8")
	op.fails(line("unban 127.0.0.2"), "127.0.0.2: it is not banned by itself, but as part of 127.0.0.0/29")
	op.fails(line("ban 127.0.0.9"), "127.0.0.9: it is never banned (take it out of never in [bans] of the configuration)")
	op.does(line("unban 127.0.0.0/29"))
	letIn(t, g, "127.0.0.2")
	t.Run("API", func(t *testing.T) { bansAPI(operator{t, op.at}) })
	t.Run("import", func(t *testing.T) { bansImport(operator{t, op.at}) })
}

func bansAPI(o operator) {
	o.asks("POST", "/bans", `{"network":"2001:db8::7/64","reason":"r","for":"90m","hang_up":true}`, http.StatusOK)
	o.asks("POST", "/bans", `{"network":"::ffff:192.0.2.7"}`, http.StatusOK)
	if all := o.asks("GET", "/bans", "", http.StatusOK); !strings.Contains(all, `"2001:db8::/64"`) || !strings.Contains(all, `"192.0.2.7/32"`) {
		o.Errorf("the bans are %s", all)
	}
	o.asks("DELETE", "/bans/2001:db8::/64", "", http.StatusNoContent)
	o.asks("DELETE", "/bans/192.0.2.7%2F32", "", http.StatusNoContent)
	o.asks("DELETE", "/bans/192.0.2.7/32", "", http.StatusNotFound)
	o.asks("DELETE", "/bans/minitel", "", http.StatusBadRequest)
	o.asks("DELETE", "/bans/", "", http.StatusBadRequest)
	for body, want := range map[string]int{
		`{"network":"127.0.0.0/8"}`:                                           http.StatusConflict, // 127.0.0.9 is in it
		`{"network":"minitel"}`:                                               http.StatusBadRequest,
		`{"network":"::ffff:0:0/90"}`:                                         http.StatusBadRequest,
		`{"reason":"nobody"}`:                                                 http.StatusBadRequest,
		`{"network":"192.0.2.7","for":"tomorrow"}`:                            http.StatusBadRequest,
		`{"network":"192.0.2.7","for":"-1h"}`:                                 http.StatusBadRequest,
		`{"network":"192.0.2.7","reason":"\u001b[2J"}`:                        http.StatusBadRequest,
		`{"network":"192.0.2.7","reason":"` + strings.Repeat("x", 201) + `"}`: http.StatusBadRequest,
		`{"network":"192.0.2.7","seconds":3}`:                                 http.StatusBadRequest,
	} {
		o.asks("POST", "/bans", body, want)
	}
	if all := o.asks("GET", "/bans", "", http.StatusOK); all != "{\n  \"bans\": []\n}\n" {
		o.Errorf("what was refused is banned: %s", all)
	}
}

// PyMoIP's file comes over: what holds, but for who is never banned.
func bansImport(o operator) {
	path := filepath.Join(o.TempDir(), "banned.json")
	var list strings.Builder
	const stamp = "2006-01-02T15:04:05.000000"
	fmt.Fprintf(&list, `{"127.0.0.9": %q, "198.51.100.1": "2021-08-11T18:40:53.797380"`, time.Now().Format(stamp))
	for i := range 2000 {
		fmt.Fprintf(&list, `, "192.0.%d.%d": %q`, i/256, i%256, time.Now().Add(-time.Hour).Format(stamp))
	}
	list.WriteString("}")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		o.Fatal(err)
	}
	o.does([]string{"bans", "import", path}, "kept out: 2000, run out: 1, refused: 1\n  127.0.0.9: it is never banned")
	o.does([]string{"--json", "bans", "import", path}, `"banned":2000,"expired":1,"refused":["127.0.0.9: `)
	o.does(line("bans"), "192.0.7.207  import  ", "  PyMoIP\n")
}

// Nobody bans this machine by mistake.
func TestBansNeverByDefault(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	op := operator{t, g.doors["admin"]}
	calls(t, g.doors["telnet"], "127.0.0.2")
	op.fails(line("ban --call 1 --now"), "127.0.0.2: it is never banned (take it out of never in [bans] of the configuration)")
	for _, network := range []string{"127.0.0.1", "::1", "10.1.2.3", "172.16.0.0/12", "192.168.1.0/24", "169.254.1.1", "fe80::1", "fd00::/8", "0.0.0.0/0"} {
		op.asks("POST", "/bans", fmt.Sprintf(`{"network":%q}`, network), http.StatusConflict)
	}
	op.does(line("calls"), "127.0.0.2:")
	op.fails(line("ban --call 99"), "no such call")
	if _, err := os.Stat(filepath.Join(g.command.Dir, "bans.json")); !os.IsNotExist(err) {
		t.Errorf("there is a file of bans: %v", err)
	}
}
