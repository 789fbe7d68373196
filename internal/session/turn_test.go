package session

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moip/videotex"
)

// A call whose portal is lost dials it again when it is its turn; meanwhile its caller is
// told, and Envoi does not get it there before the others.
func TestTurn(t *testing.T) {
	const turn = 3 * time.Second
	var asked atomic.Int64
	playWith(t, &Config{Limits: limits, Turn: func() time.Duration { asked.Add(1); return turn }}, func(r *rig) {
		if n := r.dials(); n != 1 || asked.Load() != 0 {
			t.Fatalf("who calls dials the portal %d times, and asks %d times", n, asked.Load())
		}
		r.portal.leave(errors.New("broken"))
		synctest.Wait()
		r.sees("reste en attente")
		r.sleep(turn / 2)
		r.types(string([]byte{videotex.SEP, videotex.Envoi}))
		r.sleep(turn/2 - 1)
		if n := r.dials(); n != 1 || asked.Load() != 1 {
			t.Errorf("before its turn it has dialled %d times, and asked %d times", n, asked.Load())
		}
		r.sleep(1)
		if r.dials() != 2 {
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
	var turn atomic.Int64
	playWith(t, &Config{Limits: limits, Turn: func() time.Duration { return time.Duration(turn.Load()) }}, func(r *rig) {
		r.portal.leave(errors.New("broken")) // at once, if it can be
		synctest.Wait()
		if n := r.dials(); n != 2 {
			t.Errorf("dialled %d times", n)
		}
		r.visits("X")
		r.portal.leave(errors.New("broken"))
		synctest.Wait()
		turn.Store(int64(time.Second))
		r.service.leave(io.EOF)
		synctest.Wait()
		r.sees("reste en attente")
		r.sleep(time.Second)
		if n := r.dials(); n != 3 {
			t.Errorf("dialled %d times", n)
		}
	})
}

// dials returns how often the portal was dialled.
func (r *rig) dials() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.portals
}
