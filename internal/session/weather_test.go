package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/videotex"
)

// What follows went wrong once, or nearly.

// late is a peer that is sent more just as Flush is about to return.
type late struct {
	*peer
	more func()
}

func (l *late) Flush() {
	l.peer.Flush()
	if f := l.more; f != nil {
		l.more = nil
		f()
	}
}

func TestKeptWhileFlushReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, service := newPeer(), &late{peer: newPeer()}
		cfg := &Config{Limits: limits, Emit: func(Event) {},
			DialPortal:  func(context.Context, ID, Route) (Endpoint, error) { return newPeer(), nil },
			DialService: func(context.Context, ID, Route) (Endpoint, error) { return service, nil },
		}
		c := Start(cfg, 1, Caller{}, caller)
		synctest.Wait()
		c.Redirect(Route{})
		synctest.Wait()
		service.stick()
		caller.say("a")
		synctest.Wait()
		typed := make(chan bool)
		service.more = func() {
			service.stick()
			caller.say("b")
			<-typed
		}
		service.unstick()
		synctest.Wait()
		close(typed)
		synctest.Wait()
		c.mu.Lock()
		if !c.service.busy {
			t.Error("a key is kept and nobody flushes it")
		}
		c.mu.Unlock()
		service.unstick()
		synctest.Wait()
		if got := service.got(); got != "ab" {
			t.Errorf("service got %q", got)
		}
		caller.leave(errors.New("broken"))
		synctest.Wait()
	})
}

// A portal that is not read, because the caller is slow, may have reacted.
func TestFinBehindAPage(t *testing.T) {
	play(t, func(r *rig) {
		r.caller.stick()
		go func() {
			r.portal.say(strings.Repeat("x", maxPage+maxOut))
			r.portal.say("really?")
		}()
		synctest.Wait()
		r.types(fin)
		r.sleep(3 * finReact)
		r.expectEvents("began")
		r.caller.unstick()
		r.sleep(finReact)
		r.sees("really?")
		r.expectEvents()
	})
}

func TestAnswersAreNotActivity(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		for range 11 {
			r.service.say("\x1b\x61")
			synctest.Wait()
			r.types("\x1f\x41\x41")
			r.sleep(time.Minute)
		}
		r.expectEvents("began", "redirecting", "redirected", "ended idle")
	})
}

// A portal that answers and breaks off, again and again, is away all the same.
func TestFlappingPortal(t *testing.T) {
	play(t, func(r *rig) {
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					r.mu.Lock()
					p := r.portal
					r.mu.Unlock()
					p.leave(errors.New("reset"))
				}
			}
		}()
		r.sleep(limits.Wait + time.Minute)
		close(stop)
		r.expectEvents("began", "waiting", "ended noportal")
	})
}

func TestKeysWhileWaitingAndDeaf(t *testing.T) {
	play(t, func(r *rig) {
		r.portalErr = errors.New("down")
		r.portal.leave(errors.New("lost"))
		synctest.Wait()
		r.caller.stick()
		for range 1000 {
			r.types("k")
		}
		if n := len(r.caller.kept) + r.screen.Size(); n > maxOut {
			t.Errorf("%d bytes wait", n)
		}
	})
}

func TestArticleThatLoadsASet(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.portal.say("\x1f\x40\x41cost\x1f\x23\x20\x20\x20\x42\x49\x1f\x23\x21\x30@@@@@\x30\x1f\x41\x41\x0cpage")
		synctest.Wait()
		r.expect("caller", r.caller, "\x1f\x40\x41cost\n")
	})
}

func TestPortalInTeleinformatique(t *testing.T) {
	play(t, func(r *rig) {
		r.portal.say("\x1b\x3a\x31\x7dlogin:")
		synctest.Wait()
		r.visits("up")
		r.types(fin)
		r.portal.say("\x0chello again")
		synctest.Wait()
		r.sees("\x0chello again")
	})
}

// ENQ is a question that many terminals do not answer. The portal's must not
// take the answer to the service's ENQROM.
func TestUnansweredQuestion(t *testing.T) {
	play(t, func(r *rig) {
		r.portal.say("\x05\x0cpage")
		synctest.Wait()
		r.visits("up")
		r.service.say("\x1b\x39\x7b")
		synctest.Wait()
		r.types("\x01Cu<\x04")
		r.expect("service", r.service, "\x01Cu<\x04")
		r.types("\x01RAM\x04") // now for the ENQ
		r.expect("portal", r.portal, "\x01RAM\x04")
	})
}

func TestQuestionBehindAPageOnASlowLine(t *testing.T) {
	play(t, func(r *rig) {
		r.caller.stick()
		r.portal.say(strings.Repeat("x", 1000) + "\x1b\x39\x7b")
		r.sleep(20 * time.Second)
		r.caller.unstick()
		synctest.Wait()
		r.types("\x01Cu<\x04")
		r.expect("portal", r.portal, "\x01Cu<\x04")
	})
}

// A portal that does not answer at all is dialled once, not twice, before the
// caller is told.
func TestPortalThatDoesNotAnswer(t *testing.T) {
	playWith(t, &Config{Limits: limits}, func(r *rig) {
		r.portalErr = context.DeadlineExceeded
		r.portal.leave(errors.New("lost"))
		synctest.Wait()
		r.sees(string(videotex.Encode("Service momentanément indisponible")))
		if r.portals != 2 {
			t.Errorf("dialled %d times", r.portals)
		}
	})
}

// The bytes of a forged introduction are spread over redirections in all ways.
func TestForgedAcrossStates(t *testing.T) {
	const forged = "\x01\x7f\x7f\x7f\x04"
	for i := range len(forged) + 1 {
		for j := i; j <= len(forged); j++ {
			for _, service := range []string{"up", "silent", "down"} {
				play(t, func(r *rig) {
					r.portal.say("\x1b\x39\x7b")
					synctest.Wait()
					r.types(forged[:i])
					r.visits(service)
					r.types(forged[i:j])
					r.Recall()
					synctest.Wait()
					r.types(forged[j:])
					if got := r.portal.got(); strings.Contains(got, "\x01") {
						t.Errorf("cut at %d and %d, service %s: portal got %q", i, j, service, got)
					}
				})
			}
		}
	}
}
