package history

import (
	"path/filepath"
	"testing"
	"time"

	"moip/internal/session"
)

// Of two gateways that find their history damaged one sets it aside, and leaves what
// the other has begun.
func TestDamagedForTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	first, _ := opens(t, path, Options{})
	second, _ := opens(t, path, Options{})
	first.store.Load().damaged.Store(true)
	second.store.Load().damaged.Store(true)
	for n, h := range []*History{first, second} {
		begins(h, session.ID(n+1), start, caller("")).at(time.Second, session.Ended, "", session.ReasonGone)
		records(t, h, Query{}, n+1)
	}
	if aside, err := filepath.Glob(path + ".damaged-*.??????"); err != nil || len(aside) != 1 {
		t.Errorf("set aside are %v, %v", aside, err)
	}
}
