package session

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"moip/videotex"
)

// A call whose portal is lost dials it again when it is its turn; meanwhile its caller is
// told, and Envoi does not get it there before the others.
func TestTurn(t *testing.T) {
	const turn = 3 * time.Second
	asked := 0
	playWith(t, &Config{Limits: limits, Turn: func() time.Duration { asked++; return turn }}, func(r *rig) {
		if r.portals != 1 || asked != 0 {
			t.Fatalf("who calls dials the portal %d times, and asks %d times", r.portals, asked)
		}
		r.portal.leave(errors.New("broken"))
		synctest.Wait()
		r.sees("reste en attente")
		r.sleep(turn / 2)
		r.types(string([]byte{videotex.SEP, videotex.Envoi}))
		r.sleep(turn/2 - 1)
		if r.portals != 1 || asked != 1 {
			t.Errorf("before its turn it has dialled %d times, and asked %d times", r.portals, asked)
		}
		r.sleep(1)
		if r.portals != 2 {
			t.Error("its turn has come, and it does not dial")
		}
		r.expectEvents("began", "waiting")
		r.portal.say("accueil")
		synctest.Wait()
		r.sees("accueil")
	})
}

// So does one that comes back from a visit and finds its portal lost.
func TestTurnAfterVisit(t *testing.T) {
	turn := time.Duration(0)
	playWith(t, &Config{Limits: limits, Turn: func() time.Duration { return turn }}, func(r *rig) {
		r.portal.leave(errors.New("broken")) // at once, if it can be
		synctest.Wait()
		if r.portals != 2 {
			t.Errorf("dialled %d times", r.portals)
		}
		r.visits("X")
		r.portal.leave(errors.New("broken"))
		synctest.Wait()
		turn = time.Second
		r.service.leave(io.EOF)
		synctest.Wait()
		r.sees("reste en attente")
		r.sleep(turn)
		if r.portals != 3 {
			t.Errorf("dialled %d times", r.portals)
		}
	})
}
