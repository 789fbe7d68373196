package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"moip/internal/control/pymoip"
	"moip/internal/directory"
	"moip/internal/directory/probe"
	"moip/internal/directory/yellowpages"
	"moip/internal/discreet"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/smallfile"
	"moip/internal/upstream"
)

const (
	dialTime    = 5 * time.Second        // for a peer to accept
	firstPage   = 3 * time.Second        // for the portal to show something
	stillTime   = 800 * time.Millisecond // without news make a page still
	renewBefore = 14 * 24 * time.Hour    // a certificate that lasts no longer should have been renewed
)

// checkPortal calls the portal, looks at what it shows and hangs up. No key is typed.
func (o Options) checkPortal() check {
	const name = "portal"
	c := o.Config
	switch {
	case c.Builtin():
		return always(good(name, "the one inside"))
	case recording.IsRoute(c.Portal.URL):
		return check{name, func(ctx context.Context) []Finding {
			return []Finding{checkRecording(ctx, name, c.Portal.Session(name))}
		}}
	}
	return check{name, func(ctx context.Context) []Finding {
		where := discreet.URL(c.Portal.URL)
		call, err := dial(ctx, c.Portal.Session(name))
		if err != nil {
			return []Finding{unreached(name, where, err)}
		}
		defer call.hangUp()
		call.listen(ctx, stillTime, firstPage)
		found := []Finding{shown(name, where, call)}
		return append(found, call.certificates(name)...)
	}}
}

// shown tells what a portal has shown so far.
func shown(name, where string, c *call) Finding {
	accepted := c.accepted.Round(time.Millisecond)
	switch {
	case c.total > 0:
		return good(name, "%s accepts in %v; it shows %s", where, accepted, c.glance())
	case c.over:
		return problem(name, "look at its log", "%s accepts in %v, and hangs up: %s", where, accepted, c.end())
	}
	return warning(name, "look at its log; moip doctor URL looks closer", "%s accepts in %v, and shows nothing for %v", where, accepted, firstPage)
}

func checkRecording(ctx context.Context, name string, r session.Route) Finding {
	e, err := recording.NewProjector(slog.New(slog.DiscardHandler)).Dial(ctx, 0, r)
	if err != nil {
		return problem(name, "name a recording, or a folder with some", "%v", err)
	}
	e.Close()
	return good(name, "%s can be played", r.URL)
}

// unreached tells that a peer cannot be reached, and what that may mean.
func unreached(name, where string, err error) Finding {
	found, advice := trouble(err)
	return problem(name, advice, "%s: %s", where, found)
}

// trouble returns why a dial failed, and what to do about it.
func trouble(err error) (found, advice string) {
	if cause := errors.Unwrap(err); cause != nil && strings.HasPrefix(err.Error(), "dial ") {
		err = cause // the caller says the rest
	}
	found = err.Error()
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return distrust(untrusted)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return found, "start it, or see whether host and port are right"
	case errors.As(err, new(*net.DNSError)):
		return found, "see whether the name is right, and whether this machine resolves names"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time", "see whether it runs, and whether a firewall is in between; who speaks no WebSocket may wait, too: then telnet:// or tcp://"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return found, "see whether this machine is on the network"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "it speaks no TLS there", "leave out the s of wss, telnets or tcps, or name the port that has TLS"
	case strings.Contains(found, "malformed HTTP"):
		return "it speaks no HTTP there, so no WebSocket", "write telnet or tcp instead of ws, telnets or tcps instead of wss"
	case strings.Contains(found, "answered 2"):
		return found + ", as a web server does", "name the path at which it takes WebSockets"
	case strings.Contains(found, "answered 3"):
		return found, "it has moved: name where it leads"
	case strings.Contains(found, "answered 4"):
		return found, "see whether path, subprotocols, origin and password are what it wants"
	}
	return found, "look at its log"
}

// distrust tells what is wrong with a certificate.
func distrust(err *tls.CertificateVerificationError) (found, advice string) {
	if len(err.UnverifiedCertificates) == 0 {
		return err.Error(), "see its certificate"
	}
	c := err.UnverifiedCertificates[0]
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(c.NotBefore):
		return fmt.Sprintf("its certificate is valid from %s only", c.NotBefore.Format(time.DateOnly)), "see whether the clock of this machine is right"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("its certificate expired on %s", c.NotAfter.Format(time.DateOnly)), "have it renewed; callers are not put through until then"
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Sprintf("its certificate is not for that host, but for %s", names(c)), "write the URL with a name of the certificate"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Sprintf("nobody that is trusted vouches for its certificate, which is from %q", issuer(c)),
			"have it send its whole chain, or name the authority's certificate: ca = \"file.pem\""
	}
	return err.Err.Error(), "see its certificate"
}

func issuer(c *x509.Certificate) string { return cmp.Or(c.Issuer.CommonName, c.Issuer.String()) }

// names returns whom a certificate is for.
func names(c *x509.Certificate) string {
	all := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "nobody"
	}
	if len(all) > 5 {
		all = append(all[:5], "…")
	}
	return strings.Join(all, ", ")
}

// judgeTLS tells of a certificate that is good, but not for long.
func judgeTLS(name string, s *tls.ConnectionState, now time.Time) Finding {
	c := s.PeerCertificates[0]
	left := c.NotAfter.Sub(now)
	about := fmt.Sprintf("%s, for %s, from %q, until %s", tls.VersionName(s.Version), names(c), issuer(c), c.NotAfter.Format(time.DateOnly))
	if left < renewBefore {
		return warning(name, "have it renewed", "its certificate expires in %s: %s", count(int(left/(24*time.Hour)), "day"), about)
	}
	return good(name, "%s", about)
}

// checkLink knocks at the portal's command port.
func (o Options) checkLink() check {
	const name = "control link"
	to := o.Config.LinkURL()
	switch {
	case o.Config.LinkOnBus():
		return always(good(name, "over the bus of the hub"))
	case to == "":
		return always(good(name, "none"))
	}
	return check{name, func(ctx context.Context) []Finding {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		server, err := pymoip.Knock(ctx, pymoip.Options{URL: to, TokenFile: o.Config.LinkTokenFile, CA: o.Config.LinkCA})
		switch {
		case err != nil:
			return []Finding{problem(name, "start the portal with its command port, or do without: link = \"none\"; it cannot redirect callers then",
				"%s: %v", discreet.URL(to), err)}
		case strings.Contains(server, "websockets"):
			return []Finding{good(name, "%s takes it, as PyMoIP does (%s)", discreet.URL(to), server)}
		}
		return []Finding{good(name, "%s takes it", discreet.URL(to))}
	}}
}

// checkImport asks for the services that an import has.
func checkImport(d *directory.Directory, i directory.Import) check {
	const name = "import"
	return check{name, func(ctx context.Context) []Finding {
		from, advice := discreet.URL(i.URL), "see whether it is there; the last good copy is used meanwhile"
		var data []byte
		var err error
		if i.File != "" {
			from, advice = i.File, "name another file"
			data, err = smallfile.Read(i.File, 4*megabyte)
		} else {
			source := yellowpages.Source{URL: i.URL}
			if data, _, err = source.Fetch(ctx); err != nil {
				err = cmp.Or(errors.Unwrap(err), err) // we say the rest
			}
		}
		if err != nil {
			return []Finding{warning(name, advice, "%s: %v", from, bare(err))}
		}
		entries, faults, err := yellowpages.Parse(data)
		if err != nil {
			return []Finding{warning(name, "tell its keeper", "%s: %v", from, err)}
		}
		ours := 0
		for _, e := range entries {
			if _, known := d.Lookup(e.Name); known {
				ours++
			}
		}
		found := fmt.Sprintf("%s: services and aliases %d, of which the directory has %d already", from, len(entries), ours)
		if len(faults) > 0 {
			return []Finding{warning(name, "tell its keeper", "%s; entries that cannot be read: %d, the first: %v", found, len(faults), faults[0])}
		}
		return []Finding{good(name, "%s", found)}
	}}
}

const (
	probeTime = 4 * time.Second // for a service to accept
	maxDown   = 40              // services that are told to be down
	// someServices are so many that, if none answers, it is not their fault.
	someServices = 4
)

// checkServices tries the services of a directory that are not inside, and hangs up.
// Those of which it says so are left in peace.
func checkServices(d *directory.Directory) check {
	const name = "services"
	return check{name, func(ctx context.Context) []Finding {
		var targets []probe.Target
		var found []Finding
		silent := 0
		for _, s := range d.Services() {
			switch {
			case recording.IsRoute(s.URL):
				if f := checkRecording(ctx, "service "+s.Name, s.Route); f.Level != OK {
					found = append(found, f)
				}
			case directory.IsInside(s.Route):
			case s.Probe == directory.ProbeNever:
				silent++
			default:
				targets = append(targets, probe.Target{Name: s.Name, Route: s.Route})
			}
		}
		secured := &handshakes{seen: map[string]*tls.ConnectionState{}}
		states := probe.Once(ctx, secured.dial, probeTime, targets)
		return append(found, judgeStates(name, targets, states, secured, silent)...)
	}}
}

// judgeStates tells how services were found, beside those that were not tried.
func judgeStates(name string, targets []probe.Target, states []probe.State, secured *handshakes, silent int) (found []Finding) {
	up, unknown := 0, 0
	for i, s := range states {
		of, where := "service "+targets[i].Name, discreet.URL(targets[i].Route.URL)
		switch {
		case s.Up:
			up++
			if agreed := secured.of(targets[i].Route); agreed != nil {
				if f := judgeTLS(of, agreed, time.Now()); f.Level != OK {
					found = append(found, f)
				}
			}
		case s.Known:
			found = append(found, warning(of, "", "%s: %s", where, s.Err))
		default:
			unknown++
		}
	}
	told := fmt.Sprintf("%d of %d elsewhere answer", up, len(targets))
	if len(targets) == 0 {
		told = "none is elsewhere"
	}
	if silent > 0 {
		told += fmt.Sprintf("; not to be tried: %d", silent)
	}
	if unknown > 0 {
		told += fmt.Sprintf("; no time for %d", unknown)
	}
	if more := len(found) - maxDown; more > 0 {
		found = append(found[:maxDown], warning(name, "", "as many more: %d", more))
	}
	switch {
	case up == len(targets):
		return append([]Finding{good(name, "%s", told)}, found...)
	case up == 0 && len(targets) >= someServices:
		f := warning(name, "see whether this machine is on the network, and resolves names", "%s; of the first: %s", told, states[0].Err)
		return []Finding{f}
	}
	f := warning(name, "moip doctor URL looks closer at one; callers read that it is closed", "%s", told)
	return append([]Finding{f}, found...)
}

// handshakes remember what was agreed with services that have TLS.
type handshakes struct {
	mu   sync.Mutex
	seen map[string]*tls.ConnectionState // by URL
}

func (h *handshakes) of(r session.Route) *tls.ConnectionState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[r.URL]
}

// dial is a session.Dial.
func (h *handshakes) dial(ctx context.Context, id session.ID, r session.Route) (session.Endpoint, error) {
	dialer := upstream.Dialer{Witness: &upstream.Witness{Secured: func(s tls.ConnectionState) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seen[r.URL] = &s
	}}}
	return dialer.Dial(ctx, id, r)
}
