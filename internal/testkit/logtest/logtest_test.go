package logtest_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/testkit/logtest"
)

// Who waits for a line hears of it, whenever it is written; many write and wait at once.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Log
		began := time.Now()
		var all sync.WaitGroup
		for n := range 9 {
			all.Go(func() { log.Await(t, fmt.Sprintf("n=%d\n", n)) })
			all.Go(func() {
				time.Sleep(time.Duration(n) * time.Second)
				log.Logger().Info("come", "n", n)
			})
		}
		all.Wait()
		if waited := time.Since(began); waited != 8*time.Second {
			t.Errorf("the last line is heard after %v", waited)
		}
		log.Await(t, "n=0") // already there
		if lines := log.Lines("n=3"); len(lines) != 1 || !log.Has("msg=come n=4") || log.Has("n=9") {
			t.Errorf("3 is on lines %q of\n%s", lines, &log)
		}
		log.Logger().Debug("quietly")
		log.Debug().Debug("loudly")
		if taken := log.Take(); log.Has("n=") || log.String() != "" || len(taken) < 100 {
			t.Errorf("of %q %q is left", taken, &log)
		}
	})
}

// Who waits for what is never written is told what was, and has a test that fails.
func TestAwaitInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Log
		log.Logger().Info("something else")
		v := &vain{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			log.Await(v, "this")
		}()
		<-done
		if v.said == "" {
			t.Error("nobody minds")
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
