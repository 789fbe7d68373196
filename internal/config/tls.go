package config

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"moip/internal/certificate"
	"moip/internal/config/tomlfile"
	"moip/internal/downstream"
)

// TLS says what certificates are shown to those who come by wss, telnets or tcps, and to
// operators by https. There are files, or names for which an authority is asked by ACME
// (RFC 8555), or both. The files are followed as they change.
type TLS struct {
	// Cert are files of certificates, each with the chain behind it, in PEM, relative to
	// the configuration file. Who asks for a name that none of them is for sees the
	// first. 16 at most. Default none.
	Cert []string `toml:"cert"`

	// Key are the files of their keys, in the same order, relative to the configuration
	// file. Default each in the file of its certificate.
	Key []string `toml:"key"`

	// ClientCA is a file of authorities, in PEM, whose certificates callers by TLS are
	// asked for, relative to the configuration file. Default none: they are not asked.
	ClientCA string `toml:"client_ca"`

	// ClientAuth says what becomes of a caller who shows none: "required" turns it away,
	// "optional" does not. One that does not hold is turned away always. Default
	// required.
	ClientAuth string `toml:"client_auth"`

	// AdminClientCA is ClientCA for operators, if they come by TLS. Whoever shows a
	// certificate of theirs may do everything; others need a token. Default none.
	AdminClientCA string `toml:"admin_client_ca"`

	// ACME are the names, or addresses, for which an authority is asked. 100 at most.
	// Default none.
	ACME []string `toml:"acme"`

	// ACMEEmail is where the authority may write to. Default nowhere.
	ACMEEmail string `toml:"acme_email"`

	// ACMECA is the URL of the authority's directory. Default Let's Encrypt's.
	ACMECA string `toml:"acme_ca"`

	// ACMECARoot is a file of authorities, in PEM, by which that is itself known, relative
	// to the configuration file. Default the system's.
	ACMECARoot string `toml:"acme_ca_root"`

	// ACMEFolder is where the account, keys and certificates are kept, relative to the
	// working directory. It is made if it is missing. Default acme.
	ACMEFolder string `toml:"acme_folder"`

	// ACMEChallenge is how the authority sees that a name is ours: "http-01" at port 80,
	// which a ws listener answers; "tls-alpn-01" at port 443, which one by TLS answers; or
	// "any". Default any: whichever there are listeners for, in turn.
	ACMEChallenge string `toml:"acme_challenge"`
}

func defaultTLS() TLS {
	return TLS{ClientAuth: "required", ACMECA: certificate.LetsEncrypt, ACMEFolder: "acme", ACMEChallenge: "any"}
}

// Any reports whether there is a certificate to show, or will be.
func (t TLS) Any() bool { return len(t.Cert)+len(t.ACME) > 0 }

// Options returns what certificates there are to be.
func (t TLS) Options() certificate.Options {
	o := certificate.Options{ClientCA: t.ClientCA, Required: t.ClientAuth == "required", AdminCA: t.AdminClientCA}
	for i, cert := range t.Cert {
		pair := certificate.Pair{Cert: cert, Key: cert}
		if len(t.Key) > 0 {
			pair.Key = t.Key[i]
		}
		o.Pairs = append(o.Pairs, pair)
	}
	o.ACME = certificate.ACME{
		Names: t.ACME, Email: t.ACMEEmail, CA: t.ACMECA, Roots: t.ACMECARoot,
		Folder: filepath.Clean(t.ACMEFolder), Challenge: strings.TrimPrefix(t.ACMEChallenge, "any"),
	}
	return o
}

// resolve makes paths that are relative to the file relative to the working directory.
func (t *TLS) resolve(file *tomlfile.File) {
	for _, list := range [][]string{t.Cert, t.Key} {
		for i := range list {
			list[i] = file.Path(list[i])
		}
	}
	t.ClientCA, t.AdminClientCA, t.ACMECARoot = file.Path(t.ClientCA), file.Path(t.AdminClientCA), file.Path(t.ACMECARoot)
}

func (c *Config) checkTLS(fault report) {
	c.TLS.check(fault)
	if c.TLS.Any() {
		return
	}
	const needed = "%.60q needs a certificate (name its files, cert and key in [tls], or names to ask an authority for, acme)"
	for _, uri := range c.Listen {
		if at, err := downstream.ParseAddress(uri); err == nil && at.TLS {
			fault("listen", needed, uri)
		}
	}
	if address, _ := c.AdminAddress(); strings.HasPrefix(address, "https://") {
		fault("admin", needed, address)
	}
}

func (t *TLS) check(fault report) {
	if len(t.Cert) > 16 {
		fault("tls.cert", "%d are too many (16 at most)", len(t.Cert))
	}
	if len(t.Key) > 0 && len(t.Key) != len(t.Cert) {
		fault("tls.key", "there are %d for %d certificates (name one for each, or none if the keys are in the same files)", len(t.Key), len(t.Cert))
	}
	if slices.Contains(t.Cert, "") || slices.Contains(t.Key, "") {
		fault("tls.cert", "must name files")
	}
	if !slices.Contains([]string{"required", "optional"}, t.ClientAuth) {
		fault("tls.client_auth", "%.60q is unknown (use required or optional)", t.ClientAuth)
	}
	if len(t.ACME) > 100 {
		fault("tls.acme", "%d names are too many (100 at most)", len(t.ACME))
	}
	for _, name := range t.ACME {
		if _, err := netip.ParseAddr(name); err != nil && (len(name) > 253 || !hostName.MatchString(name)) {
			fault("tls.acme", "%.60q is not a name that can be had (write minitel.example.org, without a port or a star)", name)
		}
	}
	if name, host, _ := strings.Cut(t.ACMEEmail, "@"); t.ACMEEmail != "" && (name == "" || !hostName.MatchString(host)) {
		fault("tls.acme_email", "%.60q is not an address of e-mail (write sysop@example.org)", t.ACMEEmail)
	}
	if u, err := url.Parse(t.ACMECA); err != nil || u.Scheme != "https" || u.Hostname() == "" {
		fault("tls.acme_ca", "%.60q is not the URL of a directory (write %s)", t.ACMECA, certificate.LetsEncrypt)
	}
	if t.ACMEFolder == "" {
		fault("tls.acme_folder", "must name a folder")
	}
	if !slices.Contains([]string{"any", certificate.HTTP01, certificate.TLSALPN01}, t.ACMEChallenge) {
		fault("tls.acme_challenge", "%.60q is unknown (use any, http-01 or tls-alpn-01)", t.ACMEChallenge)
	}
}

// hostName is a name of the DNS with a dot, or localhost.
var hostName = regexp.MustCompile(`^(localhost|([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)$`)
