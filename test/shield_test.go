package test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const shieldConfig = `
listen = ["ws://127.0.0.1:0", "telnet://127.0.0.1:0", "tcp://127.0.0.1:0"]
[bans]
never = ["127.0.0.9"]
`

// shielded starts a gateway that may keep this machine out, by a file.
func shielded(t *testing.T) (g *gateway, op operator, file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "moip.toml")
	if err := os.WriteFile(file, []byte(shieldConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := start(dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0", "--history", "history.db"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &g.log)
	}
	t.Cleanup(g.kill)
	return g, operator{t, g.doors["admin"]}, file
}

// says calls from an address, says something at once, and returns what is answered up to
// the end.
func says(t *testing.T, to, address, what string) string {
	t.Helper()
	conn := by(t, to, address, what)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	got, err := io.ReadAll(conn)
	if err, timeout := err.(net.Error); timeout && err.Timeout() {
		t.Errorf("%s says %q, and the connection stays", address, what)
	}
	return string(got)
}

const (
	ssh     = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
	refused = "Acc\x19Aes refus\x19Be.\r\n"
)

// scans calls again and again, and returns how often until it is kept out.
func scans(t *testing.T, to, address, what string, most int) int {
	t.Helper()
	for n := range most {
		if says(t, to, address, what) == refused {
			return n
		}
	}
	t.Errorf("%s is let in %d times", address, most)
	return most
}

// A scanner is slowed and then banned, and operators see why, and may forgive it. It is no
// caller, and there are no calls of it.
func TestShieldScanner(t *testing.T) {
	t.Parallel()
	g, op, _ := shielded(t)
	op.does(line("shield"), "mode on, households: 0")
	for range 6 {
		says(t, g.doors["telnet"], "127.0.0.2", ssh)
	}
	began := time.Now()
	calls(t, g.doors["telnet"], "127.0.0.2").conn.Close()
	if took := time.Since(began); took < time.Second || took > patience {
		t.Errorf("it waits %v", took)
	}
	if n := scans(t, g.doors["telnet"], "127.0.0.2", ssh, 10); n < 3 {
		t.Errorf("after %d more connections it is banned", n)
	}
	keptOut(t, g, "127.0.0.2")
	op.does(line("bans"), "127.0.0.2  shield ", "openings of SSH: 1")
	op.does(line("shield"), "127.0.0.2", "banned", "households: 1")
	op.does(line("--json shield"), `"mode": "on"`, `"network": "127.0.0.2/32"`, `"state": "banned"`, `"until": "`)
	for _, want := range []string{`msg="slowed by the shield" network=127.0.0.2/32 why="score `, `msg="banned by the shield" network=127.0.0.2/32`, "reason=foreign refused="} {
		if n := strings.Count(g.log.String(), want); n != 1 {
			t.Errorf("%d times it is logged: %s", n, want)
		}
	}
	late := strings.Count(g.log.String(), `reason=foreign error="the peer speaks ssh"`) // on a busy machine it may say so only when it has a call
	if n := strings.Count(g.log.String(), "call began"); n != 1+late {
		t.Errorf("there were %d calls, %d of them the scanner's", n, late)
	}
	metrics := fetch(t, "http://"+op.at+"/metrics")
	for _, want := range []string{
		`moip_shield_scores{state="banned"} 1`, `moip_shield_scores{state="slowed"} 0`, `moip_shield_evidence_total{kind="rdp"} 0`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if !regexp.MustCompile(`\nmoip_shield_evidence_total{kind="ssh"} 1[0-2]\n`).MatchString(metrics) {
		t.Error("openings are not counted")
	}
	op.does(line("shield forgive 127.0.0.2"))
	letIn(t, g, "127.0.0.2")
	op.does(line("shield"), "127.0.0.2  3.0 ", "watched", "short 3") // they have not pressed a key
	op.fails(line("shield forgive 127.0.0.99"), "127.0.0.99: the shield knows nothing of it")
	op.fails(line("shield forgive 127.0.0.0/8"), "more than one household")
	op.fails(line("shield forgive me"), "neither an address")

	for range 20 {
		says(t, g.doors["tcp"], "127.0.0.9", ssh)
	}
	letIn(t, g, "127.0.0.9")
}

// Who says what it is only when it has seen the page, or breaks the rules of its protocol,
// is hung up on for that, and it counts.
func TestShieldCalls(t *testing.T) {
	t.Parallel()
	g, op, _ := shielded(t)
	late, err := from("127.0.0.2").Dial("tcp", g.doors["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	late.SetDeadline(time.Now().Add(patience))
	if _, err := late.Read(make([]byte, 1)); err != nil { // there is a page
		t.Fatal(err)
	}
	io.WriteString(late, ssh)
	if _, err := io.ReadAll(late); err != nil {
		t.Error(err)
	}

	storm := calls(t, g.doors["telnet"], "127.0.0.3")
	go io.WriteString(storm.conn, strings.Repeat("\xff\xfb\x01\xff\xfc\x01", 2000))
	storm.until("the end", func(string) bool { return storm.over })

	conn, err := from("127.0.0.4").Dial("tcp", g.doors["ws"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\xf1\x05hello")
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
	if w, err := clientFrom(t, "127.0.0.5").Get("http://" + g.doors["ws"] + "/cgi-bin/.env"); err != nil || w.Body.Close() != nil {
		t.Error(err)
	}
	said := ""
	for late := time.Now().Add(patience); time.Now().Before(late) && strings.Count(said, "watched") < 4; time.Sleep(50 * time.Millisecond) {
		said = op.told("shield")
	}
	for _, want := range []string{
		// Of 20 points, a tenth is gone after 13 s.
		`127\.0\.0\.2 +(10\.0|9\.\d) .*ssh 1\n`, `127\.0\.0\.3 +(20\.0|19\.\d) .*negotiation 1\n`,
		`127\.0\.0\.4 +(5\.0|4\.\d) .*frames 1\n`, `127\.0\.0\.5 +(5\.0|4\.\d) .*probe 1\n`,
	} {
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("it is told\n%s, and lacks %s", said, want)
		}
	}
	op.does(line("history"), "foreign")
}

// clientHello returns what a browser begins TLS with.
func clientHello(t *testing.T) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		tls.Client(far, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}()
	said := make([]byte, 4096)
	n, err := near.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	return string(said[:n])
}

// asksTelnet asks for a page at the telnet port, and returns what a browser makes of the
// answer. It returns nil if it was taken for a caller: on a busy machine it may have been
// silent for too long, however soon it has asked.
func asksTelnet(t *testing.T, door, path string) (w *http.Response, text string) {
	t.Helper()
	conn := by(t, door, "127.0.0.2", "GET "+path+" HTTP/1.1\r\nHost: "+door+"\r\n\r\n")
	defer conn.Close()
	in := bufio.NewReader(conn)
	if first, _ := in.Peek(4); string(first) != "HTTP" {
		io.Copy(io.Discard, in)
		return nil, ""
	}
	w, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(w.Body)
	w.Body.Close()
	return w, string(body)
}

// Honest callers of all sorts are neither refused nor kept waiting.
func TestShieldHonest(t *testing.T) {
	t.Parallel()
	g, op, _ := shielded(t)
	hello, known := clientHello(t), 0
	for range 4 { // a browser, opened on the wrong port and reloaded
		for range 2 {
			conn := by(t, g.doors["telnet"], "127.0.0.2", hello)
			switch said, _ := io.ReadAll(conn); {
			case bytes.HasPrefix(said, []byte{0x15, 3}) && said[len(said)-1] == 40:
				known++
			case !bytes.HasPrefix(said, []byte{0xFF, 0xFB}): // as a caller is, see asksTelnet
				t.Errorf("TLS is told % X, and not that it fails (RFC 8446, section 6)", said)
			}
		}
		for _, path := range []string{"/", "/", "/favicon.ico"} {
			w, text := asksTelnet(t, g.doors["telnet"], path)
			if w == nil {
				continue
			}
			known++
			if want := `<a href="http://` + g.doors["ws"] + `/">`; w.StatusCode != http.StatusBadRequest || !strings.Contains(text, want) {
				t.Errorf("a browser is told %s, %s", w.Status, text)
			}
		}
	}
	if known == 0 {
		t.Error("a browser is always taken for a caller")
	}
	for range 60 { // a dongle whose line breaks
		c, _, err := websocket.Dial(t.Context(), "ws://"+g.doors["ws"], &websocket.DialOptions{HTTPClient: clientFrom(t, "127.0.0.3")})
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	}
	for range 200 { // a monitor
		conn, err := from("127.0.0.4").Dial("tcp", g.doors["telnet"])
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	paste := strings.Repeat("Une ligne de texte, comme on en colle. ", 50)
	for range 5 { // somebody who pastes
		p := calls(t, g.doors["telnet"], "127.0.0.5")
		io.WriteString(p.conn, paste)
		p.types("<Guide>")
		p.sees("MODE D'EMPLOI")
		p.conn.Close()
	}
	for range 30 { // somebody clumsy
		c := calls(t, g.doors["tcp"], "127.0.0.6")
		io.WriteString(c.conn, "XYZ\x13")
		c.conn.Close()
	}
	for _, address := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"} {
		began := time.Now()
		letIn(t, g, address)
		if took := time.Since(began); took > patience/2 {
			t.Errorf("%s waits %v", address, took)
		}
	}
	if said := op.told("shield"); strings.Contains(said, "slowed") || strings.Contains(said, "banned") {
		t.Error(said)
	}
	if strings.Contains(op.told("bans"), "shield") {
		t.Error("somebody is banned")
	}
}

// Whoever observes sees who would be banned, and nobody is. The mode changes without a call
// being cut.
func TestShieldObserve(t *testing.T) {
	t.Parallel()
	g, op, path := shielded(t)
	honest := calls(t, g.doors["telnet"], "127.0.0.3")
	if err := os.WriteFile(path, []byte(shieldConfig+"[shield]\nmode = \"observe\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	op.reloads(g, "shield.mode")
	late := 0 // on a busy machine it says nothing for so long that it is a caller
	for n := 0; n < 30+late; n++ {
		got := says(t, g.doors["tcp"], "127.0.0.2", ssh)
		if got != "" {
			late++
		}
		if got == refused || late > 200 {
			t.Fatalf("it is told %q, %d times late", got, late)
		}
	}
	letIn(t, g, "127.0.0.2")
	op.does(line("shield"), "mode observe", "127.0.0.2", "banned")
	if err := g.log.hear("would be banned by the shield"); err != nil {
		t.Error(err)
	}
	honest.types("<Guide>")
	honest.sees("MODE D'EMPLOI")
}

// reloads has a gateway read its configuration anew, in which that has changed. On a busy
// machine it may have seen that by itself before it is told to.
func (o operator) reloads(g *gateway, changed ...string) {
	o.Helper()
	said := o.told("reload")
	if strings.Contains(said, "nothing has changed") {
		for line := range strings.Lines(g.log.String()) {
			if strings.Contains(line, "configuration read anew") && !strings.Contains(line, "changed=[]") {
				said = line
			}
		}
	}
	for _, key := range changed {
		if !strings.Contains(said, key) {
			o.Errorf("moip ctl reload says\n%s, without %q", said, key)
		}
	}
}

// told returns what is told.
func (o operator) told(args ...string) string {
	o.Helper()
	out, err := exec.Command(program, append([]string{"ctl", "--admin", o.at}, args...)...).CombinedOutput()
	if err != nil {
		o.Errorf("moip ctl %q: %v, %s", args, err, out)
	}
	return string(out)
}
