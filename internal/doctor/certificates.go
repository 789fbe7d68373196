package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"moip/internal/certificate"
	"moip/internal/downstream"
)

// certificateChecks are those of what is shown to callers and operators who come by TLS.
func (o Options) certificateChecks() (checks []check) {
	c := o.Config.TLS.Options()
	for _, pair := range c.Pairs {
		checks = append(checks, always(checkPair(pair, time.Now())))
	}
	for _, file := range []string{c.ClientCA, c.AdminCA} {
		if file != "" {
			checks = append(checks, always(checkCA(file, time.Now())))
		}
	}
	if len(c.ACME.Names) == 0 {
		return checks
	}
	checks = append(checks, checkDirectory(c.ACME), always(checkAnswering(o.Config.Listen, c.ACME.Challenge)))
	for _, name := range c.ACME.Names {
		checks = append(checks, checkName(c.ACME, name))
	}
	return checks
}

// endsSoon is when somebody should see to a certificate.
const endsSoon = 14 * 24 * time.Hour

// checkPair looks at a certificate and its key.
func checkPair(pair certificate.Pair, now time.Time) Finding {
	const name = "certificate"
	cert, err := certificate.Load(pair)
	if err != nil {
		return problem(name, "name files that go together: cert with the chain behind it, key, in [tls]", "%v", err)
	}
	leaf := cert.Leaf
	about := fmt.Sprintf("%s, for %s, from %q, until %s", pair.Cert, names(leaf), issuer(leaf), leaf.NotAfter.Format(time.DateOnly))
	left := leaf.NotAfter.Sub(now)
	switch info, _ := os.Stat(pair.Key); {
	case left < 0:
		return problem(name, "have it renewed", "it has expired: %s", about)
	case now.Before(leaf.NotBefore):
		return problem(name, "see whether the clock is right", "it does not hold before %s: %s", leaf.NotBefore.Format(time.DateOnly), about)
	case left < endsSoon:
		return warning(name, "have it renewed", "it expires in %s: %s", count(int(left/(24*time.Hour)), "day"), about)
	case len(cert.Certificate) == 1 && len(leaf.IssuingCertificateURL) > 0:
		return warning(name, "name the file that has both (certbot's is fullchain.pem)", "the chain behind it is not in its file, so that some callers cannot verify it: %s", about)
	case info != nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0:
		return warning(name, "chmod o= "+pair.Key, "everybody on this machine can read its key, %s: %s", pair.Key, about)
	}
	return good(name, "%s", about)
}

// checkDirectory asks an authority for what it offers.
func checkDirectory(o certificate.ACME) check {
	const name = "ACME"
	return check{name, func(ctx context.Context) []Finding {
		door := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
		if o.Roots != "" {
			roots, err := certificate.Authorities(o.Roots)
			if err != nil {
				return []Finding{problem(name, "name another (acme_ca_root in [tls])", "%v", err)}
			}
			door.TLSClientConfig = &tls.Config{RootCAs: roots}
		}
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.CA, nil)
		if err == nil {
			var w *http.Response
			if w, err = (&http.Client{Transport: door}).Do(r); err == nil {
				w.Body.Close()
				if w.StatusCode != http.StatusOK {
					err = errors.New(w.Status)
				}
			}
		}
		if err != nil {
			return []Finding{warning(name, "see whether this machine is on the network, and acme_ca in [tls] right; what it has given before is used meanwhile",
				"the authority cannot be asked: %s: %v", o.CA, cmp.Or(errors.Unwrap(err), err))}
		}
		return []Finding{good(name, "%s answers", o.CA)}
	}}
}

// checkAnswering looks whether an authority can be answered that looks whose a name is.
func checkAnswering(listen []string, challenge string) Finding {
	const name = "ACME"
	ports := map[string]string{certificate.HTTP01: "80", certificate.TLSALPN01: "443"}
	ours := map[string]string{}
	for _, uri := range listen {
		at, err := downstream.ParseAddress(uri)
		kind := certificate.HTTP01
		switch {
		case err != nil, at.Scheme == "serial", !at.TLS && at.Scheme != "ws":
			continue
		case at.TLS:
			kind = certificate.TLSALPN01
		}
		if challenge != "" && challenge != kind {
			continue
		}
		if at.Port == ports[kind] {
			return good(name, "%s answers %s", uri, kind)
		}
		if ours[kind] == "" {
			ours[kind] = uri
		}
	}
	var ways []string
	for _, kind := range []string{certificate.TLSALPN01, certificate.HTTP01} {
		if uri := ours[kind]; uri != "" {
			ways = append(ways, fmt.Sprintf("port %s forwarded to %s (%s)", ports[kind], uri, kind))
		}
	}
	if len(ways) == 0 {
		return problem(name, `listen at "wss://:443" or "ws://:80", too`, "no listener can show the authority whose the name is")
	}
	return warning(name, "see that it is", "there is no listener at the port that the authority opens; it needs %s", strings.Join(ways, ", or "))
}

// checkName looks at what there is for a name, and whether it leads anywhere.
func checkName(o certificate.ACME, name string) check {
	of := "certificate " + name
	return check{of, func(ctx context.Context) []Finding {
		if _, err := netip.ParseAddr(name); err != nil {
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			if _, err := net.DefaultResolver.LookupHost(ctx, name); err != nil {
				return []Finding{problem(of, "have it lead to this machine (an A or AAAA record)", "the name leads nowhere: %v", err)}
			}
		}
		return []Finding{judgeStored(of, certificate.Stored(o, name), time.Now())}
	}}
}

// judgeStored judges what an authority has given. It is renewed when a third of its life
// is left.
func judgeStored(of string, c *x509.Certificate, now time.Time) Finding {
	if c == nil {
		return warning(of, "start the gateway, which asks for it; moip ctl state tells what came of it", "there is none yet")
	}
	left, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
	about := fmt.Sprintf("from %q, until %s", issuer(c), c.NotAfter.Format(time.DateTime))
	const advice = "let the gateway run; moip ctl state tells why it is not renewed"
	switch {
	case left < 0:
		return problem(of, advice, "it has expired: %s", about)
	case left < life/3*9/10: // renewal takes a little
		return warning(of, advice, "less than a third of its life is left, and it is not renewed: %s", about)
	}
	return good(of, "%s", about)
}
