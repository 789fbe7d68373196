package session

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/videotex"
)

func TestStart(t *testing.T) {
	play(t, func(r *rig) {
		r.follows(Route{Name: "silent", Start: "never"})
		r.types("a")
		r.Recall()
		r.expect("portal", r.portal, "a")

		r.types("\x13") // half a key
		r.follows(Route{Name: "up", Start: "Guest\x13A", Case: CaseUpper, Echo: true})
		r.caller.got()
		r.types("A")
		r.expect("service", r.service, "Guest\x13A\x13A")
		r.expect("caller", r.caller, "")
	})
	play(t, func(r *rig) { // what is typed ahead comes behind it
		release := make(chan struct{})
		dial := r.DialService
		r.DialService = func(ctx context.Context, id ID, rt Route) (Endpoint, error) {
			<-release
			return dial(ctx, id, rt)
		}
		r.follows(Route{Name: "up", Start: "start"})
		r.types("ahead")
		close(release)
		synctest.Wait()
		r.expect("service", r.service, "startahead")
	})
	playWith(t, &Config{Limits: limits, Portal: Route{Start: "start"}}, func(r *rig) {
		r.types("k")
		r.expect("portal", r.portal, "startk")
		r.visits("up")
		r.Recall()
		synctest.Wait()
		r.expect("portal", r.portal, "") // it has been there all the time
		r.portal.leave(errors.New("lost"))
		synctest.Wait()
		r.expect("portal", r.portal, "start")
	})
}

func TestCase(t *testing.T) {
	const typed = "aZ[\x13A\x13z\x19Be\x1b[m\x1bOp`z{@Z\xe9\x1b:sa\x01aB\x04"
	for to, want := range map[Case]string{
		CaseTyped: typed,
		CaseUpper: "AZ[\x13A\x13z\x19Be\x1b[m\x1bOp`Z{@Z\xe9",
		CaseLower: "az[\x13A\x13z\x19Be\x1b[m\x1bOp`z{@z\xe9",
	} {
		want = strings.TrimSuffix(want, "\x1b:sa\x01aB\x04") // answers that nobody asked for
		play(t, func(r *rig) {
			r.follows(Route{Name: "up", Case: to})
			r.types(typed)
			r.expect("service", r.service, want)
			for _, b := range []byte(typed) {
				r.types(string([]byte{b}))
			}
			r.expect("service", r.service, want)
			r.service.say("\x1b\x39\x7b")
			synctest.Wait()
			r.types("\x01aBc\x04")
			r.expect("service", r.service, "\x01aBc\x04")
			r.types(fin + "aZ")
			r.expect("portal", r.portal, "aZ")
		})
		playWith(t, &Config{Limits: limits, Portal: Route{Case: to}}, func(r *rig) {
			r.types(typed)
			r.expect("portal", r.portal, want)
			r.visits("up")
			r.types("aZ")
			r.expect("service", r.service, "aZ")
		})
	}
	play(t, func(r *rig) { // keys go back as they were typed if nobody answers
		r.follows(Route{Name: "silent", Case: CaseUpper})
		r.types("aZ")
		r.sleep(limits.Dial)
		r.expect("portal", r.portal, "aZ")
	})
}

func TestEcho(t *testing.T) {
	play(t, func(r *rig) {
		r.follows(Route{Name: "up", Echo: true, Case: CaseLower})
		r.types("Bonjour \x19Be\x19\x23")
		r.expect("service", r.service, "bonjour \x19Be\x19\x23")
		r.expect("caller", r.caller, "bonjour \x19Be\x19\x23") // as it is sent
		r.types("\r")
		r.expect("caller", r.caller, "\r\n")
		r.types("\x13G\x13A\x1b[A\x08\n\x7f\xe9\x19\xe9\x01ab\x1fAA\x1b")
		r.sleep(time.Second)
		r.types("\x13")
		r.sleep(time.Second)
		r.expect("caller", r.caller, "")
		r.expect("service", r.service, "\r\x13G\x13A\x1b[A\x08\n\x7f\xe9\x19\xe9\x01ab\x1fAA\x1b\x13")
	})
	playWith(t, &Config{Limits: limits, Portal: Route{Echo: true}}, func(r *rig) {
		r.types("k")
		r.expect("caller", r.caller, "k")
		r.visits("up")
		r.types("k")
		r.expect("caller", r.caller, "")
	})
}

// What is typed never lands in a sequence of the service's, nor on row 00, and
// what the portal says there not in it.
func TestEchoInHalfASequence(t *testing.T) {
	const page = "\x1f\x42\x41page\x19\x42e\x1b\x3a\x66\x03\x1b\x39\x7b\x1f\x40\x41top\n\x1f\x23\x41\x30\x60\x54\x1f\x43\x41"
	const cost = "\x1f\x40\x4112F\n"
	letIn := regexp.MustCompile("^(X|\x19Ca|" + cost + ")")
	for at := range len(page) + 1 {
		play(t, func(r *rig) {
			r.follows(Route{Name: "up", Echo: true})
			r.service.say(page[:at])
			synctest.Wait()
			r.types("X")
			r.expect("service", r.service, "X")
			r.portal.say(cost)
			synctest.Wait()
			r.types("\x19Ca")
			r.service.say(page[at:])
			synctest.Wait()
			got := r.caller.got()
			var p videotex.Parser
			plain, echo := "", ""
			for got := got; got != ""; {
				let := ""
				if p.AtRest() {
					let = letIn.FindString(got)
				}
				if let == "" {
					plain += got[:1]
					p.Step(got[0])
					got = got[1:]
				} else if got = got[len(let):]; let != cost {
					echo += let
				}
			}
			if plain != page || echo != "X\x19Ca" {
				t.Errorf("cut at %d: %q", at, got)
			}
			if n := len(r.asked); n != 1 { // the page's PRO2 TRANSPARENCE
				t.Errorf("cut at %d: %d questions", at, n)
			}
		})
	}
}

// On a slow line the echo stands where it would if the service gave it: behind
// the page, before the answer.
func TestEchoOnASlowLine(t *testing.T) {
	play(t, func(r *rig) {
		r.follows(Route{Name: "up", Echo: true})
		r.caller.got()
		r.caller.stick()
		r.service.say("a page")
		synctest.Wait()
		r.service.say(", more of it, login: ")
		synctest.Wait()
		r.types("gu")
		r.types("est\r")
		r.service.say("hello guest")
		synctest.Wait()
		r.caller.unstick()
		synctest.Wait()
		r.expect("caller", r.caller, "a page, more of it, login: guest\r\nhello guest")

		r.caller.stick()
		r.service.say("page")
		synctest.Wait()
		r.service.say("more\x1f")
		synctest.Wait()
		r.types("never seen" + fin)
		r.types("x")
		r.caller.unstick()
		synctest.Wait()
		r.expect("caller", r.caller, "page")
		r.expect("portal", r.portal, "x")
	})
	play(t, func(r *rig) { // much is typed while nothing is taken
		r.follows(Route{Name: "up", Echo: true})
		r.caller.stick()
		for range 1000 {
			r.types("key\x19Be")
		}
		r.caller.unstick()
		synctest.Wait()
		if n := len(r.caller.got()); n < 1000 || n > 2*maxOut {
			t.Errorf("%d bytes of echo waited", n)
		}
		r.types("k")
		r.expect("caller", r.caller, "k")
	})
	play(t, func(r *rig) { // a service that takes nothing
		r.follows(Route{Name: "up", Echo: true})
		r.service.stick()
		r.caller.got()
		for range 6 {
			r.types(strings.Repeat("k", 1000))
		}
		if n := strings.Count(r.caller.got(), "k"); n > maxAhead+1000 { // the first is not counted
			t.Errorf("%d keys are shown, more than were taken", n)
		}
		r.expectEvents("began", "redirecting", "redirected", "returned stalled")
	})
}

func TestVisitOfARoute(t *testing.T) {
	for _, limit := range []time.Duration{limits.Visit, 0} {
		own := limits
		own.Visit = limit
		playWith(t, &Config{Limits: own}, func(r *rig) {
			r.follows(Route{Name: "up", Visit: 10 * time.Minute})
			r.keepAlive(9 * time.Minute)
			r.sees(article("Fin de la visite dans 1 minute"))
			r.sleep(time.Minute)
			r.expectEvents("began", "redirecting", "redirected", "returned visit")
			r.visits("up")
			r.keepAlive(11 * time.Minute)
			r.expectEvents("redirecting", "redirected")
		})
	}
}

// Only who asks for it is told who calls, and nobody else is.
func TestRealIP(t *testing.T) {
	for _, told := range []RealIP{RealIPNone, RealIPForwardedFor, RealIPProxy} {
		check := func(r *rig, who string) {
			if r.dialled.RealIP != told || (r.dialled.Caller == nil) != (told == RealIPNone) || told != RealIPNone && *r.dialled.Caller != terminal {
				t.Errorf("the %s is dialled by %+v", who, r.dialled)
			}
		}
		playWith(t, &Config{Limits: limits, Portal: Route{RealIP: told}}, func(r *rig) {
			check(r, "portal")
			r.follows(Route{Name: "up", RealIP: told})
			check(r, "service")
			r.service.leave(io.EOF)
			synctest.Wait()
			if e := r.last; e.Type != Returned || e.Route.Caller != nil {
				t.Errorf("%s tells of %v", e.Type, e.Route.Caller)
			}
		})
	}
}

// A reader is a portal that reads its keys when it likes, and gives back what it
// has not read.
type reader struct{ *peer }

func (r reader) Unread() []byte { return []byte(r.got()) }

// What the portal has not read when it puts the caller through is for the
// service or, if that cannot be reached, comes back.
func TestUnread(t *testing.T) {
	play(t, func(r *rig) {
		r.Call.mu.Lock()
		r.Call.portal.end = reader{r.portal}
		r.Call.mu.Unlock()
		r.types("ULLA" + envoi)
		r.expect("portal", r.portal, "ULLA"+envoi)
		r.types("bob" + envoi)
		r.follows(Route{Name: "ULLA", Start: "GUEST"})
		r.types("!")
		r.expect("service", r.service, "GUESTbob"+envoi+"!")
		r.types(fin)
		r.types("ann")
		r.follows(Route{Name: "down"})
		r.expect("portal", r.portal, "ann")
		r.types("\x1b")
		r.sleep(escWait) // a key of its own
		r.visits("ULLA")
		r.types("x")
		r.expect("service", r.service, "\x1bx")
	})
}
