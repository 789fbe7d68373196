package yellowpages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"moip/internal/discreet"
)

const (
	fetchLimit   = 30 * time.Second
	maxData      = 4 << 20  // bytes of yellow pages
	maxHeader    = 16 << 10 // bytes of what comes before them
	maxValidator = 200      // bytes
	maxRedirects = 5
)

// A Source is where yellow pages come from. It is used by one goroutine at a
// time.
type Source struct {
	URL   string // http or https
	Cache string // file for the last good copy, empty for none

	// Permit, unless it is nil, says why an address may not be asked, just before it is: that
	// of host, which is the URL's or, if the source has sent us on, another's. It is not
	// asked about proxies, nor about what is behind one.
	Permit func(host string, sentOn bool, at netip.AddrPort) error

	last edition // what the caller has

	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil for the network
}

// An edition of yellow pages is known to us by its sum, and to the source by
// the validators that it gave (RFC 9110, section 8.8). The zero edition is
// none.
type edition struct {
	sum          [sha256.Size]byte
	etag         string
	lastModified string
}

func newEdition(data []byte, header http.Header) edition {
	return edition{
		sum:          sha256.Sum256(data),
		etag:         validator(header.Get("Etag")),
		lastModified: validator(header.Get("Last-Modified")),
	}
}

// validator returns s, unless it is so long that to send it back may be refused.
func validator(s string) string {
	if len(s) > maxValidator {
		return ""
	}
	return s
}

// Fetch asks the source for its yellow pages, for 30 seconds at most. They must
// not be longer than 4 MiB, and Parse must find an entry in them.
//
// They are changed if they are not what the last Fetch or Cached returned; if
// they are not changed, data may be nil. Pages that cannot be written to Cache
// are returned nevertheless, together with the error.
func (s *Source) Fetch(ctx context.Context) (data []byte, changed bool, err error) {
	u, err := s.address()
	if err != nil {
		return nil, false, fmt.Errorf("fetch yellow pages: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, fetchLimit, fmt.Errorf("no complete answer in %v", fetchLimit))
	defer cancel()
	data, e, err := s.ask(ctx, u)
	if err != nil {
		return nil, false, fmt.Errorf("fetch yellow pages from %s: %w", discreet.URL(u.String()), err)
	}
	changed = e.sum != s.last.sum
	s.last = e
	if data != nil && s.Cache != "" {
		if err := save(s.Cache, u, e, data); err != nil {
			return data, changed, fmt.Errorf("keep a copy of yellow pages: %w", err)
		}
	}
	return data, changed, nil
}

// address returns where the source is.
func (s *Source) address() (*url.URL, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("a URL that cannot be read: %w", cause(err))
	}
	return u, checkWeb(u)
}

func checkWeb(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%.100q is not http or https to a host", discreet.URL(u.String()))
	}
	return nil
}

// cause returns err without the URL, which we give ourselves, and not with a
// password.
func cause(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// client returns one that keeps nothing from one question to the next. What it has been
// sent on to, it asks when it has been answered, so that one question is on its way.
func (s *Source) client(u *url.URL) *http.Client {
	sentOn, proxied := false, false
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if s.dial != nil {
			return s.dial(ctx, network, address)
		}
		dialer := &net.Dialer{}
		if s.Permit != nil && !proxied {
			dialer.ControlContext = s.control(address, sentOn)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: func(r *http.Request) (*url.URL, error) {
				proxy, err := http.ProxyFromEnvironment(r)
				proxied = proxy != nil
				return proxy, err
			},
			DialContext:            dial,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("redirected more than %d times", maxRedirects)
			}
			sentOn = sentOn || r.URL.Host != u.Host
			return checkWeb(r.URL)
		},
	}
}

// control asks Permit about the addresses of whom is dialled.
func (s *Source) control(address string, sentOn bool) func(context.Context, string, string, syscall.RawConn) error {
	host, _, _ := net.SplitHostPort(address)
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return s.Permit(host, sentOn, at)
	}
}

// ask fetches what is at u. If that is the last edition still, data are nil.
func (s *Source) ask(ctx context.Context, u *url.URL) (data []byte, e edition, err error) {
	question := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"User-Agent": {"MoIP"}}}
	// Whoever does not know the one goes by the other (RFC 9111, section 4.3.1).
	set(question.Header, "If-None-Match", s.last.etag)
	set(question.Header, "If-Modified-Since", s.last.lastModified)
	answer, err := s.client(u).Do(question.WithContext(ctx))
	if err != nil {
		return nil, edition{}, cause(err)
	}
	defer answer.Body.Close()
	switch isConditional := s.last.etag+s.last.lastModified != ""; {
	case answer.StatusCode == http.StatusNotModified && isConditional:
		return nil, s.last, nil
	case answer.StatusCode != http.StatusOK:
		return nil, edition{}, fmt.Errorf("answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	// What comes compressed is inflated as it is read.
	if data, err = readAll(answer.Body, maxData); err != nil {
		return nil, edition{}, err
	}
	if err := check(data); err != nil {
		return nil, edition{}, err
	}
	return data, newEdition(data, answer.Header), nil
}

// set sets a header if there is a value for it.
func set(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// readAll reads to the end, which must come within most bytes.
func readAll(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	return data, err
}

// check reports why data are not worth keeping, nil if they are.
func check(data []byte) error {
	entries, faults, err := Parse(data)
	switch {
	case err != nil:
		return err
	case len(entries) > 0:
		return nil
	case len(faults) > 0:
		return fmt.Errorf("there is no good entry: %w", faults[0])
	}
	return errors.New("there is no entry")
}
