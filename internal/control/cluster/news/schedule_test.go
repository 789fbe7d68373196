package news

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"moip/internal/bus"
)

// A ledger is what a client of a test has been told, by process, over all its visits.
type ledger struct {
	mu    sync.Mutex
	place string
	full  int                 // what it takes before its connection breaks, 0 for all
	told  map[source][]uint64 // numbers; a range that is lost is all of its numbers
	lost  map[source]uint64   // of them
	fault string
}

func (l *ledger) Tell(place string, e Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full > 0 {
		if l.full--; l.full == 0 {
			return false
		}
	}
	l.place = place
	if e.ID == "" {
		return true // a gateway was started anew
	}
	run, n, ok := numberOf(e.ID)
	if !ok {
		l.fault = "no id: " + e.ID
	}
	s := source{e.Gateway, run}
	first := n
	if e.Type == Lost {
		first = n + 1 - e.Lost
		l.lost[s] += e.Lost
	}
	for i := first; i <= n; i++ {
		l.told[s] = append(l.told[s], i)
	}
	return true
}

func (l *ledger) Mark(place string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place = place
	return true
}
func (l *ledger) Quiet() bool { return true }

// mend has the connection not break.
func (l *ledger) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = 0
}

// Whatever is cut, for however long, and whoever is started anew: a client that follows the
// hub, at one gateway or another, is told each event once, and in order of each process.
func TestAnySchedule(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"a", "b", "c"}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{
				rapid.SampledFrom([]int{0, 0, 0, 0, 1, 1, 2, 3, 3, 4}).Draw(t, "what"),
				rapid.IntRange(0, len(names)-1).Draw(t, "who"),
				rapid.SampledFrom([]int{1, 2, 20, 150, 1500, 9000}).Draw(t, "how much"),
			}
		}), 1, 25).Draw(rt, "steps")
		for _, name := range names {
			os.Remove(filepath.Join(dir, name))
		}
		var faults []string
		synctest.Test(t, func(t *testing.T) {
			var x bus.Exchange
			var all []*station // that there are
			happened := map[source]uint64{}
			for _, name := range names {
				all = append(all, openWith(&x, name, filepath.Join(dir, name), 1<<20))
			}
			time.Sleep(3 * time.Second)
			l := &ledger{told: map[source][]uint64{}, lost: map[source]uint64{}}
			ctx, cancel := context.WithCancel(context.Background())
			at := 0
			done := make(chan struct{})
			follow := func(i int) {
				ctx, cancel = context.WithCancel(context.Background())
				at, done = i, make(chan struct{})
				go func(done chan struct{}) {
					defer close(done)
					all[i].Wire.Follow(ctx, l.place, "", l)
				}(done)
			}
			leave := func() { cancel(); <-done }
			follow(0)
			synctest.Wait()
			cut := map[int]bool{}
			for _, step := range steps {
				what, who, much := step[0], step[1], step[2]
				switch what {
				case 0: // something happens
					for range min(much, 150) {
						all[who].call()
					}
				case 1: // the line is cut, or mended
					if cut[who] = !cut[who]; cut[who] {
						all[who].Cut(errCut)
					} else {
						all[who].Cut(nil)
					}
				case 2: // a gateway ends in good order, and starts anew
					if cut[who] || cut[at] || at == who {
						continue // else what was not told yet is lost with it
					}
					l.mend()
					leave()
					follow(at)
					time.Sleep(20 * time.Second)
					happened[all[who].source] = all[who].Told()
					all[who].stop()
					all[who] = openWith(&x, names[who], filepath.Join(dir, names[who]), 1<<20)
				case 3: // the client goes elsewhere
					leave()
					follow(who)
				case 4: // its connection breaks soon
					l.mu.Lock()
					l.full = 1 + much%50
					l.mu.Unlock()
				}
				select {
				case <-done:
					leave()
					follow(at)
				case <-time.After(time.Duration(much) * time.Millisecond):
				}
			}
			l.mend()
			for _, s := range all {
				s.Cut(nil)
			}
			leave()
			follow(at)
			time.Sleep(time.Minute)
			leave()
			for _, s := range all {
				happened[s.source] = s.Told()
				s.stop()
			}
			for s, n := range happened {
				var want []uint64
				for i := range n {
					want = append(want, i)
				}
				if got := l.told[s]; !slices.Equal(got, want) || l.lost[s] > 0 {
					faults = append(faults, fmt.Sprintf("of %d events of %s, the client was told%s, %d of them lost", n, s, ranges(got), l.lost[s]))
				}
			}
			if l.fault != "" {
				faults = append(faults, l.fault)
			}
		})
		if len(faults) > 0 {
			rt.Fatal(faults)
		}
	})
}

func ranges(all []uint64) (text string) {
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j] == all[j-1]+1 {
			j++
		}
		text += fmt.Sprintf(" %d-%d", all[i], all[j-1])
		i = j
	}
	return text
}
