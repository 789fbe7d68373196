package proxied

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"moip/internal/policy"
)

// trusting trusts two networks of proxies.
func trusting(h Header) *Trust {
	t := &Trust{Header: h}
	for _, text := range []string{"10.0.0.0/8", "2001:db8:a::/48", "127.0.0.1"} {
		network, err := policy.ParseNetwork(text)
		if err != nil {
			panic(err)
		}
		t.Networks = append(t.Networks, network)
	}
	return t
}

// said returns the headers of a request, lines such as "X-Real-IP: 192.0.2.7".
func said(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimSpace(value))
	}
	return h
}

func TestCaller(t *testing.T) {
	const proxy = "10.0.0.1:5000"
	for _, test := range []struct {
		header Header
		at     string
		said   http.Header
		want   string // the caller, or what is wrong
	}{
		// One proxy.
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7:4000"), "192.0.2.7:4000"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 2001:db8::7"), "[2001:db8::7]:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [2001:db8::7]"), "[2001:db8::7]:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [2001:db8::7]:4000"), "[2001:db8::7]:4000"},
		{XForwardedFor, proxy, said("X-Forwarded-For: ::ffff:192.0.2.7"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: fe80::7%eth0"), "[fe80::7]:0"},
		{XRealIP, proxy, said("X-Real-IP: 192.0.2.7"), "192.0.2.7:0"},
		{XRealIP, proxy, said("X-Real-IP: ::ffff:192.0.2.7"), "192.0.2.7:0"},
		{Forwarded, proxy, said("Forwarded: for=192.0.2.7"), "192.0.2.7:0"},
		{Forwarded, proxy, said(`Forwarded: For="192.0.2.7:4000";proto=http;by=10.0.0.1`), "192.0.2.7:4000"},
		{Forwarded, proxy, said(`Forwarded: proto=http ; for="[2001:db8:cafe::17]:4711" ; host="a;b,c\"d"`), "[2001:db8:cafe::17]:4711"},
		{Forwarded, proxy, said(`Forwarded: for="\[2001:db8\:cafe::17]"`), "[2001:db8:cafe::17]:0"},
		{Forwarded, proxy, said(`Forwarded: for="[::ffff:192.0.2.7]:_port"`), "192.0.2.7:0"},
		{Forwarded, proxy, said(`Forwarded: for="[fe80::7%eth0]"`), "[fe80::7]:0"},
		{XForwardedFor, "[::ffff:10.0.0.1]:5000", said("X-Forwarded-For: 192.0.2.7"), "192.0.2.7:0"},
		{XForwardedFor, "[2001:db8:a::1%eth0]:5000", said("X-Forwarded-For: 192.0.2.7"), "192.0.2.7:0"},

		// What is said by nobody who is trusted, or otherwise than is believed.
		{XForwardedFor, "192.0.2.9:5000", said("X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"), "192.0.2.9:5000"},
		{XForwardedFor, "127.0.0.2:5000", said("X-Forwarded-For: 192.0.2.7"), "127.0.0.2:5000"},
		{XForwardedFor, proxy, said("X-Real-IP: 192.0.2.7", "Forwarded: for=192.0.2.7"), proxy},
		{XRealIP, proxy, said("X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"), proxy},
		{Forwarded, proxy, said("X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7"), proxy},
		{HeaderNone, proxy, said("X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7", "Forwarded: for=192.0.2.7"), proxy},
		{"", proxy, said("X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7", "Forwarded: for=192.0.2.7"), proxy},

		// What a caller writes stands before what the proxy adds, on its line or another.
		{XForwardedFor, proxy, said("X-Forwarded-For: 198.51.100.1, 10.0.0.9, 192.0.2.7"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 192.0.2.7"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said(`X-Forwarded-For: <script>, ", , unknown,192.0.2.7 ,`), "192.0.2.7:0"},
		{XRealIP, proxy, said("X-Real-IP: 198.51.100.1", "X-Real-IP: 192.0.2.7"), "192.0.2.7:0"},
		{Forwarded, proxy, said("Forwarded: for=198.51.100.1, for=10.0.0.9, for=192.0.2.7"), "192.0.2.7:0"},
		{Forwarded, proxy, said(`Forwarded: for="`, "Forwarded: for=192.0.2.7"), "192.0.2.7:0"},
		{Forwarded, proxy, said(`Forwarded: for="x, for=y", for=192.0.2.7`), "192.0.2.7:0"},
		{Forwarded, proxy, said("Forwarded: for=junk, for=192.0.2.7,,"), "192.0.2.7:0"},

		// Several proxies, one behind the other.
		{XForwardedFor, proxy, said("X-Forwarded-For: 198.51.100.1, 192.0.2.7, 2001:db8:a::2, 10.0.0.9:33"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 10.1.1.1,10.0.0.9"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7, 192.0.2.9, 10.0.0.9"), "192.0.2.9:0"},
		{Forwarded, proxy, said(`Forwarded: for=192.0.2.7;by=_a, for="[2001:db8:a::2]";by=_b`, "Forwarded: for=10.0.0.9"), "192.0.2.7:0"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 10.3.3.3, 10.0.0.9"), "10.3.3.3:0"}, // all are trusted
		{XForwardedFor, proxy, said("X-Forwarded-For: ::ffff:10.3.3.3"), "10.3.3.3:0"},
		{XRealIP, proxy, said("X-Real-IP: 10.3.3.3"), "10.3.3.3:0"},
		{XForwardedFor, proxy, nil, proxy},
		{XForwardedFor, proxy, said("X-Forwarded-For: , ,"), proxy},
		{Forwarded, proxy, said("Forwarded: ,, ;"), proxy},

		// A proxy that does not know.
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7, unknown"), proxy},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7, Unknown, 10.0.0.9"), "10.0.0.9:0"},
		{Forwarded, proxy, said("Forwarded: for=192.0.2.7, for=unknown"), proxy},
		{Forwarded, proxy, said(`Forwarded: for=192.0.2.7, for="unknown:4000"`), proxy},
		{Forwarded, proxy, said("Forwarded: for=192.0.2.7, for=_hidden;proto=http"), proxy},
		{Forwarded, proxy, said(`Forwarded: for=192.0.2.7, for="_a.B-c_9:_port"`), proxy},
		{Forwarded, proxy, said("Forwarded: for=192.0.2.7, proto=http;by=10.0.0.1"), proxy},

		// A proxy that cannot be understood.
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7, junk"), `x-forwarded-for of 10.0.0.1: "junk" is no address`},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7;10.0.0.1"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7:"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7:65536"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.7:_"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 192.0.2.07"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: 3221225991"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: localhost"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [192.0.2.7]"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [2001:db8::7"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [2001:db8::7]4000"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [unknown]"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: [_hidden]"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: ["), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: :"), "is no address"},
		{XForwardedFor, proxy, said("X-Forwarded-For: _h%69dden"), "is no address"},
		{XRealIP, proxy, said("X-Real-IP: 192.0.2.7", "X-Real-IP: what"), `x-real-ip of 10.0.0.1: "what" is no address`},
		{Forwarded, proxy, said("Forwarded: 192.0.2.7"), "neither a pair nor a separator"},
		{Forwarded, proxy, said("Forwarded: for=192.0.2.7 by=x"), "neither a pair nor a separator"},
		{Forwarded, proxy, said(`Forwarded: for="192.0.2.7"x`), "neither a pair nor a separator"},
		{Forwarded, proxy, said(`Forwarded: for=x"192.0.2.7"`), "neither a pair nor a separator"},
		{Forwarded, proxy, said(`Forwarded: "for"=192.0.2.7`), "neither a pair nor a separator"},
		{Forwarded, proxy, said("Forwarded: =192.0.2.7"), `"" is no name`},
		{Forwarded, proxy, said("Forwarded: for =192.0.2.7"), `"for " is no name`},
		{Forwarded, proxy, said("Forwarded: for="), "for is empty"},
		{Forwarded, proxy, said(`Forwarded: for=""`), "for is empty"},
		{Forwarded, proxy, said(`Forwarded: for=" "`), `" " is no address`},
		{Forwarded, proxy, said("Forwarded: for=192.0.2.7;for=192.0.2.9"), "for twice"},
		{Forwarded, proxy, said(`Forwarded: for="x, for=192.0.2.7`), "a quotation has no end"},
		{Forwarded, proxy, said(`Forwarded: for=192.0.2.7;x="\`), "a quotation has no end"},
		{Forwarded, proxy, said(`Forwarded: for="[2001:db8::7] "`), "is no address"},
	} {
		at := netip.MustParseAddrPort(test.at)
		got, err := trusting(test.header).Caller(at, test.said)
		switch {
		case err != nil && (got.IsValid() || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s from %s, %v: %v, %v", test.header, test.at, test.said, got, err)
		case err == nil && got.String() != test.want:
			t.Errorf("%s from %s, %v: it is %v, want %s", test.header, test.at, test.said, got, test.want)
		}
	}
}

// A caller behind a proxy that adds a line, or adds to the last one, is known by its
// address, whatever it has written before.
func TestCallerCannotForge(t *testing.T) {
	for _, header := range []Header{XForwardedFor, Forwarded, XRealIP} {
		rapid.Check(t, func(t *rapid.T) {
			from := rapid.SampledFrom([]string{"192.0.2.7", "2001:db8::7"}).Draw(t, "from")
			name, told := http.CanonicalHeaderKey(string(header)), from
			if header == Forwarded {
				told = "for=" + Node(netip.AddrPortFrom(netip.MustParseAddr(from), 1))
			}
			forged := rapid.SliceOf(rapid.StringOf(rapid.SampledFrom([]rune(`[]:"\,;=._- 10for@%`)))).Draw(t, "forged")
			h := http.Header{name: append(slices.Clone(forged), told)}
			at := netip.MustParseAddrPort("10.0.0.1:1")
			if got, err := trusting(header).Caller(at, h); err != nil || got.Addr().String() != from {
				t.Fatalf("%v: it is %v, %v", h, got, err)
			}
			if len(forged) == 0 || header == XRealIP {
				return
			}
			// Quotation marks of its own may spoil the line, for itself alone.
			last := len(forged) - 1
			h[name] = append(forged[:last:last], forged[last]+", "+told)
			if got, err := trusting(header).Caller(at, h); err == nil && got.Addr().String() != from || err != nil && header != Forwarded {
				t.Fatalf("%v: it is %v, %v", h, got, err)
			}
		})
	}
}

// What we tell, we understand.
func TestNode(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7:4000":        "192.0.2.7",
		"[::ffff:192.0.2.7]:1":  "192.0.2.7",
		"[2001:db8::7]:4000":    `"[2001:db8::7]"`,
		"[fe80::7%eth0\"]:4000": `"[fe80::7]"`,
		"":                      "unknown",
	} {
		a, _ := netip.ParseAddrPort(text)
		if got := Node(a); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		at := netip.MustParseAddrPort("10.0.0.1:1")
		want := bare(a).Addr()
		if !want.IsValid() {
			want = at.Addr()
		}
		if got, err := trusting(Forwarded).Caller(at, said("Forwarded: for="+Node(a))); got.Addr() != want || err != nil {
			t.Errorf("%s: it is %v, %v", text, got, err)
		}
	}
}

// Whatever the headers are, an answer is an address without a zone or an error.
func FuzzForwarded(f *testing.F) {
	for _, line := range []string{
		`for=192.0.2.7;by="[2001:db8::1]:80", for="_a:_b"`, `for="\"`, "192.0.2.7, [2001:db8::7]:4000", "fe80::7%eth0", ",;,=",
	} {
		f.Add("10.0.0.2", line)
	}
	f.Fuzz(func(t *testing.T, first, last string) {
		at := netip.MustParseAddrPort("10.0.0.1:5000")
		for _, header := range []Header{XForwardedFor, Forwarded, XRealIP} {
			name := http.CanonicalHeaderKey(string(header))
			got, err := trusting(header).Caller(at, http.Header{name: {first, last}})
			if (err == nil) != got.IsValid() || got.Addr().Zone() != "" || got.Addr().Is4In6() {
				t.Fatalf("%s: it is %v, %v", header, got, err)
			}
			if err == nil { // what it is told again, it says again
				again, err := trusting(header).Caller(at, http.Header{name: {tell(header, got)}})
				if err != nil || again.Addr() != got.Addr() {
					t.Fatalf("%s: it is %v, and then %v, %v", header, got, again, err)
				}
			}
		}
	})
}

func tell(h Header, a netip.AddrPort) string {
	if h == Forwarded {
		return "for=" + Node(a)
	}
	return fmt.Sprint(a.Addr())
}
