// Package config is what a gateway is told: by a file, and by flags over it.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"moip/internal/config/tomlfile"
	"moip/internal/downstream"
	"moip/internal/proxied"
	"moip/internal/recording"
)

// A Config is the content of a configuration file, moip.toml. Its comments are
// the reference of the keys; doc/moip.example.toml shows them all.
type Config struct {
	// Listen says where callers arrive: 1 to 64 of ws://host:port,
	// telnet://host:port and tcp://host:port, or with TLS wss, telnets and tcps, for
	// which there must be a certificate in TLS. No host means all addresses, port
	// 0 any free one. With ?speed=1200, or 300, 4800, 9600, they see pages drawn
	// as on a line of so many bit/s; with ?record=none, asked or all, that holds for
	// their calls instead of Recordings.Calls; with ?proxy=on, the Proxies trusted begin
	// each connection with a header of the PROXY protocol, version 1 or 2. serial:///dev/ttyUSB0 is a Minitel at
	// that port, which ?speed=4800 raises to that speed; see doc/minitel-serial.md.
	// Default ws://:9001 and telnet://:9000.
	Listen []string `toml:"listen"`

	// Directory is the file, or the folder of files, of the services that
	// callers of the built-in portal reach by their codes, relative to the
	// configuration file. Default the directory inside.
	Directory string `toml:"directory"`

	// Cache is the folder for copies of directories that are imported from the
	// web, relative to the configuration file, or "none". Default a folder moip
	// in the user's own for such.
	Cache string `toml:"cache"`

	// Pages is the folder of .vdt files that the service PAGES shows, relative
	// to the configuration file. Default some pages inside.
	Pages string `toml:"pages"`

	// Records is the file to which each visit to a service adds a line of JSON,
	// relative to the working directory, or "none". Default visits.jsonl.
	Records string `toml:"records"`

	// Log is the log file, relative to the working directory, or "none".
	// Default server.log.
	Log string `toml:"log"`

	// LogSize is the size at which a new log file is begun, in megabytes, 1 to
	// 1024. Default 10.
	LogSize int `toml:"log_size"`

	// LogKeep is how many old log files are kept, 1 to 100. Default 5.
	LogKeep int `toml:"log_keep"`

	// LogLevel is the least that is logged: debug, info, warn or error. Default
	// info.
	LogLevel Level `toml:"log_level"`

	// Link is the control link to the portal, a ws or wss URL, or "none".
	// Default ws://localhost:8764 with a portal of one's own, none with the
	// built-in one and with recordings for a portal. LinkURL has the answer. With "nats"
	// the portal is on the bus of the hub instead, which takes URL in Cluster.
	Link string `toml:"link"`

	// LinkTokenFile is a file whose first token the control link shows to the portal,
	// relative to the configuration file. It is read whenever the link is made. Default
	// none.
	LinkTokenFile string `toml:"link_token_file"`

	// LinkCA is a file of PEM certificates to trust instead of the system's, for a wss
	// link, relative to the configuration file.
	LinkCA string `toml:"link_ca"`

	// Admin is where operators reach the gateway: an address with a port, or "none".
	// With https:// before it they come by TLS, for which there must be a certificate in
	// TLS. At one that is not of the loopback, operators need a token, and TLS is needed
	// or AdminPlain. Default 127.0.0.1:8999, and if that is taken none. AdminAddress has
	// the answer.
	Admin string `toml:"admin"`

	// AdminTokenFile is a file of tokens, one a line, relative to the configuration file.
	// With it, nobody asks or orders anything without one of them, from this machine
	// either. It is read anew with the configuration. Default none.
	AdminTokenFile string `toml:"admin_token_file"`

	// AdminLookTokenFile is the same for those who may only look.
	AdminLookTokenFile string `toml:"admin_look_token_file"`

	// AdminHosts are the names, and addresses where they are others than the machine's
	// own, by which operators call this machine. Others are refused. Default none, but
	// localhost is always one.
	AdminHosts []string `toml:"admin_hosts"`

	// AdminPlain has operators come from elsewhere without TLS: there is a VPN, or a proxy
	// that has TLS. Default false.
	AdminPlain bool `toml:"admin_plain"`

	// Portal is the service that callers reach first. Its URL is "builtin" for
	// the portal inside, which needs no other key. Default builtin.
	Portal Route `toml:"portal"`

	Recordings Recordings `toml:"recordings"`

	Proxies Proxies `toml:"proxies"`

	Bans Bans `toml:"bans"`

	TLS TLS `toml:"tls"`

	Redirect Redirect `toml:"redirect"`

	Shield Shield `toml:"shield"`

	History History `toml:"history"`

	Cluster Cluster `toml:"cluster"`

	Limits Limits `toml:"limits"`
}

// Limits bound calls, in time and in number. Each is 0 for none. A time is from 100ms to
// the longest named, and a number up to 1000000. A household is an IPv4 address or an IPv6
// /64, a network an IPv4 /24 or an IPv6 /48. Of those in never in [bans], only what is in
// all is bounded, and the keys of a caller.
type Limits struct {
	// Idle ends a call without a key for so long. Default 10m, up to 24h.
	Idle Duration `toml:"idle"`

	// Visit ends a visit to a service, and takes the caller back to the portal.
	// Default 60m, up to 168h.
	Visit Duration `toml:"visit"`

	// Call ends a call. Default 2h, up to 168h.
	Call Duration `toml:"call"`

	// Dial is how long a service or the portal may take to accept a call, if
	// its route does not say. Default 10s, up to 5m.
	Dial Duration `toml:"dial"`

	// Wait is how long a caller waits for a portal that cannot be reached.
	// Default 5m, up to 24h.
	Wait Duration `toml:"wait"`

	// Stall ends a connection whose peer takes nothing of what waits for it.
	// Default 60s, up to 1h.
	Stall Duration `toml:"stall"`

	// Drain is how long a caller may take to receive the farewell. Default 5s,
	// up to 5m.
	Drain Duration `toml:"drain"`

	// Ping is the silence after which a WebSocket caller is pinged; two more of
	// them without an answer end the call. Default 20s, up to 1h.
	Ping Duration `toml:"ping"`

	// MaxCalls is how many calls there may be at a time. "auto" is as many as the files
	// allow that the process may have open, up to 100000. Default auto.
	MaxCalls Count `toml:"max_calls"`

	// HouseholdCalls is how many of them may be of a household. Default 100.
	HouseholdCalls int `toml:"household_calls"`

	// NetworkCalls is how many of them may be of a network. Default 400.
	NetworkCalls int `toml:"network_calls"`

	// NewCalls is how many calls may begin in a second, and five times as many at once.
	// Default 200.
	NewCalls int `toml:"new_calls"`

	// HouseholdNewCalls is how many of them may be of a household. Default 20.
	HouseholdNewCalls int `toml:"household_new_calls"`

	// Arriving is how many connections there may be at a time that are no calls yet, as
	// of browsers that load a page. "auto" goes by open files, as with MaxCalls; it is up
	// to 4096. Default auto.
	Arriving Count `toml:"arriving"`

	// HouseholdArriving is how many of them may be of a household. Default 100.
	HouseholdArriving int `toml:"household_arriving"`

	// Keys is how many bytes in a second a caller is heard at, 75 at the least; eight
	// times as many may come at once. What comes faster waits. Default 500.
	Keys int `toml:"keys"`
}

// Default returns the configuration of a gateway that was told nothing.
func Default() *Config {
	return &Config{
		Listen:  []string{"ws://:9001", "telnet://:9000"},
		Records: "visits.jsonl",
		Log:     "server.log",
		LogSize: 10,
		LogKeep: 5,
		Portal:  Route{URL: "builtin"},
		Recordings: Recordings{
			Calls:    downstream.RecordAsked,
			Keys:     recording.KeysShown,
			Keep:     Duration(720 * time.Hour),
			FileSize: 16,
			Size:     1024,
		},
		Proxies:  Proxies{Trust: []string{}, Header: proxied.HeaderNone},
		Bans:     defaultBans(),
		Shield:   defaultShield(),
		TLS:      defaultTLS(),
		Redirect: Redirect{Allow: []string{"*"}, Deny: []string{}},
		Cluster:  Cluster{URL: []string{}, Routes: []string{}, Prefix: "moip", SpoolSize: 16},
		History:  History{Keep: Duration(2160 * time.Hour), Calls: 1_000_000},
		Limits: Limits{
			Idle:  Duration(10 * time.Minute),
			Visit: Duration(60 * time.Minute),
			Call:  Duration(2 * time.Hour),
			Dial:  Duration(10 * time.Second),
			Wait:  Duration(5 * time.Minute),
			Stall: Duration(60 * time.Second),
			Drain: Duration(5 * time.Second),
			Ping:  Duration(20 * time.Second),

			MaxCalls:          CountAuto,
			HouseholdCalls:    100,
			NetworkCalls:      400,
			NewCalls:          200,
			HouseholdNewCalls: 20,
			Arriving:          CountAuto,
			HouseholdArriving: 100,
			Keys:              500,
		},
	}
}

// Load reads the file at path over the defaults. Its errors, ten at most, are
// joined; each names the file and, where they are known, line and key. A value
// that cannot be read at all is told before the rest.
func Load(path string) (*Config, error) {
	data, err := tomlfile.Read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse is Load for data of the file called name.
func Parse(name string, data []byte) (*Config, error) {
	c := Default()
	file, err := tomlfile.Decode(name, data, c)
	if err != nil {
		return nil, err
	}
	c.check(file.Fault)
	if err := file.Err(); err != nil {
		return nil, err
	}
	c.Directory, c.Pages = file.Path(c.Directory), file.Path(c.Pages)
	if c.Cache != "none" {
		c.Cache = file.Path(c.Cache)
	}
	c.AdminTokenFile, c.AdminLookTokenFile = file.Path(c.AdminTokenFile), file.Path(c.AdminLookTokenFile)
	c.LinkTokenFile, c.LinkCA = file.Path(c.LinkTokenFile), file.Path(c.LinkCA)
	c.Portal.CA = file.Path(c.Portal.CA)
	c.Portal.URL = recording.ResolveRoute(c.Portal.URL, file.Path)
	c.Recordings.Folder = file.Path(c.Recordings.Folder)
	c.TLS.resolve(file)
	c.Cluster.resolve(file)
	return c, nil
}

// Validate checks a configuration that flags have changed. Its errors are
// joined, and name the keys.
func (c *Config) Validate() error {
	var all []error
	c.check(func(key, format string, args ...any) {
		all = append(all, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	})
	return errors.Join(all...)
}

// Builtin reports whether the portal is the one inside.
func (c *Config) Builtin() bool { return c.Portal.URL == "" || c.Portal.URL == "builtin" }

// LinkURL returns where the control link goes, "" if there is none.
func (c *Config) LinkURL() string {
	switch {
	case c.Link == "none", c.LinkOnBus(), c.Link == "" && (c.Builtin() || recording.IsRoute(c.Portal.URL)):
		return ""
	case c.Link == "":
		return "ws://localhost:8764"
	}
	return c.Link
}

// LinkOnBus reports whether the portal is told of calls, and steers them, over the bus of
// the hub.
func (c *Config) LinkOnBus() bool { return c.Link == "nats" }

// LogFile returns the log file, "" if there is none.
func (c *Config) LogFile() string {
	if c.Log == "none" {
		return ""
	}
	return c.Log
}

// RecordsFile returns the file of records, "" if there is none.
func (c *Config) RecordsFile() string {
	if c.Records == "none" {
		return ""
	}
	return c.Records
}

// A report notes that something is wrong with the value of a key.
type report = func(key, format string, args ...any)

func (c *Config) check(fault report) {
	c.checkListen(fault)
	c.checkLog(fault)
	portal := func(key, format string, args ...any) { fault("portal."+key, format, args...) }
	if c.Builtin() {
		c.Portal.checkOptions(portal)
	} else {
		c.Portal.Check(portal)
	}
	c.checkLink(fault)
	c.checkRecordings(fault)
	c.checkAdmin(fault)
	c.checkProxies(fault)
	c.Bans.check(fault)
	c.checkTLS(fault)
	c.Redirect.check(fault)
	c.Shield.check(fault)
	c.checkHistory(fault)
	c.checkCluster(fault)
	c.Limits.check(fault)
}

func (c *Config) checkListen(fault report) {
	if n := len(c.Listen); n < 1 || n > 64 {
		fault("listen", "%d are too few or too many (write 1 to 64, as in [\"ws://:9001\"])", n)
		return
	}
	seen := map[string]string{}
	for _, uri := range c.Listen {
		at, err := downstream.ParseAddress(uri)
		if err != nil {
			fault("listen", "%v", err)
			continue
		}
		// Whether two others can be had together, the kernel knows.
		place := net.JoinHostPort(at.Host, at.Port)
		if other, ok := seen[place]; ok && at.Port != "0" {
			fault("listen", "%q has the port of %q (give each its own)", uri, other)
		}
		seen[place] = uri
	}
}

func (c *Config) checkLog(fault report) {
	if c.Log == "" {
		fault("log", `must name a file (or be "none")`)
	}
	if c.Records == "" {
		fault("records", `must name a file (or be "none")`)
	}
	if c.LogSize < 1 || c.LogSize > 1024 {
		fault("log_size", "%d is out of range (1 to 1024, in megabytes)", c.LogSize)
	}
	if c.LogKeep < 1 || c.LogKeep > 100 {
		fault("log_keep", "%d is out of range (1 to 100)", c.LogKeep)
	}
}

func (c *Config) checkLink(fault report) {
	if c.LinkOnBus() {
		c.checkLinkOnBus(fault)
		return
	}
	link := c.LinkURL()
	if link == "" {
		return
	}
	if u, err := url.Parse(link); err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
		// Not which it is: there may be a password in it.
		fault("link", `is not a WebSocket URL (write ws://localhost:8764, or "none")`)
	} else if c.Builtin() || recording.IsRoute(c.Portal.URL) {
		fault("link", `the built-in portal has none, nor have recordings (set url in [portal], or link = "none")`)
	}
}

func (l *Limits) check(fault report) {
	for _, limit := range []struct {
		key  string
		d    Duration
		most time.Duration
	}{
		{"idle", l.Idle, 24 * time.Hour},
		{"visit", l.Visit, 168 * time.Hour},
		{"call", l.Call, 168 * time.Hour},
		{"dial", l.Dial, maxDial},
		{"wait", l.Wait, 24 * time.Hour},
		{"stall", l.Stall, time.Hour},
		{"drain", l.Drain, 5 * time.Minute},
		{"ping", l.Ping, time.Hour},
	} {
		limit.d.check(fault, "limits."+limit.key, limit.most)
	}
	l.checkNumbers(fault)
}

// CacheFolder returns where copies of imported directories are kept, "" for nowhere.
func (c *Config) CacheFolder() string {
	switch c.Cache {
	case "none":
		return ""
	case "":
		own, err := os.UserCacheDir()
		if err != nil { // a service without a home
			return ""
		}
		return filepath.Join(own, "moip")
	}
	return c.Cache
}
