package config

import (
	"slices"

	"moip/internal/policy/outbound"
)

// Redirect says where callers may be sent by whoever names a URL: the portal by its link,
// operators, and directories that are fetched from elsewhere. What the configuration and
// the directory's own files say is not asked about, but for the addresses that a name
// turns out to have, which Deny may refuse. A rule is
// [SCHEME://]WHERE[:PORT[-PORT]], where WHERE is * for everything, a host as example.org,
// *.example.org for those below, an address or a network, local for this machine and
// private networks, or directory, alone, for what the directory has.
type Redirect struct {
	// Allow is where they may be sent; what no rule fits is refused. Default everything.
	Allow []string `toml:"allow"`

	// Deny is where they may not be sent, whatever Allow says. Default nowhere. What
	// nobody wants is refused without being named: link-local addresses, those of clouds'
	// metadata, multicast, broadcast and no address at all; and the gateway itself.
	Deny []string `toml:"deny"`
}

const maxRules = 256

// Rules returns what was checked.
func (r Redirect) Rules() (allow, deny []outbound.Rule) {
	return rules(r.Allow), rules(r.Deny)
}

func rules(texts []string) (all []outbound.Rule) {
	for _, text := range texts {
		if rule, err := outbound.ParseRule(text); err == nil {
			all = append(all, rule)
		}
	}
	return all
}

// NeedsDirectory reports whether the directory is needed: by the portal inside, for the codes
// that one on the bus names, or for a rule about what is in it.
func (c *Config) NeedsDirectory() bool {
	return c.Builtin() || c.LinkOnBus() || slices.ContainsFunc(rules(c.Redirect.Allow), outbound.Rule.IsDirectory)
}

func (r Redirect) check(fault report) {
	for _, list := range []struct {
		key   string
		texts []string
	}{{"redirect.allow", r.Allow}, {"redirect.deny", r.Deny}} {
		if len(list.texts) > maxRules {
			fault(list.key, "%d rules are too many (%d fit)", len(list.texts), maxRules)
			continue
		}
		for _, text := range list.texts {
			rule, err := outbound.ParseRule(text)
			if err != nil {
				fault(list.key, "%v", err)
			} else if rule.IsDirectory() && list.key == "redirect.deny" {
				fault(list.key, "directory is for redirect.allow (take the service out of the directory instead)")
			}
		}
	}
}
