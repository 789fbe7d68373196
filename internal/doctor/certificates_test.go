package doctor

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moip/internal/certificate"
	"moip/internal/certificate/catest"
	"moip/internal/config"
)

func TestCheckPair(t *testing.T) {
	ca := catest.New(t)
	dir := t.TempDir()
	pair := certificate.Pair{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	const day = 24 * time.Hour
	ca.Give(t, pair.Cert, pair.Key, 20*day, "a.test", "192.0.2.1")
	for _, test := range []struct {
		after time.Duration
		level Level
		want  string
	}{
		{0, OK, pair.Cert + `, for a.test, 192.0.2.1, from "Authority of a test", until `},
		{7 * day, Warning, "it expires in 12 days: "},
		{21 * day, Problem, "it has expired: "},
		{-day, Problem, "it does not hold before "},
	} {
		if f := checkPair(pair, time.Now().Add(test.after)); f.Level != test.level || !strings.HasPrefix(f.Found, test.want) {
			t.Errorf("after %v: %+v", test.after, f)
		}
	}
	os.Chmod(pair.Key, 0o644)
	if f := checkPair(pair, time.Now()); f.Level != Warning || f.Advice != "chmod o= "+pair.Key {
		t.Errorf("%+v", f)
	}
	if f := checkPair(certificate.Pair{Cert: pair.Cert, Key: "nothing"}, time.Now()); f.Level != Problem || !strings.Contains(f.Found, "stat nothing") {
		t.Errorf("%+v", f)
	}
}

func TestCheckAnswering(t *testing.T) {
	for _, test := range []struct {
		listen, challenge string
		level             Level
		want              string
	}{
		{"telnet://:23 wss://:443", "", OK, "wss://:443 answers tls-alpn-01"},
		{"wss://:9443 ws://:80", "", OK, "ws://:80 answers http-01"},
		{"ws://:9001 telnets://:992", "", Warning, "there is no listener at the port that the authority opens; it needs port 443 forwarded to telnets://:992 (tls-alpn-01), or port 80 forwarded to ws://:9001 (http-01)"},
		{"ws://:80 wss://:9443", certificate.TLSALPN01, Warning, "port 443 forwarded to wss://:9443"},
		{"telnet://:23 serial:///dev/ttyS0", "", Problem, "no listener can show the authority"},
	} {
		if f := checkAnswering(strings.Fields(test.listen), test.challenge); f.Level != test.level || !strings.Contains(f.Found, test.want) {
			t.Errorf("%s: %+v", test.listen, f)
		}
	}
}

func TestJudgeStored(t *testing.T) {
	now := time.Now()
	c := &x509.Certificate{NotBefore: now.Add(-60 * 24 * time.Hour), NotAfter: now.Add(30 * 24 * time.Hour)}
	for after, want := range map[time.Duration]Level{0: OK, 24 * time.Hour: OK, 5 * 24 * time.Hour: Warning, 31 * 24 * time.Hour: Problem} {
		if f := judgeStored("x", c, now.Add(after)); f.Level != want {
			t.Errorf("after %v: %+v", after, f)
		}
	}
	if f := judgeStored("x", nil, now); f.Level != Warning {
		t.Errorf("%+v", f)
	}
}

// All that there is to say of a gateway with an authority that is not there.
func TestACMEDown(t *testing.T) {
	ca := catest.New(t)
	cfg := config.Default()
	cfg.TLS.ACME, cfg.TLS.ACMECA, cfg.TLS.ACMEFolder = []string{"localhost", "nowhere.invalid"}, "https://127.0.0.1:1/dir", filepath.Join(t.TempDir(), "acme")
	cfg.TLS.ACMECARoot, cfg.TLS.ClientCA = ca.File, ca.File
	r := Report{Findings: run(t.Context(), Options{Config: cfg}.certificateChecks(), patience)}
	var told []string
	for _, f := range r.Findings {
		told = append(told, f.Of+": "+f.Found)
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{
		"certificates: 1 certificate in " + ca.File, "ACME: the authority cannot be asked: https://127.0.0.1:1/dir: dial tcp 127.0.0.1:1: connect: connection refused",
		"ACME: there is no listener at the port", "certificate localhost: there is none yet", "certificate nowhere.invalid: the name leads nowhere",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not say %q:\n%s", want, all)
		}
	}
	if _, err := os.Stat(cfg.TLS.ACMEFolder); err == nil {
		t.Error("looking has made a folder")
	}
}
