package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Queue
		const n, crowd = 100, 1000
		soon, latest := 0, time.Duration(0)
		for range crowd {
			d := q.Turn(n)
			if d == 0 {
				soon++
			} else if d < latest+time.Second/n {
				t.Fatalf("a turn in %v comes after one in %v", d, latest)
			}
			latest = d
		}
		if soon != n/10+1 || latest > crowd*time.Second/n {
			t.Errorf("%d may go at once, the last in %v", soon, latest)
		}
		time.Sleep(latest + time.Second)
		if d := q.Turn(n); d != 0 {
			t.Errorf("when all have gone, the next waits for %v", d)
		}
		if d := q.Turn(0); d != 0 {
			t.Errorf("without a pace, the next waits for %v", d)
		}
	})
}
