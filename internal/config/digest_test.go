package config_test

import (
	"testing"

	"moip/internal/config"
)

// Configurations have the same digest if they are equal, but for what has to differ in a hub.
func TestDigest(t *testing.T) {
	show := func(s string) string { return s }
	was := config.Default()
	same, other := config.Default(), config.Default()
	same.Cluster.Node, same.Cluster.Listen = "paris", "127.0.0.1:1"
	other.Limits.Keys = 7
	if a, b := was.Digest(show), same.Digest(show); a != b || len(a) != 8 {
		t.Errorf("%s, and %s with another name", a, b)
	}
	if was.Digest(show) == other.Digest(show) {
		t.Error("a limit makes no difference")
	}
}
