package config

import (
	"testing"
)

// Configurations have the same digest if they are equal, but for what has to differ in a hub.
func TestDigest(t *testing.T) {
	was := Default()
	same, other := Default(), Default()
	same.Cluster.Node, same.Cluster.Listen, same.Admin, same.Log = "paris", "127.0.0.1:1", "127.0.0.1:2", "paris.log"
	other.Limits.Keys = 7
	if a, b := was.Digest(), same.Digest(); a != b || len(a) != 8 {
		t.Errorf("%s, and %s with another name", a, b)
	}
	if was.Digest() == other.Digest() {
		t.Error("a limit makes no difference")
	}
	settings := was.Settings()
	for _, key := range own {
		if _, known := settings[key]; !known {
			t.Errorf("there is no key %s", key)
		}
	}
}
