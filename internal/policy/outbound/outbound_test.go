package outbound

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rulesOf reads rules that stand between blanks.
func rulesOf(t interface{ Fatal(...any) }, texts string) (all []Rule) {
	for _, text := range strings.Fields(texts) {
		rule, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rule)
	}
	return all
}

// target reads SCHEME://HOST:PORT, perhaps with the address that HOST turned out to be,
// as in ws://example.org:80=192.0.2.1.
func target(text string) Target {
	text, address, _ := strings.Cut(text, "=")
	scheme, rest, _ := strings.Cut(text, "://")
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		panic(err)
	}
	n, _ := strconv.Atoi(port)
	a, _ := netip.ParseAddr(address)
	return Target{Scheme: scheme, Host: host, At: netip.AddrPortFrom(a, uint16(n))}
}

// reasonOf is "" for what may be dialled.
func reasonOf(t *testing.T, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || !errors.Is(err, session.ErrForbidden) {
		t.Fatalf("%v is no refusal", err)
	}
	return refusal.Reason
}

// Three gateways, as doc/operators.md has them, and what each refuses.
func TestRules(t *testing.T) {
	for _, gateway := range []struct {
		allow, deny string
		asked       map[string]Reason
	}{
		{"*", "", map[string]Reason{ // nothing is said
			"ws://example.org:80":                            "",
			"ws://example.org:80=192.0.2.1":                  "",
			"telnet://localhost:23=127.0.0.1":                "",
			"tcp://10.0.0.7:22":                              "",
			"tcp://[fd00::7]:22":                             "",
			"ws://example.org:80=169.254.169.254":            ReasonReserved,
			"ws://EXAMPLE.org.:80=fe80::1%eth0":              ReasonReserved,
			"ws://169.254.169.254:80":                        ReasonReserved,
			"ws://[::ffff:169.254.169.254]:80":               ReasonReserved,
			"ws://[fe80::1]:80":                              ReasonReserved,
			"ws://2130706433:80":                             "", // a name, as far as we know
			"ws://2852039166:80=169.254.169.254":             ReasonReserved,
			"ws://0xa9.0xfe.43518:80=169.254.169.254":        ReasonReserved,
			"ws://127.1:8999=127.0.0.1":                      ReasonGateway,
			"tcp://localhost:8999=127.0.0.1":                 ReasonGateway,
			"tcp://[::ffff:127.0.0.1]:8999":                  ReasonGateway,
			"tcp://0.0.0.0:8999":                             ReasonGateway,
			"tcp://[::]:8999":                                ReasonGateway,
			"tcp://127.0.0.2:8999":                           "",
			"tcp://127.0.0.2:9000":                           ReasonGateway, // a door at all addresses
			"tcp://[::1]:9000":                               ReasonGateway,
			"tcp://192.0.2.1:9000":                           "",
			"tcp://0.0.0.0:80":                               ReasonReserved,
			"tcp://[::]:80":                                  ReasonReserved,
			"tcp://224.0.0.1:80":                             ReasonReserved,
			"tcp://239.255.255.250:80":                       ReasonReserved,
			"tcp://255.255.255.255:80":                       ReasonReserved,
			"tcp://[ff02::1]:80":                             ReasonReserved,
			"tcp://100.100.100.200:80":                       ReasonReserved,
			"tcp://[fd00:ec2::254]:80":                       ReasonReserved,
			"tcp://168.63.129.16:80":                         ReasonReserved,
			"tcp://[64:ff9b::a9fe:a9fe]:80":                  ReasonReserved, // NAT64
			"tcp://[64:ff9b:1::169.254.169.254]:80":          ReasonReserved,
			"tcp://[::ffff:0:169.254.169.254]:80":            ReasonReserved, // translated
			"tcp://[::169.254.169.254]:80":                   ReasonReserved, // compatible
			"tcp://[2002:a9fe:a9fe::1]:80":                   ReasonReserved, // 6to4
			"tcp://[2001:0:c000:201::5601:5601]:80":          ReasonReserved, // Teredo, disguised
			"tcp://[2001:0:a9fe:a9fe::3fff:fdfe]:80":         ReasonReserved, // Teredo's server
			"tcp://[64:ff9b::192.0.2.1]:80":                  "",
			"tcp://[2002:c000:201::1]:80":                    "",
			"tcp://[2001:db8::169.254.169.254]:80":           "", // an address like any other
			"tcp://[64:ff9b::127.0.0.1]:8999":                ReasonGateway,
			"tcp://metadata.google.internal:80=fd20:ce::254": ReasonReserved,
		}},
		{"*", "local *:22 telnet://*:0023-25", map[string]Reason{ // a public hub
			"ws://example.org:80=192.0.2.1":   "",
			"ws://example.org:22":             ReasonDeny,
			"telnet://example.org:24":         ReasonDeny,
			"tcp://example.org:24":            "",
			"telnets://example.org:24":        "",
			"ws://example.org:80=127.0.0.1":   ReasonDeny,
			"ws://example.org:80=10.1.2.3":    ReasonDeny,
			"ws://example.org:80=100.64.0.1":  ReasonDeny,
			"ws://example.org:80=fd12::1":     ReasonDeny,
			"ws://[64:ff9b::192.168.1.1]:80":  ReasonDeny,
			"ws://[2002:c0a8:101::1]:80":      ReasonDeny,
			"ws://[::1]:80":                   ReasonDeny,
			"ws://example.org:80=169.254.1.1": ReasonReserved,
		}},
		{"wss://*.example.org minitel.example [2001:db8::/32]:8000-8999 192.0.2.0/24", "evil.example.org 192.0.2.13", map[string]Reason{
			"wss://a.example.org:443":                            "",
			"wss://A.EXAMPLE.ORG.:443=203.0.113.1":               "",
			"wss://a.b.example.org:443":                          "",
			"wss://example.org:443=203.0.113.1":                  ReasonAllow, // not below it
			"wss://aexample.org:443=203.0.113.1":                 ReasonAllow,
			"ws://a.example.org:80=203.0.113.1":                  ReasonAllow, // not encrypted
			"wss://evil.example.org:443":                         ReasonDeny,
			"wss://EVIL.example.org.:443":                        ReasonDeny,
			"wss://a.evil.example.org:443":                       "",
			"tcp://Minitel.Example:23":                           "",
			"tcp://minitel.example.evil.test:23=203.0.113.1":     ReasonAllow,
			"tcp://minitel.example\x00.evil.test:23=203.0.113.1": ReasonAllow,
			"tcp://other.example:23":                             "", // who knows where it is
			"tcp://other.example:23=192.0.2.1":                   "",
			"tcp://other.example:23=192.0.2.13":                  ReasonDeny,
			"tcp://other.example:23=203.0.113.1":                 ReasonAllow,
			"tcp://other.example:8000=2001:db8::1":               "",
			"tcp://other.example:9000=2001:db8::1":               ReasonAllow,
			"tcp://[::ffff:192.0.2.1]:23":                        "",
			"tcp://[64:ff9b::192.0.2.13]:23":                     ReasonDeny,
		}},
		{"xn--tltel-bsab.example", "", map[string]Reason{
			"ws://XN--tltel-BSAB.example:80": "",
			"ws://télétel.example:80":        ReasonAllow, // which the DNS does not know
		}},
		{"directory", "", map[string]Reason{ // a museum
			"ws://listed.example:80":             "",
			"ws://listed.example:80=10.0.0.1":    "",
			"ws://imported.example:80":           "",
			"ws://imported.example:80=192.0.2.1": "",
			"ws://imported.example:80=10.0.0.1":  ReasonAllow,
			"ws://unlisted.example:80":           ReasonAllow,
			"ws://192.0.2.1:80":                  ReasonAllow,
		}},
		{"", "", map[string]Reason{"ws://example.org:80": ReasonAllow, "ws://192.0.2.1:80": ReasonAllow}},
		{"wss://*", "", map[string]Reason{"ws://example.org:80": ReasonAllow, "wss://example.org:80": ""}},
	} {
		p := &Policy{
			Allow: rulesOf(t, gateway.allow), Deny: rulesOf(t, gateway.deny),
			Admin: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8999")},
			Doors: []netip.AddrPort{netip.MustParseAddrPort("[::]:9000")},
		}
		for asked, want := range gateway.asked {
			to := target(asked)
			to.Listed = func() (session.Author, bool) {
				by, ok := map[string]session.Author{"listed.example": session.AuthorOwner, "imported.example": session.AuthorImport}[to.Host]
				return by, ok
			}
			err := p.Judge(to)
			if got := reasonOf(t, err); got != want {
				t.Errorf("with allow %q and deny %q, %s is %q: %v", gateway.allow, gateway.deny, asked, got, err)
			}
		}
	}
}

// What the owner has written goes where it says; a name only as far as nobody leads it
// astray. What comes from elsewhere leads to nobody in this house.
func TestAuthors(t *testing.T) {
	p := &Policy{
		Allow: rulesOf(t, "*.example.org directory"), Deny: rulesOf(t, "*:23 203.0.113.0/24"),
		Admin: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8999")},
		Doors: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9000")},
	}
	for _, asked := range []struct {
		to             string
		owner, foreign Reason
	}{
		{"telnet://localhost:23=127.0.0.1", "", ReasonImport},
		{"telnet://10.0.0.1:23", "", ReasonImport},
		{"ws://elsewhere.test:80=192.0.2.1", "", ""}, // it is in the directory
		{"ws://elsewhere.test:80=10.0.0.1", "", ReasonImport},
		{"ws://elsewhere.test:80=203.0.113.7", ReasonDeny, ReasonDeny}, // led there by its owner
		{"ws://elsewhere.test:23=192.0.2.1", "", ReasonDeny},
		{"ws://203.0.113.7:80", "", ReasonDeny},
		{"ws://hub:80=203.0.113.7", "", ReasonDeny},
		{"ws://hub.lan.:80=203.0.113.7", "", ReasonDeny},
		{"ws://hub.home.arpa:80=203.0.113.7", "", ReasonDeny},
		{"ws://elsewhere.test:80=169.254.169.254", ReasonReserved, ReasonReserved},
		{"ws://169.254.169.254:80", "", ReasonReserved},
		{"ws://[fe80::7]:80", "", ReasonReserved},
		{"ws://localhost:9000=127.0.0.1", "", ReasonGateway},
		{"ws://elsewhere.test:8999=127.0.0.1", ReasonGateway, ReasonGateway},
		{"tcp://127.0.0.1:8999", ReasonGateway, ReasonGateway},
	} {
		for author, want := range map[session.Author]Reason{session.AuthorOwner: asked.owner, session.AuthorImport: asked.foreign} {
			to := target(asked.to)
			to.Author = author
			if err := p.Judge(to); reasonOf(t, err) != want {
				t.Errorf("%s by the %s: %v", asked.to, author, err)
			}
		}
	}
}

// What no caller is sent to goes by no rule, but by what holds without any.
func TestAddressAlone(t *testing.T) {
	p := &Policy{Deny: rulesOf(t, "*"), Admin: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8999")}}
	for _, asked := range []struct {
		to             string
		owner, foreign Reason
	}{
		{"http://directory.test:80=192.0.2.1", "", ""},
		{"http://directory.test:80=127.0.0.1", "", ReasonImport},
		{"http://directory.test:80=169.254.169.254", ReasonReserved, ReasonReserved},
		{"http://directory.test:8999=127.0.0.1", ReasonGateway, ReasonGateway},
	} {
		for author, want := range map[session.Author]Reason{session.AuthorOwner: asked.owner, session.AuthorImport: asked.foreign} {
			to := target(asked.to)
			to.Author = author
			if err := p.JudgeAddress(to); reasonOf(t, err) != want {
				t.Errorf("%s by the %s: %v", asked.to, author, err)
			}
		}
	}
}

// This machine's own addresses are local, public or not.
func TestOwnAddresses(t *testing.T) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	p := &Policy{Allow: rulesOf(t, "*"), Deny: rulesOf(t, "local")}
	for _, a := range all {
		own, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if err := p.Judge(Target{Scheme: "ws", Host: "example.org", At: netip.AddrPortFrom(own, 80)}); err == nil {
			t.Errorf("%v is not refused", own)
		}
	}
}

func TestRefusalIsClear(t *testing.T) {
	p := &Policy{Allow: rulesOf(t, "*"), Deny: rulesOf(t, "*.Example.org")}
	for asked, want := range map[string]string{
		"ws://a.example.org:80":         `a.example.org:80 is refused: redirect.deny has "*.Example.org"`,
		"ws://x.test:80=fe80::1%eth0":   `[fe80::1%eth0]:80 is refused: it is a link-local address`,
		"ws://[2002:a9fe:a9fe::1]:8080": `[2002:a9fe:a9fe::1]:8080 is refused: in it is 169.254.169.254, a link-local address`,
	} {
		if err := p.Judge(target(asked)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", asked, err)
		}
	}
}

func TestParseRule(t *testing.T) {
	for _, good := range []string{
		"*", "*:23", "WS://*", "tcp://*:1-65535", "example.org", "Example.ORG.", "*.example.org:80", "minitel", "_x._tcp.example.org",
		"192.0.2.1", "192.0.2.0/24", "192.0.2.0/24:23", "2001:db8::1", "2001:db8::/32", "[2001:db8::1]", "[2001:db8::/32]:80-90",
		"wss://[2001:db8::1]:443", "local", "local:22", "tcp://local", "directory", "DIRECTORY", "::1", "::ffff:192.0.2.1",
	} {
		if r, err := ParseRule(good); err != nil || r.String() != good {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, why := range map[string]string{
		"":                              "no name",
		" ":                             "no name",
		"http://example.org":            "scheme",
		"example.org/ws":                "neither an address nor a network",
		"example.org:":                  "no port",
		"example.org:0":                 "port",
		"example.org:70000":             "port",
		"example.org:90-80":             "port",
		"example.org:80-":               "port",
		"example.org:http":              "port",
		"a.*.example.org":               "* stands alone",
		"*example.org":                  "* stands alone",
		"**":                            "* stands alone",
		"127.1":                         "neither an address nor a network",
		"2130706433":                    "neither an address nor a network",
		"0x7f.0x1":                      "neither an address nor a network",
		"192.0.2.0/33":                  "neither an address nor a network",
		"fe80::1%eth0":                  "neither an address nor a network",
		"[2001:db8::1":                  "brackets",
		"[2001:db8::1]80":               "brackets",
		"[2001:db8::1]:":                "brackets",
		"[example.org]:80":              "no address of IPv6",
		"télétel.example":               "xn--",
		"a..example":                    "no name",
		"example.org, a.test":           "no name",
		"user@example.org":              "no name",
		"directory:80":                  "neither scheme nor port",
		"ws://directory":                "neither scheme nor port",
		strings.Repeat("a", 64):         "no name",
		strings.Repeat("a.", 150) + "b": "longer",
	} {
		if _, err := ParseRule(bad); err == nil || !strings.Contains(err.Error(), why) || len(err.Error()) > 500 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What an address holds is found wherever it lies: no disguise of a forbidden address is
// better than that itself.
func TestDisguises(t *testing.T) {
	p := &Policy{Allow: rulesOf(t, "*"), Deny: rulesOf(t, "local 203.0.113.0/24")}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")
		copy(b, rapid.SampledFrom([][]byte{{}, {169, 254}, {127}, {10}, {192, 168}, {203, 0, 113}, {224}, {0}}).Draw(t, "network"))
		a := netip.AddrFrom4([4]byte(b))
		plain := p.Judge(Target{Scheme: "ws", Host: "x.test", At: netip.AddrPortFrom(a, 80)})
		for _, in := range []string{"::ffff:0.0.0.0", "64:ff9b::", "64:ff9b:1::", "::ffff:0:0:0"} {
			d := netip.MustParseAddr(in).As16()
			copy(d[12:], b)
			disguised := netip.AddrFrom16(d)
			err := p.Judge(Target{Scheme: "ws", Host: "x.test", At: netip.AddrPortFrom(disguised, 80)})
			if plain != nil && err == nil {
				t.Fatalf("%v is refused (%v), and %v is not", a, plain, disguised)
			}
		}
		d := netip.MustParseAddr("2002::").As16()
		copy(d[2:], b)
		if err := p.Judge(Target{Scheme: "ws", Host: "x.test", At: netip.AddrPortFrom(netip.AddrFrom16(d), 80)}); plain != nil && err == nil {
			t.Fatalf("%v is refused (%v), and %v is not", a, plain, netip.AddrFrom16(d))
		}
	})
}

// Asking before the address is known never refuses what one of the addresses would not.
func FuzzRule(f *testing.F) {
	for _, seed := range []string{"*", "wss://*.example.org:443", "[2001:db8::/32]:80-90", "192.0.2.0/24:23", "local", "directory", "xn--e1a.test", "0x7f.1", "télétel"} {
		f.Add(seed, "a.example.org", uint16(443))
	}
	f.Fuzz(func(t *testing.T, text, host string, port uint16) {
		rule, err := ParseRule(text)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := ParseRule(rule.String())
		if err != nil || again != rule {
			t.Fatalf("%q is read as %+v, then as %+v, %v", text, rule, again, err)
		}
		to := Target{Scheme: "wss", Host: host, At: netip.AddrPortFrom(netip.Addr{}, port)}
		first := (&Policy{Allow: []Rule{rule}}).Judge(to)
		to.At = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)
		if _, err := netip.ParseAddr(host); err != nil && first != nil && (&Policy{Allow: []Rule{rule}}).Judge(to) == nil {
			t.Errorf("%q with %q: %v, and then not", text, host, first)
		}
		if denied := (&Policy{Allow: rulesOf(t, "*"), Deny: []Rule{rule}}).Judge(to); denied == nil && rule.fits(to) == yes {
			t.Errorf("%q denies nothing", text)
		}
	})
}
