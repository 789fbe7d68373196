package doctor

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"moip/internal/testkit/freeport"
)

// We listen, and are found.
func TestOwner(t *testing.T) {
	if o := ownerOf(takenAddress(t)); o.pid != os.Getpid() || !strings.HasPrefix(o.name, "doctor") {
		t.Errorf("%+v", o)
	}
	if o := ownerOf(freeport.Addr(t)); o != (owner{}) {
		t.Errorf("%+v", o)
	}
}

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:2328 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0000000000000000 100 0 0 10 0
   3: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 444 1
   4: 00000000000000000000000001000000:2328 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 555 1
   5: 7F:2328 0:0 0A 0:0 0:0 0 0 0 666 1
   6: cut
`

func TestListening(t *testing.T) {
	for at, want := range map[string][]string{
		"127.0.0.1:9000": {"111", "444"}, "127.0.0.2:9000": {"444"}, "0.0.0.0:9000": {"111", "444", "555"},
		"[::1]:9000": {"444", "555"}, "127.0.0.1:9001": {"333"}, "127.0.0.1:9002": nil,
	} {
		if got := listening(strings.NewReader(table), netip.MustParseAddrPort(at)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", at, got)
		}
	}
}

func FuzzListening(f *testing.F) {
	f.Add(table, uint16(9000))
	f.Fuzz(func(t *testing.T, table string, port uint16) {
		for _, inode := range listening(strings.NewReader(table), netip.AddrPortFrom(netip.Addr{}, port)) {
			if inode == "" || strings.ContainsAny(inode, " \n") {
				t.Errorf("%q", inode)
			}
		}
	})
}
