package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"moip/internal/control/admin"
)

// States of a gateway.
const (
	running  = "running"
	draining = "draining" // no calls are answered; it ends when the last is over
	replaced = "replaced" // by another process; likewise
	stopping = "stopping"
)

// State tells operators how the gateway is.
func (g *gateway) State() admin.State {
	state := g.state.Load().(string)
	calls, _ := g.board.Count()
	s := admin.State{Certificates: g.certificates(), State: state, Version: g.version, Since: g.began.UTC(), Calls: calls, Portal: g.about.Load().(string), Ready: state == running}
	if !s.Ready {
		s.Why = "the gateway is " + state
	} else if g.link != nil && !g.linkOnBus {
		if up, since := g.link(); !up {
			s.Ready, s.Why = false, "the control link to the portal is down since "+since.Local().Format(time.DateTime)
		}
	}
	return s
}

// Drain answers no more calls, tells the callers that the gateway closes, and ends it
// when the last has left, or after some time. 0 ends it at once.
func (g *gateway) Drain(within time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.runs(); err != nil {
		return err
	}
	g.become(draining)
	g.log.Info("draining", "within", within)
	g.closeDoors()
	g.tasks.Go(func() {
		empty := g.board.Retire()
		g.tellAll(closing(within))
		g.await(empty, within, true)
	})
	return nil
}

// runs returns why a gateway cannot be changed, if it cannot.
func (g *gateway) runs() error {
	if state := g.state.Load(); state != running {
		return fmt.Errorf("the gateway is %s", state)
	}
	return nil
}

// closing is what callers are told when so much time is left.
func closing(left time.Duration) string {
	switch minutes := int(left.Round(time.Minute) / time.Minute); {
	case left < time.Minute:
		return "Fermeture dans quelques instants"
	case minutes == 1:
		return "Fermeture dans 1 minute"
	default:
		return fmt.Sprintf("Fermeture dans %d minutes", minutes)
	}
}

func (g *gateway) tellAll(text string) {
	for _, call := range g.board.Calls() {
		g.board.Message(call.ID, text) // or it has just ended
	}
}

// await waits for the last call to end, for some time at the most, and perhaps reminds
// callers of the end; then the gateway is gone.
func (g *gateway) await(empty <-chan struct{}, within time.Duration, remind bool) {
	end := time.NewTimer(within)
	defer end.Stop()
	warn := time.NewTimer(within - time.Minute)
	defer warn.Stop()
	if !remind || within <= time.Minute {
		warn.Stop()
	}
	defer close(g.gone)
	for {
		select {
		case <-empty:
			return
		case <-end.C:
			return
		case <-warn.C:
			g.tellAll(closing(time.Minute))
		case <-g.stopped.Done():
			return
		}
	}
}

// Upgrade starts the program anew, which may be another version by now, and hands it all
// sockets: nobody is refused. Calls go on here until they end, for as long as a call may
// last. If the new one cannot start, all stays as it is.
func (g *gateway) Upgrade() (admin.Upgraded, error) {
	pid, err := g.upgrade()
	if err != nil {
		g.log.Error("not replaced", "error", err)
	} else {
		g.log.Info("replaced; calls go on here until they end", "by", pid)
		g.tell(fmt.Sprintf("MAINPID=%d", pid))
	}
	return admin.Upgraded{Process: pid}, err
}

func (g *gateway) upgrade() (pid int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.runs(); err != nil {
		return 0, err
	}
	_, last := g.board.Count()
	if pid, err = g.sockets.HandOver(g.stopped, g.legacy(last)); err != nil {
		return 0, err
	}
	g.become(replaced)
	g.shield.Close() // its file is the other's now, and so is that of bans
	g.events.Yield()
	if err := g.bans.Close(); err != nil {
		g.log.Error("bans", "error", err)
	}
	var coming sync.WaitGroup // callers who are no call yet
	for _, l := range g.listeners {
		coming.Go(func() { g.retire(l) })
	}
	if g.inside != nil {
		g.tasks.Go(g.inside.Yield)
	}
	g.tasks.Go(func() {
		g.closeAdminSoon()
		coming.Wait()
		g.await(g.board.Retire(), orNever(g.cfg.Limits.Call), false)
	})
	return pid, nil
}

// closeAdminSoon closes the operators' door, once who is being answered has been, as
// whoever ordered it.
func (g *gateway) closeAdminSoon() {
	if g.admin == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	g.api.Shutdown(ctx)
	g.closeAdmin()
}
