package pymoip

import (
	"net/netip"
	"strings"
	"testing"

	"moip/internal/session"
)

// PyMoIP is told of callers by TLS as of others: it knows two words.
func TestSecureCallers(t *testing.T) {
	for transport, want := range map[string]string{
		"ws": "NewWsUser WS", "wss": "NewWsUser WS", "telnet": "NewTelnetUser Telnet", "telnets": "NewTelnetUser Telnet",
		"tcps": "NewTelnetUser Telnet", "serial": "NewTelnetUser Telnet",
	} {
		c := &call{caller: session.Caller{Transport: transport, Addr: netip.MustParseAddrPort("192.0.2.1:4711")}}
		verb, access, _ := strings.Cut(want, " ")
		if got := c.announcement(); got != verb+",192.0.2.1,4711,0" {
			t.Errorf("%s is announced as %s", transport, got)
		}
		if got := c.details(); got != "PID=0,IP=192.0.2.1,PORT=4711,Access="+access+"\n" {
			t.Errorf("%s is introduced as %q", transport, got)
		}
	}
}
