package history

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"moip/internal/session"
)

// writeForEver is the process that is killed. Of each call that has ended it says so.
func writeForEver(path string) {
	h, err := Open(path, Options{Node: "killed", Ship: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	long := begins(h, 1, time.Now(), caller("192.0.2.1:1"))
	long.at(time.Millisecond, session.Redirected, "LONG", "")
	for n := session.ID(2); ; n++ {
		s := begins(h, n, time.Now(), caller(fmt.Sprintf("192.0.2.9:%d", n%60_000+1)))
		s.visits(time.Second, 3*time.Second, "ULLA", 12345, "F", session.ReasonFin)
		time.Sleep(rand.N(10 * time.Millisecond))
		s.at(time.Minute, session.Ended, "", session.ReasonGone)
		fmt.Println(n, time.Now().UnixMicro())
	}
}

// A process that is killed leaves the records of all calls, but for the last second's, and
// a sound database; and of those that were under way that they were. On a machine that has
// no time for the process that may be some seconds, but not as many in every round.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	const rounds, busy, usual = 5, 10 * time.Second, 3 * time.Second
	within := 0 // rounds in which only the last ones were lost
	for round := 1; round <= rounds; round++ {
		writer := exec.Command(os.Args[0])
		writer.Env = append(os.Environ(), "MOIP_HISTORY_WRITER="+path)
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		ended := map[uint64]int64{} // when, by number
		var death *time.Timer
		for lines.Scan() {
			var n uint64
			var at int64
			if _, err := fmt.Sscan(lines.Text(), &n, &at); err != nil {
				t.Fatal(lines.Text())
			}
			ended[n] = at
			if death == nil {
				death = time.AfterFunc(1500*time.Millisecond+rand.N(1500*time.Millisecond), func() { writer.Process.Kill() })
			}
		}
		writer.Wait()
		killed := time.Now()
		healthy(t, path)
		h, log := opens(t, path, Options{Ship: true})
		if w := without(log, "damaged"); w == "" {
			t.Error(log)
		}
		newest := records(t, h, Query{Limit: 1}, 1)[0].Run
		there := map[uint64]bool{}
		for before := int64(0); ; {
			all, err := h.Records(context.Background(), Query{Since: newest.Add(-time.Second), Before: before, Limit: MaxRecords})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				before = r.ID
				if !r.Run.Equal(newest) {
					continue
				}
				there[r.Call] = true
				switch whole := len(r.Visits) == 1 && r.Visits[0].Cost == 12345 && r.Cost["F"] == 12345 && r.Reason == "gone"; {
				case r.Call == 1 && (r.Reason != "killed" || len(r.Visits) != 1 || r.Visits[0].Reason != "killed" || r.Ended.Before(r.Began)):
					t.Errorf("the call under way: %+v", r)
				case r.Call != 1 && r.Reason != "killed" && !whole:
					t.Fatalf("%+v", r)
				}
			}
			if len(all) < MaxRecords {
				break
			}
		}
		allWait(t, h)
		lost, oldest := 0, time.Duration(0)
		for n, at := range ended {
			if !there[n] {
				lost++
				oldest = max(oldest, killed.Sub(time.UnixMicro(at)))
			}
		}
		if oldest > busy || !there[1] {
			t.Errorf("a call is lost that had ended %v before; the one under way is there: %v", oldest, there[1])
		}
		if oldest <= usual {
			within++
		}
		t.Logf("round %d: %d calls of %d are lost, of the last %v", round, lost, len(ended), oldest)
		closes(t, h)
	}
	if within == 0 {
		t.Errorf("in each round calls are lost that had ended %v before", usual)
	}
}
