package config

import (
	"slices"

	"moip/internal/downstream"
	"moip/internal/policy"
	"moip/internal/proxied"
)

// Proxies say which proxies before the gateway are believed when they tell who calls.
type Proxies struct {
	// Trust are the addresses and networks of those proxies, 256 at most. With them,
	// Header or ?proxy=on behind an address of Listen says how they tell. Default none.
	Trust []string `toml:"trust"`

	// Header is the one by which they tell it with each request: x-forwarded-for,
	// forwarded (RFC 7239), x-real-ip, or none. The proxy must set that one itself, or add
	// to it, or callers can write what they like. Default none.
	Header proxied.Header `toml:"header"`
}

// Options returns whom to believe.
func (p Proxies) Options() *proxied.Trust {
	t := &proxied.Trust{Header: p.Header}
	for _, text := range p.Trust {
		t.Networks = append(t.Networks, must(policy.ParseNetwork(text)))
	}
	return t
}

// maxProxies bounds what is looked through for each request.
const maxProxies = 256

func (c *Config) checkProxies(fault report) {
	p := c.Proxies
	if len(p.Trust) > maxProxies {
		fault("proxies.trust", "%d are too many (%d at most; write networks)", len(p.Trust), maxProxies)
	}
	for _, text := range p.Trust {
		if _, err := policy.ParseNetwork(text); err != nil {
			fault("proxies.trust", "%v", err)
		}
	}
	if !slices.Contains([]proxied.Header{"", proxied.HeaderNone, proxied.XForwardedFor, proxied.Forwarded, proxied.XRealIP}, p.Header) {
		fault("proxies.header", "%.60q is unknown (use x-forwarded-for, forwarded, x-real-ip or none)", p.Header)
		return
	}
	header, door := p.Header != "" && p.Header != proxied.HeaderNone, ""
	for _, uri := range c.Listen {
		if at, err := downstream.ParseAddress(uri); err == nil && at.Proxy {
			door = uri
		}
	}
	switch {
	case len(p.Trust) > 0 && !header && door == "":
		fault("proxies.trust", `those proxies are not asked (write header = "x-forwarded-for", or what they set, or ?proxy=on behind an address of listen)`)
	case len(p.Trust) == 0 && header:
		fault("proxies.header", `%s is believed from nobody (write trust = ["127.0.0.1"], with the addresses of your proxies)`, p.Header)
	case len(p.Trust) == 0 && door != "":
		fault("listen", `%q expects proxies, and none is trusted (write trust = ["127.0.0.1"] in [proxies], with the addresses of yours)`, door)
	}
}
