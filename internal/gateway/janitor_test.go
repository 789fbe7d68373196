package gateway

import (
	"testing"

	"moip/internal/session"
)

// A crowd is over once, when it has come and when it has left, and a few who come and go
// are none until they are many.
func TestCrowd(t *testing.T) {
	var c crowd
	for i, now := range []struct {
		calls int
		last  session.ID
		over  bool
	}{
		{calls: 0, last: 0},
		{calls: 1000, last: 1000},
		{calls: 2000, last: 2000},
		{calls: 2003, last: 2004, over: true},
		{calls: 2003, last: 2004},
		{calls: 2000, last: 2004},
		{calls: 1500, last: 2010}, // they leave
		{calls: 0, last: 2010},
		{calls: 0, last: 2010, over: true},
		{calls: 0, last: 2010},
		{calls: 0, last: 2110}, // came and left in between
		{calls: 0, last: 2110, over: true},
		{calls: 5, last: 2115},
	} {
		if over := c.over(now.calls, now.last); over != now.over {
			t.Errorf("at %d: over is %v", i, over)
		}
	}
	looks := 1
	for last := session.ID(2120); !c.over(5, last); last += 5 {
		looks++
	}
	if looks < 10 || looks > 50 {
		t.Errorf("of a few who come and go, it was over after looking %d times", looks)
	}
}
