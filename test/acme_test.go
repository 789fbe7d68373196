package test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"moip/internal/certificate/catest"
	"moip/videotex"
)

const (
	acmeName = "minitel.example"

	// obtained is what the log says once a certificate is in force. The library, which
	// speaks at debug level, says something much like it a moment before.
	obtained = `"certificate obtained" name=`
)

// An asker is a gateway that has its certificate from an authority, by ACME.
type asker struct {
	*gateway
	t       *testing.T
	ca      *catest.Pebble
	dir     string
	tls, ws string
}

// asks prepares one, which is not running yet, and its authority, which answers.
func asks(t *testing.T) *asker {
	t.Helper()
	free := ports(t, 2)
	a := &asker{t: t, dir: t.TempDir(), tls: free[0], ws: free[1]}
	port := func(address string) int {
		_, text, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(text)
		return n
	}
	a.ca = catest.StartPebble(t, port(a.ws), port(a.tls), 24*time.Hour)
	config := fmt.Sprintf("listen = ['telnets://%s', 'ws://%s']\nbans.file = 'none'\n[tls]\nacme = ['%s']\nacme_ca = '%s'\nacme_ca_root = '%s'\n",
		a.tls, a.ws, acmeName, a.ca.URL, a.ca.Roots)
	if err := os.WriteFile(filepath.Join(a.dir, "moip.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *asker) starts() {
	a.t.Helper()
	a.gateway = runsIn(a.t, a.dir, "--config", "moip.toml", "--admin", "127.0.0.1:0")
}

// logs expects a line of the log, and returns from there on.
func (a *asker) logs(text string) {
	a.t.Helper()
	if err := a.log.hear(text); err != nil {
		a.t.Fatalf("%v\n%s", err, &a.log)
	}
}

// shows returns the certificate that a caller is shown who trusts these, nil and why if
// there is none.
func (a *asker) shows(trusted *x509.CertPool) (*x509.Certificate, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", a.tls, &tls.Config{RootCAs: trusted, ServerName: acmeName})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// operators expects what they see: the end of the certificate as a metric, 0 for none; what
// has gone wrong, "" for nothing; and a gateway that is ready, for callers without TLS too.
func (a *asker) operators(until time.Time, wrong string) {
	a.t.Helper()
	at := "http://" + a.doors["admin"]
	var end float64
	if !until.IsZero() {
		end = float64(until.Unix())
	}
	told := regexp.MustCompile(`(?m)^moip_certificate_expiry_timestamp_seconds\{name="` + acmeName + `"\} (.*)$`).FindStringSubmatch(fetch(a.t, at+"/metrics"))
	if told == nil {
		a.t.Fatal("there is no metric of the certificate")
	}
	if got, err := strconv.ParseFloat(told[1], 64); err != nil || got != end {
		a.t.Errorf("the metric is %s, not %v", told[1], end)
	}
	var state struct {
		Certificates []struct {
			Name, Error string
			Until       time.Time
		}
	}
	if err := json.Unmarshal([]byte(fetch(a.t, at+"/api/v1/state")), &state); err != nil || len(state.Certificates) != 1 {
		a.t.Fatalf("the state is %+v, %v", state, err)
	}
	if c := state.Certificates[0]; c.Name != acmeName || !c.Until.Equal(until) || !strings.Contains(c.Error, wrong) || wrong == "" && c.Error != "" {
		a.t.Errorf("the state is %+v, want %v and %q", c, until, wrong)
	}
	w, err := http.Get(at + "/readyz")
	if err != nil {
		a.t.Fatal(err)
	}
	if w.Body.Close(); w.StatusCode != http.StatusOK {
		a.t.Errorf("/readyz answers %s", w.Status)
	}
}

// doctor expects that moip doctor says something of the gateway.
func (a *asker) doctor(want string) {
	a.t.Helper()
	command := exec.Command(program, "doctor", "--config", "moip.toml")
	command.Dir = a.dir
	if out, _ := command.CombinedOutput(); !strings.Contains(string(out), want) {
		a.t.Errorf("moip doctor does not say %q:\n%s", want, out)
	}
}

// ages has the certificate that is kept be one that ends soon, of another authority.
func (a *asker) ages(other *catest.Authority) {
	a.t.Helper()
	kept, err := filepath.Glob(filepath.Join(a.dir, "acme", "certificates", "*", acmeName, acmeName+".*"))
	if err != nil || len(kept) != 3 {
		a.t.Fatalf("kept is %v, %v", kept, err)
	}
	base := strings.TrimSuffix(kept[0], filepath.Ext(kept[0]))
	other.Give(a.t, base+".crt", base+".key", 20*time.Minute, acmeName) // of 80
	var about map[string]any
	data, err := os.ReadFile(base + ".json")
	if err == nil {
		err = json.Unmarshal(data, &about)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	if issued, ok := about["issuer_data"].(map[string]any); ok {
		delete(issued, "renewal_info") // when the authority would have that of before renewed
	}
	if data, err = json.Marshal(about); err == nil {
		err = os.WriteFile(base+".json", data, 0o600)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// A gateway whose certificate comes by ACME starts without its authority, and callers by
// TLS come in once that is there; a certificate that ends is renewed while calls go on, or
// stays in use until it can be. Operators see each of it.
func TestACME(t *testing.T) {
	t.Parallel()
	a := asks(t)
	a.ca.Down()
	a.starts()
	a.logs("there is no certificate yet")
	a.operators(time.Time{}, "refused")
	a.doctor("the authority cannot be asked")
	if cert, err := a.shows(a.ca.Pool); err == nil {
		t.Errorf("there is a certificate until %v", cert.NotAfter)
	}
	if page := fetch(t, "http://"+a.ws+"/"); !strings.Contains(page, "<html") {
		t.Errorf("who comes without TLS gets %.100q", page)
	}
	a.ca.Up(t)
	a.command.Process.Signal(syscall.SIGHUP) // for who does not want to wait a minute
	a.logs(obtained)
	first, err := a.shows(a.ca.Pool)
	if err != nil {
		t.Fatal(err)
	}
	a.operators(first.NotAfter, "")
	a.doctor(a.ca.URL + " answers")
	if err := a.finish(); err != nil {
		t.Fatal(err)
	}

	// Another day it is about to end, and the authority is down again.
	other := catest.New(t)
	a.ages(other)
	a.ca.Down()
	a.starts()
	a.logs("certificate is not renewed; the one from before stays in use")
	old, err := a.shows(other.Pool)
	if err != nil {
		t.Fatal(err)
	}
	a.operators(old.NotAfter, "refused")
	conn, err := tls.Dial("tcp", a.tls, &tls.Config{RootCAs: other.Pool, ServerName: acmeName})
	if err != nil {
		t.Fatal(err)
	}
	caller := &guest{t: t, conn: conn, screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
	caller.screen.Indicate('C')
	var calling sync.WaitGroup
	calling.Go(caller.read)
	t.Cleanup(func() { conn.Close(); calling.Wait() })
	caller.sees("Passerelle en liaison")
	caller.types("echo<Envoi>")
	caller.sees("je répète")
	a.ca.Up(t)
	a.command.Process.Signal(syscall.SIGHUP)
	for n := 0; !strings.Contains(a.log.String(), obtained); n++ { // the call goes on meanwhile
		text := fmt.Sprintf("mot %d", n)
		caller.types(text)
		caller.sees(text)
		if caller.failed || n > 10_000 {
			t.Fatalf("no renewal, or no call\n%s", &a.log)
		}
		caller.types("<Annulation>")
	}
	renewed, err := a.shows(a.ca.Pool)
	if err != nil || renewed.Equal(first) {
		t.Fatalf("%v, or the first again", err)
	}
	a.operators(renewed.NotAfter, "")
	caller.types("<Fin>")
	caller.sees("visite terminée")
	if err := a.finish(); err != nil {
		t.Error(err)
	}
}
