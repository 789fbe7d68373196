package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"moip/internal/certificate/catest"
	"moip/internal/testkit/browsertest"
)

// A secured gateway has listeners by TLS, at a folder with its certificate.
type secured struct {
	*gateway
	t      *testing.T
	dir    string
	ca     *catest.Authority
	config string // its file

	cert, key string
	free      []string
}

// secures starts a gateway that has wss, telnets and ws, with lines of the configuration
// before its tables and in [tls].
func secures(t *testing.T, before, within string) *secured {
	t.Helper()
	s := &secured{t: t, dir: t.TempDir(), ca: catest.New(t), free: ports(t, 3)}
	s.cert, s.key, s.config = filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem"), filepath.Join(s.dir, "moip.toml")
	s.gives()
	s.says(before, within)
	s.gateway = runsIn(t, s.dir, "--config", s.config, "--admin", "https://127.0.0.1:0")
	return s
}

// gives writes a new certificate.
func (s *secured) gives() { s.ca.Give(s.t, s.cert, s.key, 24*time.Hour, "localhost", "127.0.0.1") }

// says writes the configuration.
func (s *secured) says(before, within string) {
	s.t.Helper()
	text := fmt.Sprintf("listen = [\"wss://%s\", \"telnets://%s\", \"ws://%s\"]\n%s\n[tls]\ncert = [\"cert.pem\"]\nkey = [\"key.pem\"]\n%s\n",
		s.free[0], s.free[1], s.free[2], before, within)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// reloads has the configuration, and the certificates, read anew.
func (s *secured) reloads() {
	s.t.Helper()
	s.command.Process.Signal(syscall.SIGHUP)
	if err := s.log.hear("configuration read anew"); err != nil {
		s.t.Fatalf("%v\n%s", err, &s.log)
	}
}

// shown returns the certificate that a caller sees.
func (s *secured) shown(at string) *x509.Certificate {
	s.t.Helper()
	conn, err := tls.Dial("tcp", at, &tls.Config{RootCAs: s.ca.Pool})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// client runs openssl s_client, which says what is typed, and returns what it prints.
func client(t *testing.T, typed string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-verify_return_error"}, args...)...)
	command.Stdin = strings.NewReader(typed)
	out, err := command.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatalf("openssl (Debian's package openssl): %v", err)
	}
	return string(out)
}

// An independent client sees TLS 1.2 and 1.3, and nothing older, and is known or not by
// its certificate.
func TestTLSOpenSSL(t *testing.T) {
	t.Parallel()
	strangers := catest.New(t)
	s := secures(t, "", "")
	trust := []string{"-CAfile", s.ca.File, "-connect"}
	for _, door := range []string{s.doors["wss"], s.doors["telnets"], s.doors["admin"]} {
		at := append(slices.Clone(trust), door)
		for version, want := range map[string]string{
			"-tls1_3": "New, TLSv1.3, Cipher is TLS_", "-tls1_2": "New, TLSv1.2, Cipher is ECDHE-", "-tls1_1": "alert protocol version", "-tls1": "alert protocol version",
		} {
			if out := client(t, "", append(at, version, "-cipher", "ALL:@SECLEVEL=0")...); !strings.Contains(out, want) {
				t.Errorf("%s by %s:\n%s", door, version, out)
			}
		}
		if out := client(t, "", append(at, "-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256:DHE:RC4:3DES:NULL:@SECLEVEL=0")...); !strings.Contains(out, "handshake failure") {
			t.Errorf("%s takes old suites:\n%s", door, out)
		}
	}

	// A caller by telnet over TLS.
	caller := exec.Command("openssl", append([]string{"s_client", "-quiet", "-verify_return_error"}, append(trust, s.doors["telnets"])...)...)
	keys, err := caller.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var screen log
	caller.Stdout = &screen
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { caller.Process.Kill(); caller.Wait() }()
	if err := screen.hear("Tapez le code"); err != nil {
		t.Fatalf("%v: %q", err, &screen)
	}
	io.WriteString(keys, "HEURE\x13A")
	if err := screen.hear("L'horloge"); err != nil && !strings.Contains(screen.String(), "horloge") {
		t.Fatalf("%v: %q", err, &screen)
	}

	// Its certificate counts after a reload, which cuts nobody.
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	own := append(slices.Clone(trust), s.doors["telnets"], "-cert", cert, "-key", key, "-tls1_2")
	none := append(slices.Clone(trust), s.doors["telnets"], "-tls1_2")
	strangers.Give(t, cert, key, time.Hour, "claude")
	s.says("", fmt.Sprintf("client_ca = %q", strangers.File))
	s.reloads()
	if out := client(t, "", own...); !strings.Contains(out, "Verify return code: 0 (ok)") || strings.Contains(out, "alert") {
		t.Errorf("with its certificate:\n%s", out)
	}
	if out := client(t, "", none...); !strings.Contains(out, "alert handshake failure") && !strings.Contains(out, "alert bad certificate") {
		t.Errorf("without:\n%s", out)
	}
	s.ca.Give(t, cert, key, time.Hour, "paul")
	if out := client(t, "", own...); !strings.Contains(out, "alert") {
		t.Errorf("with that of others:\n%s", out)
	}
	s.says("", fmt.Sprintf("client_ca = %q\nclient_auth = \"optional\"", strangers.File))
	s.reloads()
	if out := client(t, "", none...); strings.Contains(out, "alert") {
		t.Errorf("without, if it may:\n%s", out)
	}
	io.WriteString(keys, "\x13F")
	if err := screen.hear("Tapez le code"); err != nil {
		t.Errorf("who was there: %v, %q", err, &screen)
	}
}

// A scanner has nothing serious to say.
func TestTLSScanner(t *testing.T) {
	t.Parallel()
	s := secures(t, "", "")
	path, err := exec.LookPath("testssl")
	if err != nil {
		if path, err = exec.LookPath("testssl.sh"); err != nil {
			t.Fatal("this test needs testssl.sh (Debian: apt-get install testssl.sh)")
		}
	}
	report := filepath.Join(s.dir, "report.json")
	// Protocols, kinds of suites, forward secrecy, and those vulnerabilities that a server
	// of Go's might have; all take minutes.
	command := exec.CommandContext(t.Context(), path, "--quiet", "--color", "0", "--warnings", "off", "--jsonfile", report,
		"--add-ca", s.ca.File, "-p", "-s", "-f", "-H", "-I", "-R", s.doors["wss"])
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var findings []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(data, &findings); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	seen := map[string]string{}
	for _, f := range findings {
		seen[f.ID] = f.Finding
		switch f.Severity {
		case "MEDIUM", "HIGH", "CRITICAL", "FATAL":
			t.Errorf("%s, %s: %s", f.Severity, f.ID, f.Finding)
		}
	}
	for id, want := range map[string]string{
		"SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered",
		"heartbleed": "not vulnerable", "cipherlist_NULL": "not offered", "secure_client_renego": "not vulnerable",
	} {
		if !strings.Contains(seen[id], want) {
			t.Errorf("%s: %q, not %q", id, seen[id], want)
		}
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Error(&s.log)
	}
}

// Operators come by TLS, and know whom they ask.
func TestTLSOperators(t *testing.T) {
	t.Parallel()
	strangers := catest.New(t)
	s := secures(t, "", fmt.Sprintf("admin_client_ca = %q", strangers.File))
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	strangers.Give(t, cert, key, time.Hour, "sysop")
	foreign := filepath.Join(dir, "foreign")
	s.ca.Give(t, foreign, filepath.Join(dir, "foreign.key"), time.Hour, "paul")
	ctl := func(args ...string) string {
		command := exec.Command(program, append([]string{"ctl", "--admin", "https://" + s.doors["admin"]}, args...)...)
		command.Env = append(os.Environ(), "MOIP_ADMIN_CA="+s.ca.File)
		out, _ := command.CombinedOutput()
		return string(out)
	}
	for want, args := range map[string][]string{
		"certificate  localhost, until ":                             {"--cert", cert, "--key", key, "state"},
		"this needs a token":                                         {"state"},
		"is not known (--ca names a file of authorities to trust)":   {"--ca", strangers.File, "state"},
		"certificates to trust: there are none in " + key:            {"--ca", key, "state"},
		"key of the certificate: there is none in " + cert:           {"--cert", cert, "state"},
		"remote error: tls: ":                                        {"--cert", foreign, "--key", foreign + ".key", "state"},
		"\"certificates\": [":                                        {"--cert", cert, "--key", key, "--json", "state"},
		"tls.admin_client_ca = \"" + strangers.File + "\"\ntls.cert": {"--cert", cert, "--key", key, "config"},
	} {
		if out := ctl(args...); !strings.Contains(out, want) {
			t.Errorf("moip ctl %v says\n%s\nwithout %q", args, out, want)
		}
	}
	plain, err := exec.Command(program, "ctl", "--admin", s.doors["admin"], "state").CombinedOutput()
	if !strings.Contains(string(plain), "(if it has TLS, write https://"+s.doors["admin"]+")") {
		t.Errorf("without TLS: %v, %s", err, plain)
	}
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	door := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool, Certificates: []tls.Certificate{own}}, DisableKeepAlives: true,
	}}
	w, err := door.Get("https://" + s.doors["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	metrics, err := io.ReadAll(w.Body)
	until := s.shown(s.doors["wss"]).NotAfter.Unix()
	if want := fmt.Sprintf("moip_certificate_expiry_timestamp_seconds{name=\"localhost\"} %v\n", float64(until)); err != nil || !strings.Contains(string(metrics), want) {
		t.Errorf("the metrics lack %s", want)
	}
}

// Files are replaced while a crowd types: no key is lost, and who comes sees the new one.
func TestTLSReplaced(t *testing.T) {
	t.Parallel()
	repeats := repeater(t)
	s := secures(t, "", "")
	s.says("", "[portal]\nurl = "+fmt.Sprintf("%q", repeats))
	s.kill()
	s.gateway = runsIn(t, s.dir, "--config", s.config, "--admin", "none")
	door := s.doors["telnets"]
	callers := gatherBy(t, func() (net.Conn, error) {
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 4 * patience}, Config: &tls.Config{RootCAs: s.ca.Pool}}).Dial("tcp", door)
		if err == nil {
			conn = untelnet{conn}
		}
		return conn, err
	}, "", 100)
	for i := range 6 {
		old := s.shown(door)
		s.gives()
		if i%2 == 0 {
			s.reloads()
		} else if err := s.log.hear("certificate read anew"); err != nil {
			t.Fatalf("%v\n%s", err, &s.log)
		}
		if s.shown(door).Equal(old) {
			t.Fatalf("the old one is shown after change %d", i)
		}
	}
	os.WriteFile(s.key, []byte("MINITEL"), 0o600)
	s.command.Process.Signal(syscall.SIGHUP)
	if err := s.log.hear("configuration is not changed"); err != nil {
		t.Error(err)
	}
	s.shown(door)
	callers.leave()
	t.Logf("%d callers, %d keys", callers.callers.Load(), callers.keys.Load())
	if callers.callers.Load() != 100 || callers.keys.Load() < 100 {
		t.Error("they were not there")
	}
}

// An untelnet is a caller's connection that hears nothing of telnet, and does not answer.
type untelnet struct{ net.Conn }

func (u untelnet) Read(p []byte) (int, error) {
	for {
		n, err := u.Conn.Read(p)
		for {
			at := bytes.IndexByte(p[:n], 0xFF)
			if at < 0 || at+3 > n {
				break
			}
			n = at + copy(p[at:n], p[at+3:n])
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// A Minitel in a real browser calls by wss, and so does another library than ours.
func TestTLSWebSocket(t *testing.T) {
	s := secures(t, "", "")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	c, _, err := websocket.Dial(t.Context(), "wss://"+s.doors["wss"], &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	if _, page, err := c.Read(t.Context()); err != nil || len(page) == 0 {
		t.Errorf("it reads %q, %v", page, err)
	}
	c.CloseNow()
	b := &tab{t, browsertest.Open(t)}
	if _, err := chromedp.Call(b.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
		t.Fatal(err)
	}
	b.does(chromedp.Navigate("https://" + s.doors["wss"] + "/#code=mire"))
	b.says("En ligne avec MIRE")
}

// The authority is down when the gateway starts, which does what needs no TLS, and says
// what is missing. A reload has it asked again at once. Later the certificate is there
// whether or not the authority is.
func TestTLSACME(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			free := ports(t, 2)
			web, secure := port(t, free[0]), port(t, free[1])
			p := catest.StartPebble(t, web, secure, 24*time.Hour)
			p.Down()
			dir := t.TempDir()
			config := filepath.Join(dir, "moip.toml")
			text := fmt.Sprintf("listen = [\"ws://%s\", \"telnets://%s\"]\n[tls]\nacme = [\"minitel.example\"]\nacme_ca = %q\nacme_ca_root = %q\nacme_challenge = %q\n",
				free[0], free[1], p.URL, p.Roots, challenge)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			g := runsIn(t, dir, "--config", config, "--admin", "127.0.0.1:0")
			hear := func(what string) {
				t.Helper()
				if err := g.log.hear(what); err != nil {
					t.Fatalf("%s: %v\n%s", what, err, &g.log)
				}
			}
			hear("there is no certificate yet: the authority gives none")
			fetch(t, "http://"+free[0]+"/")
			if _, err := tls.Dial("tcp", free[1], &tls.Config{InsecureSkipVerify: true}); err == nil {
				t.Error("something is shown")
			}
			if metrics := fetch(t, "http://"+g.doors["admin"]+"/metrics"); !strings.Contains(metrics, "moip_certificate_expiry_timestamp_seconds{name=\"minitel.example\"} 0\n") {
				t.Error("the metrics do not tell")
			}
			out, _ := exec.Command(program, "ctl", "--admin", g.doors["admin"], "state").CombinedOutput()
			if !strings.Contains(string(out), "certificate  minitel.example, none yet, from "+p.URL+": ") {
				t.Errorf("the state is\n%s", out)
			}
			p.Up(t)
			g.command.Process.Signal(syscall.SIGHUP)
			hear(`msg="certificate obtained"`)
			arrive := func() {
				t.Helper()
				conn, err := tls.Dial("tcp", free[1], &tls.Config{RootCAs: p.Pool, ServerName: "minitel.example"})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				if n, err := conn.Read(make([]byte, 512)); n == 0 {
					t.Error(err)
				}
			}
			arrive()
			hear("call began")
			if calls := strings.Count(g.log.String(), "call began"); calls != 1 {
				t.Errorf("the authority was taken for callers: %d\n%s", calls, &g.log)
			}
			p.Down()
			if err := g.stop(); err != nil {
				t.Fatal(err)
			}
			if err := g.exit("0"); err != nil {
				t.Fatal(err)
			}
			g = runsIn(t, dir, "--config", config)
			arrive()
		})
	}
}

func port(t *testing.T, address string) int {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return at.Port
}
