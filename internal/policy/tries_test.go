package policy

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries Tries
		asked := 0
		try := func(from string, right bool) (bool, time.Duration) {
			return tries.Try(netip.MustParseAddr(from), func() bool { asked++; return right })
		}
		for range triesMost {
			if ok, _ := try("192.0.2.1", true); !ok {
				t.Fatal("who is right is refused")
			}
			if ok, wait := try("192.0.2.1", false); ok || wait != 0 {
				t.Fatal(ok, wait)
			}
		}
		time.Sleep(20 * time.Second)
		asked = 0
		if ok, wait := try("192.0.2.1", true); ok || wait != 40*time.Second || asked > 0 {
			t.Error("it was listened to once more:", ok, wait, asked)
		}
		if ok, _ := try("::ffff:192.0.2.1", true); ok {
			t.Error("an address in the form of IPv6 is another household")
		}
		if ok, _ := try("192.0.2.2", true); !ok {
			t.Error("the neighbour pays for it")
		}
		time.Sleep(40 * time.Second)
		if ok, _ := try("192.0.2.1", true); !ok {
			t.Error("it is not forgotten")
		}
	})
}

// A crowd is bounded, too.
func TestTriesOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries Tries
		a := netip.MustParseAddr("10.0.0.0")
		heard := 0
		for range triesHouses + 1000 {
			a = a.Next()
			if _, wait := tries.Try(a, func() bool { return false }); wait == 0 {
				heard++
			}
		}
		if want := triesHouses + triesMost; heard != want || len(tries.wrong) > triesHouses+1 {
			t.Errorf("%d were heard, want %d; %d are known", heard, want, len(tries.wrong))
		}
	})
}
