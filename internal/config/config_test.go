package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const example = "../../doc/moip.example.toml"

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	c, err := Parse("moip.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), c); diff != "" {
		t.Errorf("an empty file: %s", diff)
	}
}

// The example shows the defaults.
func TestExample(t *testing.T) {
	c, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	want := Default() // in other words
	want.Portal.Frames, want.Portal.Fin, want.Portal.Case, want.Portal.RealIP = "auto", "49", "typed", "none"
	if diff := cmp.Diff(want, c, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Default().Portal.Session(""), c.Portal.Session(""), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// The keys that the example shows as comments are valid too.
func TestExampleWithoutComments(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^# ([a-z_]+) = `)
	taken := regexp.MustCompile(`(?m)^(url|subprotocols|allow|deny) = .*\n`) // shown in both ways
	text := shown.ReplaceAllString(taken.ReplaceAllString(string(data), ""), "$1 = ")
	c, err := Parse(example, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Directory = "../../doc/services.toml"
	want.Cache, want.Pages = "../../doc/cache", "../../doc/pages"
	want.Recordings.Folder = "../../doc/recordings"
	want.Link, want.Admin = "ws://localhost:8764", DefaultAdmin
	want.LinkTokenFile, want.LinkCA = "../../doc/link.token", "../../doc/link.pem"
	want.AdminTokenFile, want.AdminLookTokenFile = "../../doc/admin.token", "../../doc/look.token"
	want.AdminHosts = []string{"hub.example"}
	want.History.File = defaultHistory
	want.Cluster.Node, want.Cluster.Spool = "paris", defaultSpool
	want.TLS.Cert, want.TLS.Key = []string{"../../doc/fullchain.pem"}, []string{"../../doc/privkey.pem"}
	want.TLS.ClientCA, want.TLS.AdminClientCA = "../../doc/callers.pem", "../../doc/operators.pem"
	want.TLS.ACME, want.TLS.ACMEEmail, want.TLS.ACMECARoot = []string{"minitel.example.org"}, "sysop@example.org", "../../doc/our-ca.pem"
	want.Redirect = Redirect{
		Allow: []string{"directory", "wss://*.example.org", "telnet://192.0.2.0/24:23-2323"}, Deny: []string{"local", "*:22", "*:25"},
	}
	want.Portal = Route{
		URL:          "ws://localhost:8765",
		Subprotocols: []string{"binary", "tty"},
		Frames:       "auto",
		Fin:          "49",
		Origin:       "https://example.org",
		CA:           "../../doc/portal.pem",
		Start:        "GUEST<Envoi>",
		Case:         "typed",
		RealIP:       "none",
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

// Every key is in the example, under its table.
func TestExampleIsComplete(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	header := regexp.MustCompile(`(?m)^\[([a-z_]+)\]$`)
	tables := map[string]string{}
	parts := header.Split(string(data), -1)
	tables[""] = parts[0]
	for i, found := range header.FindAllStringSubmatch(string(data), -1) {
		tables[found[1]] = parts[i+1]
	}
	var visit func(table string, of reflect.Type)
	visit = func(table string, of reflect.Type) {
		for f := range of.Fields() {
			key := f.Tag.Get("toml")
			if key == "" {
				t.Errorf("%s has no key", f.Name)
			}
			if f.Type.Kind() == reflect.Struct {
				visit(key, f.Type)
			} else if !regexp.MustCompile(`(?m)^(# )?` + key + ` = `).MatchString(tables[table]) {
				t.Errorf("[%s] lacks %s", table, key)
			}
		}
	}
	visit("", reflect.TypeFor[Config]())
}

func TestParse(t *testing.T) {
	c, err := Parse("/etc/moip/moip.toml", []byte(`
		listen = ["tcp://127.0.0.1:4000", "ws://[::1]:4000", "telnet://minitel.example:4000/"]
		directory = "services.toml"
		log = "none"
		log_size = 1
		log_keep = 100
		log_level = "debug"
		link = "wss://portal.example:8764/link"
		[portal]
		url = "wss://portal.example/ws"
		ping = "1m30s"
		subprotocols = ["tty"]
		frames = "binary"
		fin = 59
		dial_timeout = "3s"
		origin = "http://portal.example:8080"
		ca = "/etc/ssl/portal.pem"
		start = "Réseau<envoi><<>"
		echo = true
		case = "upper"
		real_ip = "x-forwarded-for"
		speed = 1200
		[limits]
		max_calls = 7
		arriving = "auto"
		keys = 0
		idle = 0
		visit = "none"
		stall = "0"
		drain = "100ms"`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen = []string{"tcp://127.0.0.1:4000", "ws://[::1]:4000", "telnet://minitel.example:4000/"}
	want.Directory = "/etc/moip/services.toml"
	want.Log, want.LogSize, want.LogKeep, want.LogLevel = "none", 1, 100, -4
	want.Link = "wss://portal.example:8764/link"
	want.Portal = Route{
		URL:          "wss://portal.example/ws",
		Ping:         Duration(90 * time.Second),
		Subprotocols: []string{"tty"},
		Frames:       "binary",
		Fin:          "59",
		DialTimeout:  Duration(3 * time.Second),
		Origin:       "http://portal.example:8080",
		CA:           "/etc/ssl/portal.pem",
		Start:        "Réseau<envoi><<>",
		Echo:         true,
		Case:         "upper",
		RealIP:       "x-forwarded-for",
		Speed:        1200,
	}
	want.Limits.MaxCalls, want.Limits.Keys = 7, 0
	want.Limits.Idle, want.Limits.Visit, want.Limits.Stall, want.Limits.Drain = 0, 0, 0, Duration(100*time.Millisecond)
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	route := session.Route{
		Name:         "portal",
		URL:          "wss://portal.example/ws",
		Ping:         90 * time.Second,
		Subprotocols: []string{"tty"},
		Frames:       session.FramesBinary,
		Fin:          session.FinModem,
		DialTimeout:  3 * time.Second,
		Origin:       "http://portal.example:8080",
		CA:           "/etc/ssl/portal.pem",
		Start:        "R\x19Beseau\x13A<",
		Echo:         true,
		Case:         session.CaseUpper,
		RealIP:       session.RealIPForwardedFor,
		Speed:        1200,
		Author:       session.AuthorOwner,
	}
	if diff := cmp.Diff(route, c.Portal.Session("portal")); diff != "" {
		t.Error(diff)
	}
	if name := c.Portal.Session("").Name; name != route.URL {
		t.Errorf("a route without a name is called %q", name)
	}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"log = none\n", `1: column 7: expected keyword "nan" (write text in quotes)`},
		{"[limits]\nidle = 10m\n", "2: column 10: strings must be quoted (write text in quotes)"},
		{"\n\n[limits\nidle = '10m'\n", "3: column 8: expected ']' to close table name"},
		{"lisen = ['ws://:9001']\n", "1: lisen: unknown key (did you mean listen?)"},
		{"[portal]\nlog_level = 'warn'\n", "2: portal.log_level: unknown key"},
		{"[limits]\ncalls = '2h'\n", "2: limits.calls: unknown key (did you mean limits.call?)"},
		{"[limits]\nsessions = 100\n", "2: limits.sessions: unknown key"},

		{"admin = ':8999'\n", `1: admin: ":8999" is reached from elsewhere, and from there operators need a token (write admin_token_file = "FILE" for one made with openssl rand -hex 24, or an address of this machine alone, as 127.0.0.1:8999)`},
		{"admin = '192.0.2.1:8999'\nadmin_plain = true", `1: admin: "192.0.2.1:8999" is reached from elsewhere, and from there operators need a token (write admin_token_file = "FILE" for one made with openssl rand -hex 24, or an address of this machine alone, as 127.0.0.1:8999)`},
		{"admin = 'https://:8999'\n[tls]\ncert = ['c.pem']\n", `1: admin: "https://:8999" is reached from elsewhere, and from there operators need a token (write admin_token_file = "FILE" for one made with openssl rand -hex 24, or an address of this machine alone, as 127.0.0.1:8999)`},
		{"admin = ':8999'\nadmin_token_file = 'f'\n", `1: admin: ":8999" has no TLS, so that tokens can be read on the way (write "https://:8999"; or admin_plain = true, where a VPN or a proxy with TLS is in between)`},
		{"admin_hosts = ['hub.example:8999']\n", `1: admin_hosts: "hub.example:8999" is neither a name nor an address of this machine (write hub.example, without a port)`},
		{"admin_hosts = ['']\n", `1: admin_hosts: "" is neither a name nor an address of this machine (write hub.example, without a port)`},
		{"admin = 'localhost:1'\n[tls]\nadmin_client_ca = 'o'\n", `3: tls.admin_client_ca: nobody at "localhost:1" is asked for a certificate, and everybody there may do everything (write admin = "https://localhost:1")`},
		{"admin_plain = 'yes'\n", `1: admin_plain: must be true or false (without quotes)`},
		{"[bans]\nfile = ''\n", `2: bans.file: must name a file (or be "none")`},
		{"[bans]\nnever = ['::1', 'me']\n", `2: bans.never: "me" is neither an address nor a network (write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64)`},
		{"[shield]\nmode = 'maybe'\n", `2: shield.mode: "maybe" is unknown (use on, observe or off)`},
		{"[shield]\nhalf_life = '0'\n", "2: shield.half_life: 0s is out of range (1m to 168h)"},
		{"[shield]\nslow_at = 20\n", "2: shield.slow_at: 20 is out of range (25 to 1000000)"},
		{"[shield]\nban_at = 50\n", "2: shield.ban_at: 50 is out of range (more than slow_at, which is 50, to 1000000)"},
		{"[shield]\nfile = ''\n", `2: shield.file: must name a file (or be "none")`},
		{"[bans]\nnever = '::1'\n", `2: bans.never: must be a list of strings (write ["..."])`},
		{"[proxies]\nheader = 'x-client-ip'\n", `2: proxies.header: "x-client-ip" is unknown (use x-forwarded-for, forwarded, x-real-ip or none)`},
		{"[proxies]\nheader = 'x-real-ip'\n", `2: proxies.header: x-real-ip is believed from nobody (write trust = ["127.0.0.1"], with the addresses of your proxies)`},
		{"[proxies]\ntrust = ['::1', 'me']\nheader = 'forwarded'\n", `2: proxies.trust: "me" is neither an address nor a network (write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64)`},
		{"[proxies]\ntrust = ['::1']\n", `2: proxies.trust: those proxies are not asked (write header = "x-forwarded-for", or what they set, or ?proxy=on behind an address of listen)`},
		{"[proxies]\nheader = 'forwarded'\ntrust = [" + strings.Repeat("'::1',", 257) + "]\n", "3: proxies.trust: 257 are too many (256 at most; write networks)"},
		{"listen = ['tcp://:1?proxy=on']\n", `1: listen: "tcp://:1?proxy=on" expects proxies, and none is trusted (write trust = ["127.0.0.1"] in [proxies], with the addresses of yours)`},
		{"listen = ['tcp://:1?proxy=1']\n", `1: listen: proxy is "1" (use on or off)`},
		{"admin = '8999'\n", `1: admin: "8999" is not an address with a port (write 127.0.0.1:8999, or none)`},
		{"listen = 'ws://:9001'\n", `1: listen: must be a list of strings (write ["..."])`},
		{"listen = []\n", `1: listen: 0 are too few or too many (write 1 to 64, as in ["ws://:9001"])`},
		{"listen = ['9001']\n", `1: listen: "9001" is not a URI (write ws://:9001, or ws://[::1]:9001)`},
		{"listen = ['localhost:9001']\n", `1: listen: "localhost:9001" is not a URI (write ws://:9001, or ws://[::1]:9001)`},
		{"listen = [\n'ws://:9001',\n'wss://:9002']\n", `1: listen: "wss://:9002" needs a certificate (name its files, cert and key in [tls], or names to ask an authority for, acme)`},
		{"admin = 'https://127.0.0.1:1'\n", `1: admin: "https://127.0.0.1:1" needs a certificate (name its files, cert and key in [tls], or names to ask an authority for, acme)`},
		{"[tls]\ncert = 'a.pem'\n", `2: tls.cert: must be a list of strings (write ["..."])`},
		{"[tls]\ncert = ['a.pem']\nkey = ['a.key', 'b.key']\n", `3: tls.key: there are 2 for 1 certificates (name one for each, or none if the keys are in the same files)`},
		{"[tls]\ncert = ['']\n", `2: tls.cert: must name files`},
		{"[tls]\nclient_auth = 'none'\n", `2: tls.client_auth: "none" is unknown (use required or optional)`},
		{"[tls]\nacme = ['*.example.org']\n", `2: tls.acme: "*.example.org" is not a name that can be had (write minitel.example.org, without a port or a star)`},
		{"[tls]\nacme = ['minitel.example.org:443']\n", `2: tls.acme: "minitel.example.org:443" is not a name that can be had (write minitel.example.org, without a port or a star)`},
		{"[tls]\nacme_email = 'sysop'\n", `2: tls.acme_email: "sysop" is not an address of e-mail (write sysop@example.org)`},
		{"[tls]\nacme_ca = 'http://ca'\n", `2: tls.acme_ca: "http://ca" is not the URL of a directory (write https://acme-v02.api.letsencrypt.org/directory)`},
		{"[tls]\nacme_folder = ''\n", `2: tls.acme_folder: must name a folder`},
		{"[tls]\nacme_challenge = 'dns-01'\n", `2: tls.acme_challenge: "dns-01" is unknown (use any, http-01 or tls-alpn-01)`},
		{"listen = ['serial:///dev/ttyUSB0?speed=110']\n", `1: listen: "110" is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)`},
		{"listen = ['serial://COM3', 'serial:COM3']\n", `1: listen: "serial:COM3" has the port of "serial://COM3" (give each its own)`},
		{"listen = ['ws://9001']\n", `1: listen: "ws://9001" has no port from 0 to 65535 (write ws://:9001)`},
		{"listen = ['ws://::1:9001']\n", `1: listen: "ws://::1:9001" is not a host and a port alone (write ws://[::1]:9001, perhaps with ?speed=1200)`},
		{"listen = ['ws://:9001/path']\n", `1: listen: "ws://:9001/path" is not a host and a port alone (write ws://:9001, perhaps with ?speed=1200)`},
		{"listen = ['ws://:9001?speed=110']\n", `1: listen: "110" is not a speed in bit/s (use 300, 1200, 4800, 9600, or 0 for none)`},
		{"listen = ['ws://:65536']\n", `1: listen: "ws://:65536" has no port from 0 to 65535 (write ws://:9001)`},
		{"listen = ['ws://né:9001']\n", `1: listen: "né" is not a host (write 127.0.0.1, [::1], a name, or none for all addresses)`},
		{"listen = ['ws://127.0.0.1:9001', 'ws://:9001',\n'telnet://127.0.0.1:9001']\n", `1: listen: "telnet://127.0.0.1:9001" has the port of "ws://127.0.0.1:9001" (give each its own)`},

		{"log = ''\n", `1: log: must name a file (or be "none")`},
		{"log_size = '10'\n", "1: log_size: must be a whole number (write digits, without quotes)"},
		{"log_size = 0\n", "1: log_size: 0 is out of range (1 to 1024, in megabytes)"},
		{"[cluster]\nspool_size = 0\n", "2: cluster.spool_size: 0 is out of range (1 to 1024, in megabytes)"},
		{"log = 'moip.log'\n[cluster]\nspool = 'moip.log'\n", `3: cluster.spool: "moip.log" is the log, the file of visits or the history (name another)`},
		{"log_keep = 101\n", "1: log_keep: 101 is out of range (1 to 100)"},
		{"log_level = 'verbose'\n", `1: log_level: "verbose" is unknown (use debug, info, warn or error)`},
		{"log_level = 0\n", `1: log_level: "0" is unknown (use debug, info, warn or error)`},

		{"link = 'ws://localhost:8764'\n", `1: link: the built-in portal has none, nor have recordings (set url in [portal], or link = "none")`},
		{"link = 'telnet://localhost:8764'\nportal.url = 'ws://x'\n", `1: link: is not a WebSocket URL (write ws://localhost:8764, or "none")`},
		{"link = 'ws:8764'\nportal.url = 'ws://x'\n", `1: link: is not a WebSocket URL (write ws://localhost:8764, or "none")`},

		{"[portal]\nurl = 8765\n", "2: portal.url: must be a string (write it in quotes)"},
		{"[portal]\nurl = 'htp://x'\n", "2: portal.url: " + upstream.Check(session.Route{URL: "htp://x"}).Error()},
		{"[portal]\nurl = 'ws://x'\nping = '5ms'\n", "3: portal.ping: 5ms is out of range (100ms to 24h, or 0 for none)"},
		{"[portal]\nurl = 'ws://x'\ndial_timeout = '1h'\n", "3: portal.dial_timeout: 1h is out of range (100ms to 5m, or 0 for none)"},
		{"[portal]\nurl = 'ws://x'\nsubprotocols = ['a b']\n", `3: portal.subprotocols: "a b" is not a subprotocol (write it in ASCII without blanks, as in "tty")`},
		{"[portal]\nurl = 'ws://x'\nsubprotocols = ['']\n", `3: portal.subprotocols: "" is not a subprotocol (write it in ASCII without blanks, as in "tty")`},
		{"[portal]\nurl = 'ws://x'\nsubprotocols = ['tty', 'tty']\n", `3: portal.subprotocols: "tty" is there twice (offer it once)`},
		{"[portal]\nurl = 'ws://x'\nsubprotocols = ['1', '2', '3', '4', '5', '6', '7', '8', '9']\n", "3: portal.subprotocols: 9 are too many (offer 8 at most)"},
		{"[portal]\nframes = 'both'\n", `2: portal.frames: "both" is unknown (use auto, text or binary)`},
		{"[portal]\nframes = 3\n", "2: portal.frames: must be a string (write it in quotes)"},
		{"[portal]\nfin = 69\n", `2: portal.fin: "69" is unknown (use 49, 59 or close)`},
		{"[portal]\nfin = 'none'\n", `2: portal.fin: "none" is unknown (use 49, 59 or close)`},
		{"[portal]\nurl = 'ws://x'\norigin = 'example.org'\n", `3: portal.origin: "example.org" is not an origin (write https://example.org)`},
		{"[portal]\nurl = 'ws://x'\norigin = \"http://x\\r\\n\"\n", `3: portal.origin: "http://x\r\n" is not an origin (write https://example.org)`},
		{"[portal]\nstart = 'GUEST<Home>'\n", `2: portal.start: there is no key "Home" (there are <Envoi> <Retour> <Répétition> <Repetition> <Guide> <Annulation> <Sommaire> <Correction> <Suite> <Connexion/Fin> <Fin> <CR> <ESC> <<>)`},
		{"[portal]\nstart = \"GUEST\\r\"\n", `2: portal.start: there is no key for '\r'`},
		{"[portal]\nstart = '" + strings.Repeat("é", 86) + "'\n", "2: portal.start: is 258 bytes long as it is sent (256 are the most)"},
		{"[portal]\ncase = 'UPPER'\n", `2: portal.case: "UPPER" is unknown (use typed, upper or lower)`},
		{"[portal]\nreal_ip = 'proxy2'\n", `2: portal.real_ip: "proxy2" is unknown (use none, x-forwarded-for, forwarded, proxy-v1, proxy-v2 or send-location)`},
		{"[portal]\nurl = 'tcp:host:23'\nreal_ip = 'x-forwarded-for'\n", "3: portal.real_ip: only a WebSocket has headers (use proxy-v1, proxy-v2 or none, or a ws or wss URL)"},
		{"[portal]\nurl = 'telnet://host'\nreal_ip = 'forwarded'\n", "3: portal.real_ip: only a WebSocket has headers (use proxy-v1, proxy-v2 or none, or a ws or wss URL)"},
		{"[portal]\nurl = 'ws://host'\nreal_ip = 'send-location'\n", "3: portal.real_ip: only telnet has that option (use proxy-v1, proxy-v2 or none, or a telnet URL)"},
		{"[portal]\necho = 'yes'\n", "2: portal.echo: must be true or false (without quotes)"},
		{"[portal]\necho = 1\n", "2: portal.echo: must be true or false (without quotes)"},

		{"[portal]\nurl = 'replay:'\n", "2: portal.url: names no file (write replay:call.cast, or a folder)"},
		{"[portal]\nurl = 'replay:a?speed=2'\n", `2: portal.url: "2" is no speed (use 0.1x to 1000x, 300, 1200, 4800, 9600 or max)`},
		{"[portal]\nrecord = true\n", `2: portal.record: needs a folder (write folder = "recordings" in [recordings])`},
		{"link = 'ws://x'\nportal.url = 'replay:a'\n", `1: link: the built-in portal has none, nor have recordings (set url in [portal], or link = "none")`},

		{"recordings = 'folder'\n", "1: recordings: must be a table (write [recordings], and its keys below)"},
		{"[recordings]\ncalls = 'some'\n", `2: recordings.calls: "some" is unknown (use none, asked or all)`},
		{"[recordings]\ncalls = 'all'\n", `2: recordings.calls: needs a folder (write folder = "recordings" in [recordings])`},
		{"listen = ['ws://:1?record=some']\n", `1: listen: "some" is unknown (use none, asked or all)`},
		{"listen = ['ws://:1?record=asked']\n", `1: listen: "ws://:1?record=asked" needs a folder (write folder = "recordings" in [recordings])`},
		{"[recordings]\nkeys = 'some'\n", `2: recordings.keys: "some" is unknown (use all, shown or none)`},
		{"[recordings]\nkeep = '30m'\n", "2: recordings.keep: 30m is out of range (1h to 87600h, or 0 for ever)"},
		{"[recordings]\nfile_size = 0\n", "2: recordings.file_size: 0 is out of range (1 to 1024, in megabytes)"},
		{"[recordings]\nsize = -1\n", "2: recordings.size: -1 is out of range (1 to 1048576, in megabytes, or 0 for no bound)"},

		{"[limits]\nidle = '10x'\n", `2: limits.idle: "10x" is not a duration (write 10m, 90s, or 0 for none)`},
		{"[limits]\nidle = 600\n", `2: limits.idle: "600" is not a duration (write 10m, 90s, or 0 for none)`},
		{"[limits]\nidle = '-10m'\n", `2: limits.idle: "-10m" is not a duration (write 10m, 90s, or 0 for none)`},
		{"[limits]\nidle = ['10m']\n", "2: limits.idle: must be a string (write it in quotes)"},
		{"limits.idle = '99ms'\n", "1: limits.idle: 99ms is out of range (100ms to 24h, or 0 for none)"},
		{"limits = {idle = 600}\n", `1: limits.idle: "600" is not a duration (write 10m, 90s, or 0 for none)`},
		{"limits.visit = '169h'\n", "1: limits.visit: 169h is out of range (100ms to 168h, or 0 for none)"},
		{"limits.call = '168h0.1s'\n", "1: limits.call: 168h0m0.1s is out of range (100ms to 168h, or 0 for none)"},
		{"limits.dial = '301s'\n", "1: limits.dial: 5m1s is out of range (100ms to 5m, or 0 for none)"},
		{"limits.wait = '25h'\n", "1: limits.wait: 25h is out of range (100ms to 24h, or 0 for none)"},
		{"limits.stall = '61m'\n", "1: limits.stall: 1h1m is out of range (100ms to 1h, or 0 for none)"},
		{"limits.drain = '6m'\n", "1: limits.drain: 6m is out of range (100ms to 5m, or 0 for none)"},
		{"limits.max_calls = 1000001\n", "1: limits.max_calls: 1000001 is out of range (1 to 1000000, or 0 for no limit)"},
		{"cluster.max_calls = -1\n", "1: cluster.max_calls: -1 is out of range (1 to 100000000, or 0 for no limit)"},
		{"limits.max_calls = 'many'\n", `1: limits.max_calls: "many" is no number of them (write 100, 0 for no limit, or "auto")`},
		{"limits.arriving = -1\n", `1: limits.arriving: "-1" is no number of them (write 100, 0 for no limit, or "auto")`},
		{"limits.household_calls = -1\n", "1: limits.household_calls: -1 is out of range (1 to 1000000, or 0 for no limit)"},
		{"limits.network_calls = 1000001\n", "1: limits.network_calls: 1000001 is out of range (1 to 1000000, or 0 for no limit)"},
		{"limits.new_calls = '1s'\n", "1: limits.new_calls: must be a whole number (write digits, without quotes)"},
		{"limits.keys = 74\n", "1: limits.keys: 74 is out of range (75 to 1000000, or 0 for no limit)"},
		{"limits.ping = '2h'\n", "1: limits.ping: 2h is out of range (100ms to 1h, or 0 for none)"},

		// A value that cannot be read is told alone, all else together.
		{"loglevel = 'info'\nlog_size = 0\n[limits]\nidle = '10x'\nping = '1ms'\n", `4: limits.idle: "10x" is not a duration (write 10m, 90s, or 0 for none)`},
		{"log_size = 0\nloglevel = 'info'\n[limits]\nidle = '10ms'\nping = '1ms'\n", `2: loglevel: unknown key (did you mean log_level?)
moip.toml:1: log_size: 0 is out of range (1 to 1024, in megabytes)
moip.toml:4: limits.idle: 10ms is out of range (100ms to 24h, or 0 for none)
moip.toml:5: limits.ping: 1ms is out of range (100ms to 1h, or 0 for none)`},
	} {
		c, err := Parse("moip.toml", []byte(test.text))
		if diff := cmp.Diff("moip.toml:"+test.want, fmt.Sprint(err)); diff != "" || c != nil {
			t.Errorf("%q: %s", test.text, diff)
		}
	}
}

func TestProxies(t *testing.T) {
	for _, text := range []string{
		"listen = ['tcp://:1?proxy=on']\n[proxies]\ntrust = ['10.0.0.0/8', '::ffff:192.0.2.1']\n",
		"[proxies]\ntrust = ['10.0.0.0/8', '192.0.2.1']\nheader = 'x-real-ip'\n",
	} {
		c, err := Parse("moip.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		o := c.Proxies.Options()
		if o.Header != c.Proxies.Header || !o.Trusts(netip.MustParseAddr("10.1.2.3")) || !o.Trusts(netip.MustParseAddr("192.0.2.1")) ||
			o.Trusts(netip.MustParseAddr("127.0.0.1")) {
			t.Errorf("%q: %+v", text, o)
		}
	}
}

func TestRealIP(t *testing.T) {
	for text, want := range map[RealIP]session.RealIP{
		"": session.RealIPNone, "none": session.RealIPNone, "x-forwarded-for": session.RealIPForwardedFor, "forwarded": session.RealIPForwarded,
		"proxy": session.RealIPProxy, "proxy-v1": session.RealIPProxy, "proxy-v2": session.RealIPProxyV2, "send-location": session.RealIPLocation,
	} {
		if got := (Route{RealIP: text}).Session("x").RealIP; got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestRecordings(t *testing.T) {
	c, err := Parse("/etc/moip/moip.toml", []byte(`
		listen = ["ws://:1?record=all", "tcp://:2?record=none"]
		[portal]
		url = "replay:museum?speed=1200"
		record = true
		[recordings]
		folder = "kept"
		calls = "all"
		keys = "none"
		keep = "1h"
		file_size = 1
		size = 0
	`))
	if err != nil {
		t.Fatal(err)
	}
	want := recording.Options{Keys: recording.KeysNone, Keep: time.Hour, FileSize: 1 << 20}
	if diff := cmp.Diff(want, c.Recordings.Options()); diff != "" {
		t.Error(diff)
	}
	portal := c.Portal.Session("")
	if c.Recordings.Folder != "/etc/moip/kept" || portal.URL != "replay:/etc/moip/museum?speed=1200" || !portal.Record || c.LinkURL() != "" {
		t.Errorf("%+v, %+v", c.Recordings, portal)
	}
}

func TestLoadWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "moip.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path+": ") {
		t.Error(err)
	}
}

// What flags spoil is told by key.
func TestValidate(t *testing.T) {
	c := Default()
	c.Listen = append(c.Listen, "tcp://:9000")
	c.Link = "ws://localhost:8764"
	want := `listen: "tcp://:9000" has the port of "telnet://:9000" (give each its own)
link: the built-in portal has none, nor have recordings (set url in [portal], or link = "none")`
	if diff := cmp.Diff(want, fmt.Sprint(c.Validate())); diff != "" {
		t.Error(diff)
	}
}

func TestLinkURL(t *testing.T) {
	for _, test := range []struct{ portal, link, want string }{
		{"", "", ""},
		{"builtin", "", ""},
		{"builtin", "none", ""},
		{"ws://x", "", "ws://localhost:8764"},
		{"ws://x", "none", ""},
		{"ws://x", "ws://y", "ws://y"},
	} {
		c := Default()
		c.Portal.URL, c.Link = test.portal, test.link
		if got := c.LinkURL(); got != test.want {
			t.Errorf("portal %q, link %q: %q, want %q", test.portal, test.link, got, test.want)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("portal %q, link %q: %v", test.portal, test.link, err)
		}
	}
}

func TestLogFile(t *testing.T) {
	c := Default()
	if got := c.LogFile(); got != "server.log" {
		t.Errorf("by default: %q", got)
	}
	c.Log = "none"
	if got := c.LogFile(); got != "" {
		t.Errorf("with none: %q", got)
	}
}

func FuzzConfig(f *testing.F) {
	data, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("listen = ['ws://[::1%25eth0]:1', 'tcp://:1']\n[limits]\nidle = '-1ns'\n")
	f.Add("portal = {url = 'ws://x', origin = 'a://b', subprotocols = [[], '\\t']}\nlink = '%'\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("moip.toml", []byte(text))
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Errorf("parsed, but not valid: %v", err)
			}
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "moip.toml:") {
				t.Errorf("%q does not begin with the file", line)
			}
		}
	})
}

// Where operators come from elsewhere, they are known by a token, and it cannot be read on
// the way. Where they do not, it is as they like.
func TestAdmin(t *testing.T) {
	for text, open := range map[string]bool{
		"":                      true,
		"admin = 'none'":        false,
		"admin = 'localhost:1'": true,
		"admin = '[::1]:1'":     true,
		"admin = '127.0.0.1:1'": true,
		"admin = 'https://127.0.0.1:1'\n[tls]\ncert = ['c.pem']":                        true,
		"admin = 'https://:1'\n[tls]\ncert = ['c.pem']\nadmin_client_ca = 'o.pem'":      false,
		"admin = 'https://127.0.0.1:1'\n[tls]\ncert = ['c.pem']\nadmin_client_ca = 'o'": false,
		"admin_token_file = 'f'":      false,
		"admin_look_token_file = 'f'": false,
		"admin = 'https://:1'\nadmin_token_file = 'f'\n[tls]\ncert = ['c.pem']":                 false,
		"admin = 'https://hub.example:1'\nadmin_look_token_file = 'f'\n[tls]\ncert = ['c.pem']": false,
		"admin = '0.0.0.0:1'\nadmin_token_file = 'f'\nadmin_plain = true":                       false,
		"admin_hosts = ['hub.example', '192.0.2.1', 'hub']\nadmin_token_file = '/run/f'\n":      false,
	} {
		c, err := Parse("moip.toml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if c.AdminOpen() != open {
			t.Errorf("%s: whoever comes may do everything: %v", text, !open)
		}
	}
}
