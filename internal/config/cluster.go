package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"moip/internal/bus"
	"moip/internal/config/tomlfile"
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

	// SecretFile is a file whose first token the servers inside the gateways of a hub show
	// each other, relative to the configuration file: the same in all. Without one, Listen
	// must be an address of the loopback. Default none.
	SecretFile string `toml:"secret_file"`

	// Prefix is the word, or words with dots between, with which all subjects of the hub
	// begin, so that several can share a NATS. Default moip.
	Prefix string `toml:"prefix"`

	// Spool is the file in which what happens waits while the bus is down, relative to the
	// working directory, or "none". It is there only then. Default cluster.spool, beside
	// the history. Config.SpoolFile has the answer.
	Spool string `toml:"spool"`

	// SpoolSize is how much it holds, in megabytes, 1 to 1024. What happens after that is
	// counted. Default 16.
	SpoolSize int `toml:"spool_size"`

	// Credentials is the file by which the servers at URL know this gateway: a JWT and its
	// key, as nsc makes them. It, NKey, User and TokenFile exclude each other. All files
	// are relative to the configuration file, and read anew for each connection. Default
	// none.
	Credentials string `toml:"credentials"`

	// NKey is a file with the seed of an NKey for the same. Default none.
	NKey string `toml:"nkey"`

	// User is a name for the same, whose password is the first line of PasswordFile.
	// Default none.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`

	// TokenFile is a file whose first line is a token for the same. Default none.
	TokenFile string `toml:"token_file"`

	// CA is a file of authorities, in PEM, by which NATS servers are known, relative to
	// the configuration file. With it there is no connection without TLS. Default the
	// system's; with Listen none, and no TLS.
	CA string `toml:"ca"`

	// Cert and Key are files, in PEM, of what this gateway shows of itself to NATS servers,
	// relative to the configuration file. With Listen they need CA, and other gateways
	// must show theirs. Default none; Key in the file of Cert.
	Cert string `toml:"cert"`
	Key  string `toml:"key"`

	// Records is the stream of JetStream to which the records of calls are brought from the
	// history: 1 to 64 letters, digits, - and _. It is made if it is not there. The servers
	// at URL must have JetStream. Default none.
	Records string `toml:"records"`
}

// KeyFile returns where the key of Cert is.
func (c Cluster) KeyFile() string { return cmp.Or(c.Key, c.Cert) }

// resolve makes paths that are relative to the file relative to the working directory.
func (c *Cluster) resolve(file *tomlfile.File) {
	for _, path := range []*string{&c.SecretFile, &c.Credentials, &c.NKey, &c.PasswordFile, &c.TokenFile, &c.CA, &c.Cert, &c.Key} {
		*path = file.Path(*path)
	}
}

// Clustered reports whether the gateway is one of a hub of several.
func (c *Config) Clustered() bool { return len(c.Cluster.URL) > 0 || c.Cluster.Listen != "" }

// SpoolFile returns where what happens waits while the bus is down, "" for nowhere, and how
// many bytes that may be.
func (c *Config) SpoolFile() (path string, size int64) {
	size = int64(c.Cluster.SpoolSize) * megabyte
	switch c.Cluster.Spool {
	case "none":
		return "", size
	case "":
		history, _ := c.HistoryFile()
		return filepath.Join(filepath.Dir(history), defaultSpool), size
	}
	return c.Cluster.Spool, size
}

const defaultSpool = "cluster.spool"

// ClusterInClear reports whether what gateways tell each other can be read on the way:
// some of it leaves this machine, and there is no TLS.
func (c *Config) ClusterInClear() bool {
	cl := c.Cluster
	if cl.Listen != "" {
		host, _, _ := net.SplitHostPort(cl.Listen)
		return cl.Cert == "" && !isLoopback(host)
	}
	return cl.CA == "" && slices.ContainsFunc(cl.URL, func(server string) bool {
		u, err := url.Parse(server)
		return err == nil && u.Scheme != "tls" && !isLoopback(u.Hostname())
	})
}

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
	maxNode    = 32
	maxServers = 16
	maxRoutes  = 256
	maxPrefix  = 64

	maxHubCalls = 100_000_000
)

func (c *Config) checkCluster(fault report) {
	if n := c.Cluster.MaxCalls; n < 0 || n > maxHubCalls {
		fault("cluster.max_calls", "%d is out of range (1 to %d, or 0 for no limit)", n, maxHubCalls)
	}
	cl := &c.Cluster
	if n := cl.Node; n != "" && (!bus.IsWord(n) || len(n) > maxNode) {
		fault("cluster.node", "%.60q is no name for a gateway (1 to 32 letters, digits, - and _)", n)
	}
	for word := range strings.SplitSeq(cl.Prefix, ".") {
		if !bus.IsWord(word) || len(cl.Prefix) > maxPrefix {
			fault("cluster.prefix", "%.70q is none for subjects (write words of letters, digits, - and _, as in moip or hubs.west)", cl.Prefix)
			break
		}
	}
	if cl.Spool != "" && cl.Spool != "none" && slices.Contains([]string{c.Log, c.Records, c.History.File}, cl.Spool) {
		fault("cluster.spool", "%.60q is the log, the file of visits or the history (name another)", cl.Spool)
	}
	if cl.SpoolSize < 1 || cl.SpoolSize > 1024 {
		fault("cluster.spool_size", "%d is out of range (1 to 1024, in megabytes)", cl.SpoolSize)
	}
	if len(cl.URL) > 0 && cl.Listen != "" {
		fault("cluster.listen", "there is a NATS to use already (leave out either url or listen)")
		return
	}
	cl.checkURLs(fault)
	cl.checkInside(fault)
	cl.checkLogin(fault)
	c.checkShipping(fault)
	if cl.Key != "" && cl.Cert == "" {
		fault("cluster.key", "has no certificate (name it: cert)")
	}
}

func (c *Cluster) checkURLs(fault report) {
	if len(c.URL) > maxServers {
		fault("cluster.url", "%d are too many (16 at most; servers tell of the rest)", len(c.URL))
	}
	for _, server := range c.URL {
		u, err := url.Parse(server)
		switch {
		case err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || strings.Contains(server, ","):
			// Not which it is: there may be a password in it.
			fault("cluster.url", "is not that of a NATS server (write nats://host:4222, or tls://host:4222)")
		case u.User != nil:
			fault("cluster.url", "has a secret in it, which others could see (write user, and its password in password_file; or token_file)")
		}
	}
}

func (c *Cluster) checkInside(fault report) {
	if c.Listen == "" {
		for key, set := range map[string]bool{"routes": len(c.Routes) > 0, "secret_file": c.SecretFile != ""} {
			if set {
				fault("cluster."+key, "is for a NATS server inside (say where it listens: listen = \"192.0.2.1:6222\")")
			}
		}
		return
	}
	if err := checkPlace(c.Listen, true); err != nil {
		fault("cluster.listen", "%v", err)
	} else if host, _, _ := net.SplitHostPort(c.Listen); c.SecretFile == "" && !isLoopback(host) {
		fault("cluster.listen", "%.60q can be reached from elsewhere, and anybody could be a gateway (name a file with a token that all gateways of the hub have, secret_file; make one with openssl rand -hex 24)", c.Listen)
	}
	if len(c.Routes) > maxRoutes {
		fault("cluster.routes", "%d are too many (256 at most; servers tell each other of the rest)", len(c.Routes))
	}
	for _, route := range c.Routes {
		if err := checkPlace(route, false); err != nil {
			fault("cluster.routes", "%v", err)
		}
	}
	if (c.Cert == "") != (c.CA == "") {
		fault("cluster.cert", "gateways show each other certificates (name cert and ca, or neither)")
	}
}

// checkPlace says what is wrong with host:port. Where somebody listens, any host will do.
func checkPlace(place string, listen bool) error {
	host, port, err := net.SplitHostPort(place)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 && !listen || host == "" && !listen || strings.ContainsAny(host, "/@ ") {
		return fmt.Errorf("%.60q is no address (write host:port, as in 192.0.2.1:6222)", place)
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (c *Cluster) checkLogin(fault report) {
	var keys []string
	for _, key := range []struct{ name, value string }{
		{"credentials", c.Credentials}, {"nkey", c.NKey}, {"user", c.User}, {"token_file", c.TokenFile},
	} {
		if key.value != "" {
			keys = append(keys, key.name)
		}
	}
	switch {
	case len(keys) > 0 && len(c.URL) == 0:
		fault("cluster."+keys[0], "is for a NATS that runs elsewhere (say where: url)")
	case len(keys) > 1:
		fault("cluster."+keys[1], "there is %s already (leave out one)", keys[0])
	case (c.User == "") != (c.PasswordFile == ""):
		fault("cluster.user", "needs a password, and a password a user (write both user and password_file)")
	}
}
