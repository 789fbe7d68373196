package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"moip/internal/certificate"
)

// What a file says of certificates is what there are to be.
func TestTLS(t *testing.T) {
	acme := certificate.ACME{CA: certificate.LetsEncrypt, Folder: "acme"}
	named := acme
	named.Names, named.Challenge = []string{"a.example", "192.0.2.1", "::1"}, "http-01"
	for text, want := range map[string]certificate.Options{
		"": {Required: true, ACME: acme},
		"cert = ['a.pem', '/etc/b.pem']\nkey = ['a.key', 'b.key']\nclient_ca = 'c.pem'\nclient_auth = 'optional'": {
			Pairs:    []certificate.Pair{{Cert: "etc/a.pem", Key: "etc/a.key"}, {Cert: "/etc/b.pem", Key: "etc/b.key"}},
			ClientCA: "etc/c.pem", ACME: acme,
		},
		"cert = ['both.pem']\nadmin_client_ca = 'o.pem'": {
			Pairs: []certificate.Pair{{Cert: "etc/both.pem", Key: "etc/both.pem"}}, Required: true, AdminCA: "etc/o.pem", ACME: acme,
		},
		"acme = ['a.example', '192.0.2.1', '::1']\nacme_challenge = 'http-01'": {Required: true, ACME: named},
	} {
		c, err := Parse("etc/moip.toml", []byte("admin = 'none'\n[tls]\n"+text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, c.TLS.Options(), cmpopts.IgnoreUnexported(certificate.ACME{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}
