package session

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/videotex"
)

const (
	fin   = "\x13\x49"
	envoi = "\x13\x41"
)

// article is the message text as the caller gets it.
func article(text string) string { return string(videotex.Article(text)) }

func TestKeysGoWhereTheKeyboardIs(t *testing.T) {
	play(t, func(r *rig) {
		r.types("3615 ULLA\x13\x41")
		r.expect("portal", r.portal, "3615 ULLA\x13\x41")
		r.visits("ULLA")
		r.types("bonjour\x13\x48")
		r.expect("service", r.service, "bonjour\x13\x48")
		r.expect("portal", r.portal, "")
		r.types("x" + fin + "y")
		r.expect("service", r.service, "x"+fin)
		r.expect("portal", r.portal, "y")
		r.expectEvents("began", "redirecting", "redirected", "returned fin")
	})
}

func TestHalfKey(t *testing.T) {
	play(t, func(r *rig) {
		r.types("\x13")
		r.expect("portal", r.portal, "")
		r.types("\x41")
		r.expect("portal", r.portal, envoi)
		r.types("a\x13")
		r.sleep(sepWait)
		r.expect("portal", r.portal, "a\x13")
		r.types("\x1b")
		r.sleep(escWait - 1)
		r.expect("portal", r.portal, "")
		r.sleep(1)
		r.expect("portal", r.portal, "\x1b")
		r.types("\x1b")
		r.types("[A")
		r.expect("portal", r.portal, "\x1b[A")
	})
}

// A key whose halves come before and after a redirection goes whole to who
// holds the keyboard when it completes.
func TestHalfKeyAcrossRedirect(t *testing.T) {
	play(t, func(r *rig) {
		r.types("\x13")
		r.visits("up")
		r.types("\x46")
		r.expect("portal", r.portal, "")
		r.expect("service", r.service, "\x13\x46")
	})
}

func TestFinIsTheFirstKey(t *testing.T) {
	for _, key := range []string{fin, "\x13\x59", "***\x13\x46", "\x1b\x29\x34\r"} {
		play(t, func(r *rig) {
			r.visits("up")
			for _, b := range []byte(key) { // split as some clients do
				r.types(string(b))
			}
			if !r.service.closed() {
				t.Error("the service still holds the line")
			}
			if strings.HasPrefix(key, "***") {
				r.expect("service", r.service, "***"+fin)
			} else {
				r.expect("service", r.service, fin)
			}
			r.expect("portal", r.portal, "")
			r.types("z")
			r.expect("portal", r.portal, "z")
			r.expectEvents("began", "redirecting", "redirected", "returned fin")
		})
	}
}

func TestSommaireAlone(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.types("**\x13\x46*a**\x13\x46")
		r.expect("service", r.service, "**\x13\x46*a**\x13\x46")
		r.expectEvents("began", "redirecting", "redirected")
	})
}

func TestFormsOfFin(t *testing.T) {
	for form, want := range map[Fin]string{FinKey: fin, FinModem: "\x13\x59", FinClose: ""} {
		play(t, func(r *rig) {
			r.follows(Route{Name: "up", Fin: form})
			r.types("\x13\x59")
			r.expect("service", r.service, want)
			if !r.service.closed() {
				t.Error("not closed")
			}
		})
	}
}

func TestFinCancelsTheDial(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("silent")
		r.types("typed ahead" + fin + "after")
		r.expect("portal", r.portal, "after")
		r.expectEvents("began", "redirecting", "returned fin")
		r.visits("up")
		r.types("x")
		r.expect("service", r.service, "x")
	})
}

func TestFinWhileAPageIsSent(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.caller.got()
		r.caller.stick()
		page := strings.Repeat("\x1f\x42\x41bonjour\x19\x42e", 300)
		for part := range 8 {
			n := len(page) / 8
			go r.service.say(page[part*n : part*n+n])
			synctest.Wait()
		}
		r.types(fin)
		if !r.service.closed() {
			t.Error("the service still holds the line")
		}
		r.caller.unstick()
		synctest.Wait()
		got := r.caller.got()
		if len(got) > maxOut {
			t.Errorf("the caller still gets %d bytes of the service", len(got))
		}
		var p videotex.Parser
		for _, b := range []byte(got) {
			p.Step(b)
		}
		if !p.AtRest() {
			t.Errorf("cut in the middle of a sequence: %q", got[len(got)-8:])
		}
		r.portal.say("\x0chello")
		synctest.Wait()
		r.sees("\x0chello")
	})
}

func TestFinAtThePortal(t *testing.T) {
	play(t, func(r *rig) {
		r.types(fin)
		r.expect("portal", r.portal, fin)
		r.portal.say("really?")
		r.sleep(finReact)
		r.sees("really?")
		r.types(fin)
		r.sees(article("Au revoir"))
		if !r.caller.closed() {
			t.Error("the caller is still there")
		}
		r.expectEvents("began", "ended fin")
	})
	play(t, func(r *rig) { // a portal that does not react
		r.types(fin)
		r.sleep(finReact)
		r.sees(article("Au revoir"))
		r.expectEvents("began", "ended fin")
	})
	play(t, func(r *rig) { // a portal that hangs up, as PyMoIP does
		r.types(fin)
		r.portal.say("\x0cmerci")
		r.portal.leave(io.EOF)
		synctest.Wait()
		r.sees("\x0cmerci")
		r.expectEvents("began", "ended fin")
	})
	play(t, func(r *rig) { // two, far apart
		r.types(fin)
		r.portal.say("really?")
		r.sleep(finAgain)
		r.types(fin)
		r.expect("portal", r.portal, fin+fin)
		r.portal.say("really?")
		synctest.Wait()
		r.expectEvents("began")
	})
}

func TestEndsOfAVisit(t *testing.T) {
	for want, f := range map[string]func(*rig){
		"returned closed":   func(r *rig) { r.service.leave(io.EOF) },
		"returned lost":     func(r *rig) { r.service.leave(errors.New("reset")) },
		"returned stalled":  func(r *rig) { r.service.leave(ErrStalled) },
		"returned recalled": func(r *rig) { r.Recall() },
		"returned visit":    func(r *rig) { r.keepAlive(limits.Visit) },
	} {
		play(t, func(r *rig) {
			r.visits("up")
			r.service.say("whole\x1f\x42")
			synctest.Wait()
			r.caller.got()
			f(r)
			synctest.Wait()
			r.expectEvents("began", "redirecting", "redirected", want)
			r.portal.say("\x0cpage")
			synctest.Wait()
			got := r.caller.got()
			text := article(returned[r.last.Reason])
			if !strings.Contains(got, text) || !strings.HasSuffix(got, "\x0cpage") || strings.Contains(got, "\x1f\x42") {
				t.Errorf("%s: caller got %q", want, got)
			}
			r.sleep(noticeAgain)
			r.sees(text)
			r.types("k")
			if got := r.portal.got(); !strings.HasSuffix(got, "k") {
				t.Errorf("portal got %q", got)
			}
		})
	}
}

// keepAlive types now and then for d.
func (r *rig) keepAlive(d time.Duration) {
	for ; d > 0; d -= 5 * time.Minute {
		r.sleep(min(d, 5*time.Minute))
		r.types(".")
	}
}

func TestFailures(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("down")
		r.expectEvents("began", "redirecting", "returned refused")
		r.sees(article("Ce service est inaccessible"))
	})
	play(t, func(r *rig) {
		r.visits("silent")
		r.types("ahead")
		r.sleep(limits.Dial)
		r.expectEvents("began", "redirecting", "returned timeout")
		r.sees(article("Ce service ne répond pas"))
		r.expect("portal", r.portal, "ahead")
	})
	play(t, func(r *rig) { // a service that takes no keys
		r.visits("up")
		r.service.stick()
		for range 6 {
			r.types(strings.Repeat("k", 1000))
		}
		r.expectEvents("began", "redirecting", "redirected", "returned stalled")
	})
	play(t, func(r *rig) { // endless typing while nobody answers
		r.visits("silent")
		for range 13 {
			r.types(strings.Repeat("k", 1000))
		}
		r.expectEvents("began", "redirecting", "returned stalled")
		if n := len(r.portal.got()); n != 13_000 {
			t.Errorf("portal got %d keys of 13000", n)
		}
	})
}

func TestRefusals(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("silent")
		if err := r.Redirect(Route{Name: "up"}); err != ErrBusy {
			t.Errorf("while dialing: %v", err)
		}
		r.Recall()
		r.visits("up")
		if err := r.Redirect(Route{Name: "up"}); err != ErrBusy {
			t.Errorf("while redirected: %v", err)
		}
		r.Hangup(ReasonShutdown)
		if err := r.Redirect(Route{Name: "up"}); err != ErrOver {
			t.Errorf("after the end: %v", err)
		}
		if err := r.Message("?"); err != ErrOver {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestPortalSpeaksOnRow0DuringAVisit(t *testing.T) {
	play(t, func(r *rig) {
		r.portal.say("\x0cpage\x1f") // its last sequence is cut in two
		synctest.Wait()
		r.visits("up")
		r.sees("\x0cpage")
		r.service.say("\x0cservice\x19")
		synctest.Wait()
		r.portal.say("\x42\x41never shown\x1f\x40\x5d 1.41Fr\x18\nnor this\x1b\x39\x7b")
		synctest.Wait()
		r.expect("caller", r.caller, "\x0cservice\x1f\x40\x5d 1.41Fr\x18\n")
		r.portal.say("\x1f00\x18LIB00\n") // PyMoIP's way
		synctest.Wait()
		r.service.say("\x42e")
		synctest.Wait()
		r.expect("caller", r.caller, "\x1f00\x18LIB00\n\x19\x42e")
		r.portal.say("\x1f\x40\x41half an art")
		synctest.Wait()
		r.service.leave(io.EOF)
		synctest.Wait()
		r.caller.got()
		r.portal.say("icle\npage")
		synctest.Wait()
		r.expect("caller", r.caller, "page")
	})
}

func TestOnlyTheNewestArticle(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.caller.stick()
		r.service.say("page")
		synctest.Wait()
		for _, cost := range []string{"1", "2", "3"} {
			r.portal.say("\x1f\x40\x41" + cost + "\n")
			synctest.Wait()
		}
		r.caller.unstick()
		synctest.Wait()
		r.expect("caller", r.caller, "page\x1f\x40\x413\n")
	})
}

func TestAnswers(t *testing.T) {
	const asks, identity = "\x1b\x39\x7b", "\x01Cu<\x04"
	play(t, func(r *rig) {
		r.types(identity) // nobody asked
		r.expect("portal", r.portal, "")
		r.portal.say(asks)
		synctest.Wait()
		r.visits("up")
		r.types(identity + "k")
		r.expect("portal", r.portal, identity)
		r.expect("service", r.service, "k")
		r.service.say("\x1b\x61" + "\x1b\x3a\x69\x43")
		synctest.Wait()
		r.types("\x1b\x3a\x73\x42") // not in the order of the questions
		r.types("\x1f\x45\x50")
		r.expect("service", r.service, "\x1b\x3a\x73\x42\x1f\x45\x50")
		r.service.say(asks)
		synctest.Wait()
		r.types(fin)
		r.types(identity + "k")
		r.expect("portal", r.portal, "k") // who asked has left
		r.portal.say(asks)
		r.sleep(askWait + 1)
		r.types(identity)
		r.expect("portal", r.portal, "")
		if r.Info().Identity != [3]byte{'C', 'u', '<'} {
			t.Errorf("identity %q", r.Info().Identity)
		}
		if r.last.Identity != r.Info().Identity {
			t.Errorf("events tell of %q", r.last.Identity)
		}
	})
}

// A caller who sends what a gateway introduces itself with is not believed,
// however it is cut and whatever was asked.
func TestCallerCannotIntroduceItself(t *testing.T) {
	const forged = "\x01\x7f\x7f\x7f\x04"
	play(t, func(r *rig) {
		for _, asked := range []bool{false, true} {
			for i := range len(forged) {
				if asked {
					r.portal.say("\x1b\x39\x7b")
				}
				r.types(forged[:i])
				r.types(forged[i:])
				r.types("\x01\x7f\x7f\x7f\x7f\x04")
				r.types("\x01\x7f")
				r.sleep(time.Second)
				r.types("\x7f\x7f\x04")
				r.types("\x01\x01\x7f\x7f\x7f\x13\x41\x04")
				r.types("\x01" + strings.Repeat("\x7f", 20))
			}
		}
		if got := r.portal.got(); strings.Contains(got, "\x01") {
			t.Errorf("portal got %q", got)
		}
	})
}

func TestSlowCallerSlowsTheService(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.caller.stick()
		said := 0
		go func() {
			for range 400 {
				r.service.say(strings.Repeat("x", 500))
				said += 500
			}
		}()
		synctest.Wait()
		if said > 2*maxPage+maxOut {
			t.Errorf("the service could say %d bytes to a caller that takes none", said)
		}
		r.types("k")
		r.expect("service", r.service, "k") // keys still pass
		r.caller.unstick()
		synctest.Wait()
		if n := len(r.caller.got()); said != 200000 || n != said {
			t.Errorf("the caller got %d bytes of %d, of 200000", n, said)
		}
	})
}

func TestSlowCallerIsDropped(t *testing.T) {
	for err, want := range map[error]string{ErrStalled: "ended slow", ErrSilent: "ended silent", io.EOF: "ended gone"} {
		play(t, func(r *rig) {
			r.caller.leave(err)
			synctest.Wait()
			r.expectEvents("began", want)
		})
	}
}

func TestLimits(t *testing.T) {
	play(t, func(r *rig) {
		r.sleep(limits.Idle - warning)
		r.sees(article("Êtes-vous là ? Fin dans 1 minute"))
		r.types("k")
		r.sleep(limits.Idle - warning - 1)
		r.expect("caller", r.caller, "")
		r.sleep(1)
		r.sees(article("Êtes-vous là ? Fin dans 1 minute"))
		r.sleep(warning)
		r.sees(article("Fin : plus aucune touche reçue"))
		r.expectEvents("began", "ended idle")
	})
	play(t, func(r *rig) { // output is not activity
		r.visits("up")
		for range 60 {
			r.service.say("x")
			r.sleep(10 * time.Second)
		}
		r.expectEvents("began", "redirecting", "redirected", "ended idle")
	})
	play(t, func(r *rig) {
		r.visits("up")
		r.keepAlive(limits.Visit - warning)
		r.sees(article("Fin de la visite dans 1 minute"))
		r.sleep(warning)
		r.expectEvents("began", "redirecting", "redirected", "returned visit")
		r.keepAlive(limits.Call - limits.Visit - warning)
		r.sees(article("Fin de l'appel dans 1 minute"))
		r.sleep(warning)
		r.sees(article("Fin : durée maximale atteinte"))
		r.expectEvents("ended total")
	})
	playWith(t, &Config{}, func(r *rig) { // no limits
		r.visits("up")
		r.sleep(100 * time.Hour)
		r.expectEvents("began", "redirecting", "redirected")
	})
}

func TestFarewellToACallerWhoTakesNothing(t *testing.T) {
	play(t, func(r *rig) {
		r.caller.stick()
		r.portal.say("page")
		synctest.Wait()
		r.Hangup(ReasonShutdown)
		r.sleep(limits.Drain - 1)
		r.expectEvents("began")
		r.sleep(1)
		r.expectEvents("ended shutdown")
	})
}

func TestPortalAway(t *testing.T) {
	lost := errors.New("connection reset")
	play(t, func(r *rig) { // lost, and back at once
		r.portal.leave(lost)
		synctest.Wait()
		r.types("k")
		r.expect("portal", r.portal, "k")
		if r.portals != 2 {
			t.Errorf("dialled %d times", r.portals)
		}
		r.expectEvents("began")
	})
	play(t, func(r *rig) { // lost for a while
		r.portalErr = lost
		r.portal.leave(lost)
		synctest.Wait()
		r.sees(string(videotex.Encode("Service momentanément indisponible")))
		r.types("k")
		r.expect("caller", r.caller, "\x07")
		r.sleep(time.Minute)
		if r.portals < 6 || r.portals > 10 {
			t.Errorf("dialled %d times in the first minute", r.portals)
		}
		n := r.portals
		r.portalErr = nil
		r.types(envoi)
		if r.portals != n+1 {
			t.Error("Envoi did not dial at once")
		}
		r.portal.say("\x0cpage")
		synctest.Wait()
		r.sees("\x0cpage")
		r.types("k")
		r.expect("portal", r.portal, "k")
		r.sleep(limits.Wait)
		r.expectEvents("began", "waiting")
	})
	play(t, func(r *rig) { // for too long
		r.portalErr = lost
		r.portal.leave(lost)
		r.sleep(limits.Wait)
		r.sees(article("Fin : service indisponible"))
		r.expectEvents("began", "waiting", "ended noportal")
	})
	play(t, func(r *rig) { // the caller does not wait
		r.portalErr = lost
		r.portal.leave(lost)
		synctest.Wait()
		r.types(fin)
		r.expectEvents("began", "waiting", "ended fin")
	})
	play(t, func(r *rig) { // during a visit it is not missed
		r.visits("up")
		r.portal.leave(lost)
		r.sleep(time.Minute)
		if r.portals != 1 {
			t.Errorf("dialled %d times", r.portals)
		}
		r.types("k")
		r.expect("service", r.service, "k")
		r.types(fin)
		r.types("k")
		r.expect("portal", r.portal, "k")
		r.expectEvents("began", "redirecting", "redirected", "waiting", "returned fin")
	})
	play(t, func(r *rig) { // it hangs up
		r.portal.say("\x0cau revoir")
		r.portal.leave(io.EOF)
		synctest.Wait()
		r.sees("\x0cau revoir")
		r.expectEvents("began", "ended hangup")
	})
}

func TestLeavingDuringAVisit(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.caller.leave(io.EOF)
		synctest.Wait()
		if !r.service.closed() || !r.portal.closed() {
			t.Error("legs are left open")
		}
		r.expectEvents("began", "redirecting", "redirected", "ended gone")
		if r.last.Visited[0] != "up" {
			t.Errorf("visited %q", r.last.Visited)
		}
	})
}

// An informed peer takes news beside the screen.
type informed struct {
	*peer
	told []string
}

func (i *informed) Tell(e Event) bool {
	i.told = append(i.told, strings.Join([]string{string(e.Type), e.Route.Name, string(e.Reason)}, " "))
	return i.Send(nil)
}

func TestNews(t *testing.T) {
	var i *informed
	newCaller := func(p *peer) Endpoint { i = &informed{peer: p}; return i }
	expect := func(r *rig, want ...string) {
		r.Helper()
		if !slices.Equal(i.told, want) {
			r.Errorf("told %q, want %q", i.told, want)
		}
		i.told = nil
	}
	playAs(t, newCaller, func(r *rig) {
		r.visits("up")
		expect(r, "redirecting up ", "redirected up ")
		r.types(fin)
		expect(r, "returned up fin")
		r.visits("down")
		expect(r, "redirecting down ", "returned down refused")
		r.Hangup(ReasonIdle)
		expect(r, "ended  idle") // before the farewell is taken
	})
	playAs(t, newCaller, func(r *rig) { // what the caller does not see of the portal is no news
		lost := errors.New("connection reset")
		for range 2 { // a portal that comes and goes, too
			r.visits("up")
			r.portalErr = lost
			r.portal.leave(lost)
			synctest.Wait()
			expect(r, "redirecting up ", "redirected up ")
			r.types(fin)
			expect(r, "returned up fin", "waiting  ")
			r.portalErr = nil
			r.types(envoi)
			expect(r, "returned  ")
		}
	})
	playAs(t, newCaller, func(r *rig) { // a slow line gets the newest
		r.caller.stick()
		r.portal.say("page")
		synctest.Wait()
		r.visits("up")
		r.types(fin)
		expect(r)
		r.caller.unstick()
		synctest.Wait()
		expect(r, "returned up fin")
	})
}

// A call under way goes by new limits, counted from when they began; by a new portal only
// when it has lost the one that it has.
func TestAdopt(t *testing.T) {
	play(t, func(r *rig) {
		r.visits("up")
		r.sleep(9 * time.Minute)
		r.types("x")
		cfg := *r.Config
		cfg.Limits.Visit = 15 * time.Minute
		cfg.Limits.Call, cfg.Limits.Idle = 0, 0
		cfg.Portal.Fin = FinModem
		r.Adopt(&cfg)
		r.sleep(5*time.Minute - time.Second)
		r.caller.got()
		r.sleep(2 * time.Second)
		r.sees(article("Fin de la visite dans 1 minute"))
		r.sleep(time.Minute)
		r.expectEvents("began", "redirecting", "redirected", "returned visit")
		r.portal.got()
		r.types(fin)
		r.expect("portal", r.portal, fin) // as it was when the portal was dialled
		r.portal.say("stay")

		cfg2 := cfg
		cfg2.Limits.Call = 5 * time.Minute // which are over
		r.Adopt(&cfg2)
		r.sleep(time.Second)
		r.caller.got()
		r.sleep(time.Minute)
		r.expectEvents("ended total")
		r.Adopt(&cfg) // too late, and harmless
	})
}

// Nobody is cut without a warning because a limit has changed, and nobody warned again
// because another has.
func TestAdoptWarns(t *testing.T) {
	const asked, total = "Êtes-vous là ? Fin dans 1 minute", "Fin de l'appel dans 1 minute"
	with := func(r *rig, change func(*Limits)) {
		cfg := *r.Config
		change(&cfg.Limits)
		r.Adopt(&cfg)
		r.sleep(0)
	}
	idle := func(d time.Duration) func(*Limits) { return func(l *Limits) { l.Idle = d } }
	call := func(d time.Duration) func(*Limits) { return func(l *Limits) { l.Call = d } }

	playWith(t, &Config{}, func(r *rig) { // who is over a limit that there was not has a minute
		r.sleep(time.Hour)
		with(r, idle(5*time.Minute))
		r.sleep(1)
		r.sees(article(asked))
		r.sleep(warning - 2)
		r.expectEvents("began")
		r.sleep(2)
		r.expectEvents("ended idle")
	})
	playWith(t, &Config{}, func(r *rig) { // and a key saves the call, which is warned again
		r.sleep(time.Hour)
		with(r, idle(5*time.Minute))
		r.sleep(1)
		r.sees(article(asked))
		r.types("k")
		r.sleep(4*time.Minute - 1)
		r.expect("caller", r.caller, "")
		r.sleep(1)
		r.sees(article(asked))
		r.sleep(time.Minute)
		r.expectEvents("began", "ended idle")
	})
	playWith(t, &Config{Limits: Limits{Idle: 5 * time.Minute}}, func(r *rig) { // another limit, after the warning
		r.sleep(4*time.Minute + 30*time.Second)
		r.sees(article(asked))
		with(r, call(24*time.Hour))
		r.expect("caller", r.caller, "")
		r.types("k")
		r.sleep(4 * time.Minute)
		r.sees(article(asked))
	})
	playWith(t, &Config{Limits: Limits{Call: 2 * time.Hour}}, func(r *rig) {
		r.sleep(time.Hour)
		with(r, call(time.Hour+30*time.Second))
		r.sleep(1)
		r.sees(article(total))
		r.sleep(warning - 2)
		r.expectEvents("began")
		r.sleep(2)
		r.expectEvents("ended total")
	})
	playWith(t, &Config{}, func(r *rig) { // of a limit that is too short for a warning there is none
		r.sleep(time.Hour)
		with(r, idle(30*time.Second))
		r.sleep(30*time.Second - 1)
		r.expect("caller", r.caller, "")
		r.sleep(1)
		r.expectEvents("began", "ended idle")
	})
}
