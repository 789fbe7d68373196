package session

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/testkit/golden"
	"moip/videotex"
)

// A tape is a Recorder that notes all it is told.
type tape struct {
	about Info

	mu     sync.Mutex
	sent   strings.Builder
	events []string // what was typed, marks and the end
	failed bool
}

func (t *tape) note(f func()) { t.mu.Lock(); defer t.mu.Unlock(); f() }

func (t *tape) Sent(p []byte)    { t.note(func() { t.sent.Write(p) }) }
func (t *tape) Typed(p []byte)   { t.note(func() { t.events = append(t.events, fmt.Sprintf("%q", p)) }) }
func (t *tape) Mark(text string) { t.note(func() { t.events = append(t.events, text) }) }
func (t *tape) Close(why string) { t.note(func() { t.events = append(t.events, "ends: "+why) }) }

func (t *tape) Failed() (failed bool) {
	t.note(func() { failed = t.failed })
	return failed
}

// A studio is a rig whose calls are recorded, and the tapes.
type studio struct {
	*rig
	tapes  []*tape
	screen *videotex.Screen
	all    string // that the caller was sent
}

// records plays f on a call of that caller's, at that portal.
func records(t *testing.T, who Caller, portal Route, f func(*studio)) {
	t.Helper()
	s := &studio{screen: videotex.NewScreen()}
	cfg := &Config{Limits: limits, Portal: portal, Recorder: func(about Info) Recorder {
		s.tapes = append(s.tapes, &tape{about: about})
		return s.tapes[len(s.tapes)-1]
	}}
	playCaller(t, cfg, who, func(p *peer) Endpoint { return p }, func(r *rig) { s.rig = r; f(s) })
}

// row00 returns what the caller's screen has there by now.
func (s *studio) row00() string {
	s.see()
	first, _, _ := strings.Cut(s.screen.String(), "\n")
	return strings.TrimRight(first, " ")
}

func (s *studio) see() {
	got := s.caller.got()
	s.all += got
	s.screen.Write([]byte(got))
}

func (s *studio) expectTape(i int, sent string, events ...string) {
	s.Helper()
	if len(s.tapes) <= i {
		s.Fatalf("there are %d recordings", len(s.tapes))
	}
	t := s.tapes[i]
	if got := t.sent.String(); got != sent {
		s.Errorf("recording %d has\n%q, want\n%q", i, got, sent)
	}
	if got, want := strings.Join(t.events, "\n"), strings.Join(events, "\n"); got != want {
		s.Errorf("recording %d has\n%s\nwant\n%s", i, got, want)
	}
}

const begun = "\x1F\x40\x41Cet appel est enregistr\x19Be\x18\x1F\x40\x62\x1B\x5DENR\n"

// A call that is recorded from its beginning is recorded to the byte, up to the
// farewell, with its events and all that was typed.
func TestRecordedCall(t *testing.T) {
	records(t, Caller{Transport: "ws", Record: true}, Route{}, func(s *studio) {
		if got := s.row00(); got != "Cet appel est enregistré         ENR" || !s.Info().Recorded {
			t.Errorf("row 00 is %q", got)
		}
		s.portal.say("\x0CPortail")
		s.portal.say("\x1B9{")
		synctest.Wait()
		s.types("\x01Cu1\x04")
		s.visits("SALON")
		s.service.say("\x0CSalon")
		s.types("Bonjour\x13A")
		s.portal.say(string(videotex.Article("0,12 F")))
		synctest.Wait()
		if got := s.row00(); got != "0,12 F                           ENR" {
			t.Errorf("row 00 is %q", got)
		}
		golden.Check(t, "testdata/recorded.txt", s.screen)
		s.types(fin)
		s.sleep(2 * time.Second)
		s.Hangup(ReasonShutdown)
		s.caller.leave(io.EOF)
		synctest.Wait()
		s.see()
		if !strings.Contains(s.all, "arr\x19Cet du syst\x19Aeme") && !strings.Contains(s.all, "Fin : arr") {
			t.Errorf("no farewell in %q", s.all)
		}
		s.expectTape(0, s.all, `"\x01Cu1\x04"`, "terminal Cu1", "at SALON", `"Bonjour\x13A"`, `"\x13I"`,
			"back from SALON: fin", "the end: shutdown", "ends: the call is over")
	})
}

// Visits to a service that asks for it are recorded, from when the caller is put
// through.
func TestRecordedVisit(t *testing.T) {
	records(t, Caller{}, Route{}, func(s *studio) {
		s.portal.say("\x0CPortail")
		synctest.Wait()
		s.see()
		for i := range 2 {
			s.all = ""
			s.follows(Route{Name: "SALON", Record: true})
			s.service.say("\x0CSalon")
			synctest.Wait()
			if got := s.row00(); got != "Cet appel est enregistré         ENR" {
				t.Errorf("row 00 is %q", got)
			}
			s.types(fin)
			s.expectTape(i, begun+"\x0CSalon", "at SALON", `"\x13I"`, "back from SALON: fin", "ends: the visit is over")
			if got := s.row00(); got != "Cet appel est enregistré" {
				t.Errorf("after the visit, row 00 is %q", got)
			}
		}
		if about := s.tapes[0].about; about.Service != "SALON" || about.State != AtService || about.ID != 1 {
			t.Errorf("it is about %+v", about)
		}
		s.visits("other")
		if len(s.tapes) != 2 || s.Info().Recorded {
			t.Errorf("there are %d recordings", len(s.tapes))
		}
	})
}

// What a service that closes has still to say, on a slow line, is recorded too, and
// what the portal says and is told behind it is not.
func TestRecordedToTheEnd(t *testing.T) {
	records(t, Caller{Speed: 1200}, Route{}, func(s *studio) {
		s.follows(Route{Name: "SALON", Record: true})
		page := strings.Repeat("x", 600) + "bye" // 5 s
		s.service.say(page)
		synctest.Wait()
		s.service.leave(io.EOF)
		s.portal.say("\x0C" + strings.Repeat("y", 300))
		s.sleep(time.Second)
		if !s.Info().Recorded {
			t.Error("the recording has ended before the page has")
		}
		s.types("k")
		s.sleep(10 * time.Second)
		if s.Info().Recorded {
			t.Error("the recording has not ended")
		}
		got := s.tapes[0].sent.String()
		if n := strings.Count(got, "x"); n != 600 || !strings.Contains(got, "bye") || strings.Count(got, "y") > 1+60 {
			t.Errorf("recorded is %q", got)
		}
		if events := strings.Join(s.tapes[0].events, ", "); events != "at SALON, back from SALON: closed, ends: the visit is over" {
			t.Errorf("events: %s", events)
		}
		s.see()
		if strings.Contains(s.row00(), "ENR") {
			t.Errorf("row 00 is %q", s.row00())
		}
	})
}

// A portal that asks for it is recorded, up to a visit and after it.
func TestRecordedPortal(t *testing.T) {
	records(t, Caller{}, Route{Record: true}, func(s *studio) {
		s.portal.say("\x0CPortail")
		synctest.Wait()
		s.visits("SALON")
		s.service.say("\x0CSalon")
		synctest.Wait()
		s.expectTape(0, begun+"\x0CPortail", "ends: the visit begins")
		s.types(fin)
		s.expectTape(1, begun)
	})
}

// An operator's order is above all rules.
func TestRecordOrdered(t *testing.T) {
	records(t, Caller{}, Route{}, func(s *studio) {
		s.portal.say("\x0CPortail")
		synctest.Wait()
		s.see()
		if err := s.Record(true); err != nil {
			t.Error(err)
		}
		s.visits("SALON")
		s.types("a")
		if err := s.Record(false); err != nil {
			t.Error(err)
		}
		s.types("b")
		s.expectTape(0, begun, "at SALON", `"a"`, "ends: an operator has ended it")
		if got := s.row00(); strings.Contains(got, "ENR") {
			t.Errorf("row 00 is %q", got)
		}
		s.types(fin)
		s.follows(Route{Name: "SALON", Record: true}) // which counts for less
		if len(s.tapes) != 1 {
			t.Errorf("there are %d recordings", len(s.tapes))
		}
		s.Hangup(ReasonRecalled)
		if err := s.Record(true); err != ErrOver {
			t.Errorf("a call that is over is recorded: %v", err)
		}
	})
	play(t, func(r *rig) {
		if err := r.Record(true); err != ErrNoRecordings {
			t.Errorf("without recordings it says %v", err)
		}
	})
}

// The badge comes back at once when a service writes there, and within ten seconds if
// the terminal has lost it. It costs nothing while the portal's articles bring it.
func TestBadgeComesBack(t *testing.T) {
	records(t, Caller{Record: true}, Route{}, func(s *studio) {
		s.visits("SALON")
		s.service.say("\x1F\x40\x41Salon\x18\n")
		synctest.Wait()
		if got := s.row00(); got != "Salon                            ENR" {
			t.Errorf("row 00 is %q", got)
		}
		s.see()
		s.all = ""
		s.sleep(badgeAgain)
		if s.see(); strings.Count(s.all, "ENR") != 1 {
			t.Errorf("later it is sent %q", s.all)
		}
		s.see()
		s.all = ""
		for range 20 {
			s.portal.say(string(videotex.Article("x")))
			s.sleep(badgeAgain / 2)
		}
		s.see()
		if n := strings.Count(s.all, "ENR"); n != 20 {
			t.Errorf("20 articles bring %d badges", n)
		}
	})
}

// A recording that fails ends, the badge goes, and the call goes on. It is not
// begun again but by an operator.
func TestRecordingFails(t *testing.T) {
	records(t, Caller{Record: true}, Route{}, func(s *studio) {
		s.tapes[0].note(func() { s.tapes[0].failed = true })
		s.sleep(badgeAgain)
		if got := s.row00(); strings.Contains(got, "ENR") || s.Info().Recorded {
			t.Errorf("row 00 is %q", got)
		}
		s.visits("SALON")
		s.types("x")
		s.expect("service", s.service, "x")
		if len(s.tapes) != 1 {
			t.Error("it is begun again")
		}
		s.Record(true)
		if len(s.tapes) != 2 {
			t.Error("an operator cannot begin it again")
		}
	})
}

// A recording that fails ends as soon where the portal's articles bring the badge.
func TestRecordingFailsAmongArticles(t *testing.T) {
	records(t, Caller{Record: true}, Route{}, func(s *studio) {
		s.visits("SALON")
		s.tapes[0].note(func() { s.tapes[0].failed = true })
		for range 4 {
			s.portal.say(string(videotex.Article("x")))
			s.sleep(badgeAgain / 2)
		}
		if got := s.row00(); strings.Contains(got, "ENR") || s.Info().Recorded {
			t.Errorf("row 00 is %q", got)
		}
	})
}

// All texts of ours leave the badge its room.
func TestTextsLeaveRoom(t *testing.T) {
	const room = 33
	for _, texts := range []map[Reason]string{returned, farewell} {
		for reason, text := range texts {
			if n := videotex.Width(text); n > room {
				t.Errorf("%s: %q has %d columns", reason, text, n)
			}
		}
	}
	records(t, Caller{Record: true}, Route{}, func(s *studio) {
		s.all = ""
		for _, wait := range []time.Duration{9 * time.Minute, 50 * time.Minute} { // of all kinds
			s.visits("SALON")
			for range int(wait / time.Minute) {
				s.sleep(time.Minute)
				if row := s.row00(); !strings.HasSuffix(row, "ENR") || len([]rune(row)) > 36 || len([]rune(row)) == 36 && []rune(row)[32] != ' ' {
					t.Errorf("row 00 is %q", row)
				}
			}
			s.types(fin)
			s.sleep(badgeAgain)
		}
	})
}

// BenchmarkRecorded is BenchmarkRelay for a call that is recorded. What the
// recorder itself costs, package recording tells.
func BenchmarkRecorded(b *testing.B) {
	relay(b, &Config{Recorder: func(Info) Recorder { return deaf{} }}, Caller{Record: true})
}

// deaf takes what it is told for nobody.
type deaf struct{}

func (deaf) Sent([]byte)  {}
func (deaf) Typed([]byte) {}
func (deaf) Mark(string)  {}
func (deaf) Failed() bool { return false }
func (deaf) Close(string) {}
