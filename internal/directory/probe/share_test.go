package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/session"
)

// Of several Probers each tries what is assigned to it, tells the rest what it finds, and
// learns what they find.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		targets := []Target{target("A", 10*time.Second), target("B", 10*time.Second), target("C", 0)}
		tried := map[string]bool{}
		p := New(func(_ context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
			tried[r.URL] = true
			return nil, errRefused
		}, nil)
		p.Share("paris", "i1")
		p.Watch(targets)
		p.Assign(func(key uint64) bool { return key == targets[0].Key() })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.Run(ctx)
		if keys, _ := p.Keys(); len(keys) != 2 {
			t.Errorf("%d are to be tried", len(keys))
		}
		if all, unknown := p.Ours(); len(all) != 0 || len(unknown) != 1 || unknown[0] != targets[0].Key() {
			t.Errorf("%v, %v", all, unknown)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(tried) != 1 || !tried["tcp://A:1"] {
			t.Errorf("tried: %v", tried)
		}
		cancel() // from here on, nothing is tried
		synctest.Wait()
		news := p.News()
		if len(news) != 1 || news[0].Name != "A" || news[0].Up || news[0].By != "paris" || news[0].ID == "" || len(p.News()) != 0 {
			t.Errorf("%+v", news)
		}

		// What is found elsewhere is believed if it is newer, and from who keeps the service.
		heard := func(n int, id string, ago time.Duration, up, assigned bool) {
			p.Learn(Finding{Key: targets[n].Key(), ID: id, State: State{Known: true, Up: up, At: time.Now().Add(-ago), Since: time.Now().Add(-ago), By: "lyon"}}, assigned)
		}
		heard(1, "i2-1", time.Second, true, false)
		if s := p.State("B"); !s.Up || s.By != "lyon" {
			t.Errorf("%+v", s)
		}
		heard(1, "i2-0", time.Minute, false, false)
		if s := p.State("B"); !s.Up {
			t.Errorf("what is old is believed: %+v", s)
		}
		heard(1, "i2-0", time.Minute, false, true)
		if s := p.State("B"); s.Up {
			t.Errorf("who keeps the service is not believed: %+v", s)
		}
		if news := p.News(); len(news) != 0 {
			t.Errorf("what others have told is told: %+v", news)
		}

		// What a call finds is told if it is new, and else now and then; and who keeps the
		// service gets it back only when it is not known there.
		p.Note("B", true, nil)
		p.Note("C", true, nil)
		if news := p.News(); len(news) != 2 {
			t.Errorf("%+v", news)
		}
		p.Note("B", true, nil)
		if news := p.News(); len(news) != 0 {
			t.Errorf("each call is told: %+v", news)
		}
		time.Sleep(6 * time.Second)
		p.Note("B", true, nil)
		p.Note("C", true, nil)
		if news := p.News(); len(news) != 1 || news[0].Name != "B" {
			t.Errorf("%+v", news)
		}
		p.Note("B", false, errRefused)
		heard(1, "i2-3", time.Minute, true, true)
		if s := p.State("B"); s.Up {
			t.Error("what has just been found is lost before it is told")
		}
		p.News()
		p.Remind([]uint64{targets[1].Key(), 42})
		if news := p.News(); len(news) != 1 {
			t.Errorf("%+v", news)
		}
		p.Learn(Finding{Key: 42, ID: "i2-4"}, true) // which is not in this directory
	})
}
