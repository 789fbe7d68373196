package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/tariff"
	"moip/videotex"
)

// A Service is a service that people can ask for. Its name is its code.
type Service struct {
	Title       string   // what a terminal shows, 1 to 38 columns; the code if the file has none
	Category    string   // 1 to 20 columns
	Description string   // what a terminal shows, up to 400 characters; lines end with \n
	Aliases     []string // its other names
	Tariff      tariff.Tariff
	Data        Data // how complementary data reach it
	Probe       Probe
	Unverified  bool // nobody of ours has tried it lately
	session.Route
}

// Data is how a service takes complementary data, what people type beside its
// code.
type Data string

const (
	DataNone  Data = ""      // not at all
	DataPath  Data = "path"  // as the last segment of its URL's path
	DataQuery Data = "query" // as data=... in its URL's query
	DataTyped Data = "typed" // as if typed there, with Envoi
)

// ErrNoData is why With refuses data for a service that has no use for any.
var ErrNoData = errors.New("the service takes no data")

const maxData = 40

// With returns the route to the service with the data that somebody typed for
// it, up to 40 characters. Without any it is the service's own.
func (s Service) With(data string) (session.Route, error) {
	route := s.Route
	switch {
	case data == "":
		return route, nil
	case s.Data == DataNone:
		return route, ErrNoData
	case utf8.RuneCountInString(data) > maxData:
		return route, fmt.Errorf("the data are longer than %d characters", maxData)
	case !utf8.ValidString(data) || strings.ContainsFunc(data, unicode.IsControl):
		return route, errors.New("the data are not text")
	}
	// URLs may be written as upstream.Check tells; all forms of them end alike.
	base, query, hasQuery := strings.Cut(route.URL, "?")
	switch s.Data {
	case DataPath:
		if data == "." || data == ".." { // which lead elsewhere, escaped or not (RFC 3986, 5.2.4)
			return route, fmt.Errorf("%q is no last segment of a path", data)
		}
		route.URL = strings.TrimSuffix(base, "/") + "/" + url.PathEscape(data)
		if hasQuery {
			route.URL += "?" + query
		}
	case DataQuery:
		if query != "" {
			query += "&"
		}
		route.URL = base + "?" + query + "data=" + strings.ReplaceAll(url.QueryEscape(data), "+", "%20")
	case DataTyped:
		route.Start += string(append(videotex.Encode(data), videotex.SEP, videotex.Envoi))
	}
	return route, nil
}

const inside = "builtin:" // and the name of a service that the gateway has inside

// IsInside reports whether r leads to what the gateway has inside: a service, or
// recordings that it plays.
func IsInside(r session.Route) bool {
	return strings.HasPrefix(r.URL, inside) || recording.IsRoute(r.URL)
}

// A Probe says how often a service is tried: at an interval of 10s to 24h, never,
// or as is usual where it is.
type Probe time.Duration

const (
	ProbeUsual Probe = 0 // every 5 minutes at a local address, never at others
	ProbeNever Probe = -1
)

const localProbe = 5 * time.Minute

// ProbeEvery returns the interval at which to try the service, 0 for never. What
// is inside the gateway needs no trial.
func (s Service) ProbeEvery() time.Duration {
	switch {
	case s.Probe == ProbeNever, IsInside(s.Route):
		return 0
	case s.Probe != ProbeUsual:
		return time.Duration(s.Probe)
	case isLocal(host(s.URL)):
		return localProbe
	}
	return 0
}

// host returns the host of a URL, in any form that upstream.Check takes.
func host(raw string) string {
	_, rest, _ := strings.Cut(raw, ":")
	rest = strings.TrimPrefix(rest, "//")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	u, err := url.Parse("//" + strings.TrimSuffix(rest, ":"))
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// isLocal reports whether host is in this house, as far as its name tells.
func isLocal(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	dot := strings.LastIndexByte(host, '.')
	return host != "" && (dot < 0 || slices.Contains([]string{"localhost", "local", "lan", "internal"}, host[dot+1:]))
}
