package config

import (
	"os"
	"strings"

	"moip/internal/control/cluster/bus"
)

// Cluster says how several gateways are one hub. Without URL and Listen, the gateway is
// alone.
type Cluster struct {
	// Node is what the gateway is called in the hub: 1 to 32 letters, digits, - and _.
	// Each of the hub has a name of its own. Default the host's name, without its domain.
	// Config.NodeName has the answer.
	Node string `toml:"node"`

	// URL are the servers of the NATS that the gateways of the hub have in common, each
	// as nats://host:port or tls://host:port; any of them will do. Default none.
	URL []string `toml:"url"`

	// Listen is where a NATS server inside this gateway answers those in the others, as
	// host:port, so that no other program is needed. It goes without URL. Default none.
	Listen string `toml:"listen"`

	// Routes are where the NATS servers inside other gateways answer, as host:port; some
	// will do, for they tell each other of the rest. Default none.
	Routes []string `toml:"routes"`

	// MaxCalls is how many calls at a time all gateways of the hub may have together,
	// approximately; 0 is no limit. Default 0.
	MaxCalls int `toml:"max_calls"`
}

// Clustered reports whether the gateway is one of a hub of several.
func (c *Config) Clustered() bool { return len(c.Cluster.URL) > 0 || c.Cluster.Listen != "" }

// NodeName returns what the gateway is called.
func (c *Config) NodeName() string {
	if c.Cluster.Node != "" {
		return c.Cluster.Node
	}
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	name = strings.Map(func(r rune) rune {
		if bus.IsWord(string(r)) {
			return r
		}
		return '-'
	}, name)
	if name == "" {
		return "moip"
	}
	return name[:min(len(name), maxNode)]
}

const (
	maxNode     = 32
	maxHubCalls = 100_000_000
)

func (c *Config) checkCluster(fault report) {
	if n := c.Cluster.MaxCalls; n < 0 || n > maxHubCalls {
		fault("cluster.max_calls", "%d is out of range (1 to %d, or 0 for no limit)", n, maxHubCalls)
	}
	if n := c.Cluster.Node; n != "" && (!bus.IsWord(n) || len(n) > maxNode) {
		fault("cluster.node", "%.60q is no name for a gateway (1 to 32 letters, digits, - and _)", n)
	}
}
