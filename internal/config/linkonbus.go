package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"moip/internal/discreet"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/upstream"
)

// checkLinkOnBus says what is wrong with a link to the portal over the bus.
func (c *Config) checkLinkOnBus(fault report) {
	switch {
	case c.Builtin() || recording.IsRoute(c.Portal.URL):
		fault("link", `the built-in portal has none, nor have recordings (set url in [portal], or link = "none")`)
	case c.Cluster.Listen != "":
		fault("link", "no portal reaches the NATS server inside a gateway (run a NATS of your own, and say where it is: url instead of listen in [cluster])")
	case len(c.Cluster.URL) == 0:
		fault("link", "there is no NATS on which a portal could be (say where it is: url in [cluster])")
	case c.LinkTokenFile != "" || c.LinkCA != "":
		fault("link", "a portal on NATS is shown no token, and no certificate of its own (leave out link_token_file and link_ca: who may speak on NATS is for that to say)")
	}
}

// maxName is how many characters a portal's name for a service has at the most.
const maxName = 200

// ParseRoute returns the way to the service at url, with options as a portal writes them:
// a JSON object with the keys of a [Route], but for those that name files of this machine,
// and with name, what people see, and visit, the longest one. An option that is not known
// is an error: without it the service would be another.
func ParseRoute(url string, options []byte) (session.Route, error) {
	var o struct {
		Route
		Name  string   `json:"name"`
		Visit Duration `json:"visit"`
	}
	if err := upstream.Check(session.Route{URL: url}); err != nil {
		return session.Route{}, err
	}
	if len(options) > 0 {
		d := json.NewDecoder(bytes.NewReader(options))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return session.Route{}, fmt.Errorf("route: %s", strings.TrimPrefix(err.Error(), "json: "))
		}
		if _, err := d.Token(); err != io.EOF {
			return session.Route{}, errors.New("route: there is more behind it")
		}
	}
	o.URL = url
	var all []error
	fault := func(key, format string, args ...any) {
		all = append(all, fmt.Errorf("route: %s: %s", key, fmt.Sprintf(format, args...)))
	}
	o.Check(fault)
	o.Visit.check(fault, "visit", 168*time.Hour)
	if len(o.Name) > maxName {
		fault("name", "%.60q is too long (%d are the most)", o.Name, maxName)
	}
	if o.Name == "" {
		o.Name = discreet.URL(url)
	}
	r := o.Session(o.Name)
	r.Author, r.Visit = session.AuthorOther, time.Duration(o.Visit)
	return r, errors.Join(all...)
}
