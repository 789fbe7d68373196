package config

import "testing"

// The spool is beside the history, unless it is told elsewhere.
func TestSpoolFile(t *testing.T) {
	for _, test := range []struct{ spool, history, want string }{
		{"", "", "cluster.spool"}, {"", "none", "cluster.spool"}, {"", "/var/lib/moip/history.db", "/var/lib/moip/cluster.spool"},
		{"none", "", ""}, {"/tmp/waiting", "a/history.db", "/tmp/waiting"},
	} {
		c := Default()
		c.Cluster.Spool, c.History.File = test.spool, test.history
		if got, size := c.SpoolFile(); got != test.want || size != 16<<20 {
			t.Errorf("spool %q beside %q is %q of %d bytes", test.spool, test.history, got, size)
		}
	}
}
