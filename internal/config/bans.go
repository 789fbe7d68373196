package config

import (
	"net/netip"

	"moip/internal/policy"
	"moip/internal/policy/ban"
)

// Bans say where it is kept who is kept out, and who never is. Operators ban and unban
// by moip ctl.
type Bans struct {
	// File is where bans are kept, relative to the working directory, or "none" for
	// nowhere: then they end with the gateway. Only the gateway writes it. Default
	// bans.json.
	File string `toml:"file"`

	// Never are addresses and networks that cannot be banned, whose callers get in
	// whatever is in the file. Default this machine and private networks: 127.0.0.0/8,
	// ::1, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, fc00::/7 and
	// fe80::/10.
	Never []string `toml:"never"`
}

func defaultBans() Bans {
	return Bans{
		File: "bans.json",
		Never: []string{
			"127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
		},
	}
}

// Options returns how bans are to be kept.
func (b Bans) Options() ban.Options {
	o := ban.Options{File: b.File}
	if b.File == "none" {
		o.File = ""
	}
	for _, text := range b.Never {
		o.Never = append(o.Never, must(policy.ParseNetwork(text)))
	}
	return o
}

// must is for what was checked.
func must(p netip.Prefix, err error) netip.Prefix {
	if err != nil {
		panic(err)
	}
	return p
}

func (b Bans) check(fault report) {
	if b.File == "" {
		fault("bans.file", `must name a file (or be "none")`)
	}
	for _, text := range b.Never {
		if _, err := policy.ParseNetwork(text); err != nil {
			fault("bans.never", "%v", err)
		}
	}
}
