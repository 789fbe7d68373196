package doctor

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/internal/testkit/golden"
)

// authority is whom this test's system trusts, and nobody else.
var authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "doctor")
	if err != nil {
		panic(err)
	}
	authority.key, authority.cert = newAuthority()
	authority.file = filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(authority.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.cert.Raw}), 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", authority.file)
	os.Setenv("SSL_CERT_DIR", folder)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(folder)
		os.Exit(code)
	}))
}

func newAuthority() (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Autorité"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return key, cert
}

// certified returns a certificate of the authority's.
func certified(t *testing.T, host string, from, until time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: from, NotAfter: until}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.cert, authority.key.Public(), authority.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: authority.key}
}

// What differs from one run to the next.
var varies = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(127\.0\.0\.1|localhost|:)(:\d+)`), "$1:PORT"},
	{regexp.MustCompile(`(/tmp|/var)/\S*?/\d{3}\b`), "DIR"},
	{regexp.MustCompile(`accepts in [0-9.]+[mµ]?s`), "accepts in TIME"},
	{regexp.MustCompile(`speaks (at once|[0-9.]+m?s later)`), "speaks SOON"},
	{regexp.MustCompile(`\d+(\.\d)? [GMK]B`), "SIZE"},
	{regexp.MustCompile(`process \d+`), "process PID"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d( \d\d:\d\d:\d\d \w+)?`), "DATE"},
	{regexp.MustCompile(`\d+ files may be open: \d+ calls`), "MANY files may be open: MANY calls"},
}

// hold compares a report, as it is printed, with the file in testdata.
func hold(t *testing.T, name string, r Report) {
	t.Helper()
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, v := range varies {
		text = v.what.ReplaceAllString(text, v.with)
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	golden.CheckText(t, filepath.Join("testdata", name+".txt"), strings.Join(lines, "\n")+"\n")
}

var discard = log.New(io.Discard, "", 0)
