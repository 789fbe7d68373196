package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certifies makes a certificate for 127.0.0.1, and returns the files of it and of its key.
func certifies(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "portal"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, p []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: p}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return file("cert.pem", "CERTIFICATE", der), file("key.pem", "PRIVATE KEY", secret)
}

// A portal alone that wants a token of its gateways is linked to those that have it, by TLS
// too, and to no others.
func TestLinkToken(t *testing.T) {
	t.Parallel()
	dir, free := t.TempDir(), ports(t, 4)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tokens", "# gateways\n"+otherToken+"\n"+fullToken+"\n")
	write("mine", fullToken)
	write("wrong", lookToken)
	portal := runsIn(t, dir, "portal", "--ws", free[0], "--link", free[1], "--link-token-file", "tokens")
	cert, key := certifies(t)
	safe := runsIn(t, dir, "portal", "--ws", free[2], "--link", free[3], "--link-token-file", "tokens", "--link-cert", cert, "--link-key", key)
	for i, test := range []struct{ link, keys, want string }{
		{"ws://" + free[1], "", "it answers 401: This portal wants a token of its gateways"},
		{"ws://" + free[1], "link_token_file = 'wrong'", "it answers 401: This portal does not know this token."},
		{"ws://" + free[1], "link_token_file = 'mine'", "control link open"},
		{"wss://" + free[3], "link_token_file = 'mine'", "certificate signed by unknown authority"},
		{"wss://" + free[3], "link_token_file = 'mine'\nlink_ca = '" + cert + "'", "control link open"},
	} {
		file := fmt.Sprintf("gateway%d.toml", i)
		door := free[0]
		if strings.HasPrefix(test.link, "wss:") {
			door = free[2]
		}
		write(file, fmt.Sprintf("listen = ['tcp://127.0.0.1:0']\nlink = '%s'\n%s\n[portal]\nurl = 'ws://%s'\n[bans]\nfile = 'none'\n", test.link, test.keys, door))
		g := runsIn(t, dir, "--config", file)
		g.log.Await(t, test.want)
		if test.want == "control link open" { // a caller of this gateway is introduced
			guest := calls(t, g.doors["tcp"], "127.0.0.1")
			guest.conn.Close()
		}
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
		if err := g.exit("0"); err != nil {
			t.Error(err)
		}
		if text := g.log.String(); strings.Contains(text, fullToken) || strings.Contains(text, lookToken) {
			t.Error("there are tokens in the log")
		}
	}
	for _, g := range []*gateway{portal, safe} {
		if n := strings.Count(g.log.String(), "gateway linked"); n != 1 {
			t.Errorf("%d gateways were linked, want 1:\n%s", n, &g.log)
		}
	}
}
