package pymoip

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"moip/internal/session"
)

func claimed(pid uint64, transport, addr string) claim {
	c := claim{pid: pid, caller: session.Caller{Transport: transport}}
	if addr != "" {
		c.caller.Addr = netip.MustParseAddrPort(addr)
	}
	return c
}

var claims = cmp.AllowUnexported(claim{}, news{})
var addresses = cmpopts.EquateComparable(netip.AddrPort{})

func TestDetails(t *testing.T) {
	for text, want := range map[string]claim{
		"PID=0,IP=127.0.0.1,PORT=38178,Access=WS":                claimed(0, "ws", "127.0.0.1:38178"),
		"PID=7,IP=2001:db8::7,PORT=4711,Access=Telnet":           claimed(7, "telnet", "[2001:db8::7]:4711"),
		"PID=7,IP=::ffff:192.0.2.1,PORT=65535,Access=WS":         claimed(7, "ws", "192.0.2.1:65535"),
		"PID=7,IP=fe80::1%eth0,PORT=1,Access=WS":                 claimed(7, "ws", "[fe80::1]:1"),
		"PID=18446744073709551615,IP=,PORT=0,Access=Telnet":      claimed(1<<64-1, "telnet", ""),
		"PID=0,IP=127.0.0.1,PORT=38178,Access=WS,":               {},
		"PID=0,IP=127.0.0.1,PORT=38178":                          {},
		"PID=0,IP=127.0.0.1,PORT=38178,Access=Console":           {},
		"PID=0,IP=127.0.0.1,PORT=65536,Access=WS":                {},
		"PID=0,IP=127.0.0.1,PORT=,Access=WS":                     {},
		"PID=0,IP=,PORT=38178,Access=WS":                         {},
		"PID=0,IP=localhost,PORT=38178,Access=WS":                {},
		"PID=-1,IP=127.0.0.1,PORT=38178,Access=WS":               {},
		"PID=18446744073709551616,IP=127.0.0.1,PORT=1,Access=WS": {},
		"IP=127.0.0.1,PID=0,PORT=38178,Access=WS":                {},
		"":    {},
		",,,": {},
	} {
		got, err := parseDetails(text)
		if diff := cmp.Diff(want, got, claims, addresses); diff != "" || (err != nil) != (want == claim{}) {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestNews(t *testing.T) {
	for text, want := range map[string]news{
		"NewWsUser,127.0.0.1,38178,0":                {verb: "NewWsUser", claim: claimed(0, "ws", "127.0.0.1:38178")},
		"NewTelnetUser,2001:db8::7,4711,1,more":      {verb: "NewTelnetUser", claim: claimed(1, "telnet", "[2001:db8::7]:4711")},
		"NewTelnetUser,,0,3":                         {verb: "NewTelnetUser", claim: claimed(3, "telnet", "")},
		"UserGone,,,4":                               {verb: "UserGone", claim: claim{pid: 4}},
		"UserGotCommand,,,0,1," + connect:            {verb: "UserGotCommand", number: 1},
		"UserRedirecting,,,5,6":                      {verb: "UserRedirecting", claim: claim{pid: 5}, number: 6},
		"UserRedirected,,,5,6":                       {verb: "UserRedirected", claim: claim{pid: 5}, number: 6},
		"UserRequestedClose,,,5,6,":                  {verb: "UserRequestedClose", claim: claim{pid: 5}, number: 6},
		"UserRedirectEnded,,,5,18446744073709551615": {verb: "UserRedirectEnded", claim: claim{pid: 5}, number: 1<<64 - 1},

		"":                                            {},
		"NewWsUser":                                   {},
		"NewWsUser,127.0.0.1,38178":                   {},
		"NewWsUser,127.0.0.1,38178,x":                 {},
		"NewWsUser,127.0.0.256,38178,0":               {},
		"NewWsUser,127.0.0.1,-1,0":                    {},
		"NewSerialUser,127.0.0.1,38178,0":             {},
		"newwsuser,127.0.0.1,38178,0":                 {},
		"UserGone,,,":                                 {},
		"UserGone,,":                                  {},
		"UserRedirected,,,5":                          {},
		"UserRedirected,,,5,":                         {},
		"UserRedirected,,,5,x":                        {},
		"UserRedirected,,,,6":                         {},
		"UserRedirected,,,5,18446744073709551616":     {},
		"PID=0,1,CONNECT,ws://127.0.0.1/,None,[]":     {},
		"UserRedirected,,,5,6\x00,7,8,9,\xff\xff\xff": {},
	} {
		got, err := parseNews(text)
		if diff := cmp.Diff(want, got, claims, addresses); diff != "" || (err != nil) != (want == news{}) {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

// What our own gateway says of a caller, our portal understands.
func FuzzNews(f *testing.F) {
	f.Add("NewTelnetUser,2001:db8::7,4711,1")
	f.Add("UserGotCommand,,,0,1," + connect)
	f.Add("UserGone,,,18446744073709551615")
	f.Add("NewWsUser,fe80::1%eth0,65535,7")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNews(text)
		if err != nil {
			if n != (news{}) {
				t.Fatalf("%q: %v, and %+v", text, err, n)
			}
			return
		}
		if n.claim.caller.Transport == "" {
			return
		}
		c := call{pid: n.claim.pid, caller: n.claim.caller}
		again, err := parseNews(c.announcement())
		if err != nil || again != n {
			t.Fatalf("%q is %+v, written %s is %+v, %v", text, n, c.announcement(), again, err)
		}
		details := c.details()
		if again, err := parseDetails(details[:len(details)-1]); err != nil || again != n.claim {
			t.Fatalf("%q is %+v, introduced by %q is %+v, %v", text, n, details, again, err)
		}
	})
}
