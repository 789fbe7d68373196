package soon_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/testkit/soon"
)

// What comes about is waited for, and no longer; what does not fails the test in time.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		soon.Is(t, "it is late", func() bool { return time.Since(began) >= time.Second })
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		v := &vain{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			soon.Is(v, "pigs fly", func() bool { return false })
		}()
		<-done
		if took := time.Since(began); !strings.Contains(v.said, "pigs fly") || took < time.Second+soon.Patience {
			t.Errorf("after %v it says %q", took, v.said)
		}
	})
}

// vain is a test that may fail.
type vain struct {
	testing.TB
	said string
}

func (v *vain) Fatalf(format string, a ...any) {
	v.said = fmt.Sprintf(format, a...)
	runtime.Goexit()
}
