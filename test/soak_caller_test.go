package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"moip/internal/control/admin"
)

// A regular is an honest caller who knows the house: of whatever it does, and has operators
// do with its own call, it knows what must come of it.
type regular struct {
	*honest
	soak *soak
	told *entry // of the journal, about the call under way

	dropped int // keys typed that the gateway is to drop
	excused int // calls that ended with the portal
}

// deeds are what regulars do, by name. How often each was done is among the figures.
type deed struct {
	name string
	do   func(*regular) error
	done *atomic.Int64
}

// during returns what a regular does during calls, as often as it stands there.
func (s *soak) during() []deed {
	all := []deed{
		{"types at a service", (*regular).visits, nil},
		{"rushes to a service with all others", (*regular).rushes, nil},
		{"visits one that closes", (*regular).isClosedOn, nil},
		{"types ahead of a slow service", (*regular).typesAhead, nil},
		{"leaves while it is dialled", (*regular).leavesDialling, nil},
		{"visits one that has vanished", (*regular).visitsDead, nil},
		{"visits one that is not there", (*regular).visitsNobody, nil},
		{"is recalled by an operator", (*regular).isRecalled, nil},
		{"is sent by an operator", (*regular).isSent, nil},
		{"is told something by an operator", (*regular).isTold, nil},
		{"is watched by an operator", (*regular).isWatched, nil},
		{"is recorded", (*regular).isRecorded, nil},
		{"types and looks", (*regular).typesHere, nil},
		{"pastes at a service", (*regular).pastesThere, nil},
	}
	if !s.inside {
		all = append(all,
			deed{"pastes at the portal", (*regular).pastesHere, nil},
			deed{"reads pages", func(r *regular) error { return r.pages() }, nil},
			deed{"stays while the portal restarts", (*regular).survives, nil},
		)
	}
	return counted(all)
}

// after returns how a regular's calls end.
func (s *soak) after() []deed {
	return counted([]deed{
		{"leaves by Connexion/Fin", (*regular).leavesByFin, nil},
		{"hangs up", (*regular).hangsUp, nil},
		{"hangs up at a service", (*regular).hangsUpThere, nil},
		{"is hung up by an operator", (*regular).isHungUp, nil},
		{"is banned, and let in again", (*regular).isBanned, nil},
		{"vanishes without a word", (*regular).vanishes, nil},
		{"reads no more", (*regular).neverReads, nil},
	})
}

func counted(all []deed) []deed {
	for i := range all {
		all[i].done = new(atomic.Int64)
	}
	return all
}

// evening is calls until the time is over. Of calls that were there when the portal died,
// nothing is expected but that the gateway keeps its books.
func (r *regular) evening(over <-chan struct{}) {
	for {
		before, restarted := r.soak.hub.restartsSoFar()
		left := make(chan struct{})
		var watching sync.WaitGroup
		watching.Go(func() {
			select {
			case <-restarted:
				r.hastens(time.Now())
			case <-left:
			}
		})
		err := r.call(over)
		close(left)
		watching.Wait()
		r.hastens(time.Time{})
		if r.line != nil && r.line.conn != nil {
			r.line.conn.Close()
		}
		if after, _ := r.soak.hub.restartsSoFar(); err != nil && after != before && !errors.As(err, new(unexcused)) {
			r.soak.hub.excuses(r.number, r.typed)
			r.excused++
		} else if err != nil {
			r.fails("caller %d (%s %s, %s), call %d: %v%s", r.number, r.home.scheme, r.home.query, r.line.address(), r.calls, err, r.fate())
			return
		}
		select {
		case <-over:
			return
		case <-time.After(time.Duration(100+r.random.IntN(1000)) * time.Millisecond):
		}
	}
}

// unexcused is what may not happen when the portal dies, either.
type unexcused struct{ error }

// fate tells what became of the call under way.
func (r *regular) fate() string {
	r.soak.journal.mu.Lock()
	defer r.soak.journal.mu.Unlock()
	if r.told == nil || !r.told.over {
		return ""
	}
	return fmt.Sprintf(" (call %d has ended by %s)", r.told.id, r.told.reason)
}

func (l *homeLine) address() string {
	if l == nil {
		return "no line"
	}
	return l.local
}

// call is one call.
func (r *regular) call(over <-chan struct{}) error {
	if err := r.dial(); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	r.calls++
	told, err := r.soak.journal.call(r.line.local)
	if err != nil {
		return err
	}
	r.told = told
	if err := r.reads(r.soak.home()); err != nil {
		return err
	}
	if err := r.here(); err != nil {
		return err
	}
	isOver := func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	}
	deeds := r.soak.deeds
	for n := 1 + r.random.IntN(5); n > 0 && !isOver(); n-- {
		if err := r.does(deeds[r.random.IntN(len(deeds))]); err != nil {
			return err
		}
	}
	ends := r.soak.ends
	if isOver() {
		ends = ends[:2]
	}
	return r.does(ends[r.random.IntN(len(ends))])
}

func (r *regular) does(d deed) error {
	if err := d.do(r); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	d.done.Add(1)
	return nil
}

// sees expects a key to come back, next of all.
func (r *regular) sees(key string, typed time.Time) error {
	r.waits()
	if err := r.reader.expects(key, true); err != nil {
		return err
	}
	if r.reader.skipped != "" {
		return fmt.Errorf("%q, not %q", r.reader.skipped, key)
	}
	if r.home.query == "" && !r.isHasty() { // of a portal that has just died
		r.latencies = append(r.latencies, time.Since(typed))
	}
	return nil
}

// exchanges types keys, one after the other, and sees them.
func (r *regular) exchanges(place byte, n int) error {
	for range n {
		key, typed := r.key(place), time.Now()
		if err := r.says([]byte(key)); err != nil {
			return err
		}
		if err := r.sees(key, typed); err != nil {
			return err
		}
	}
	return nil
}

// here shows that the portal has the keyboard.
func (r *regular) here() error {
	if r.soak.inside {
		word := make([]byte, 8) // of the field for a code
		for i := range word {
			word[i] = byte('A' + r.random.IntN(26))
		}
		if err := r.says(append([]byte("\x13E"), word...)); err != nil {
			return err
		}
		return r.reads(string(word))
	}
	if err := r.press('F'); err != nil {
		return err
	}
	if err := r.reads("[sommaire]"); err != nil {
		return err
	}
	return r.exchanges('P', 1)
}

func (r *regular) typesHere() error {
	for range 1 + r.random.IntN(3) {
		if err := r.here(); err != nil {
			return err
		}
		r.pauses(50, 500)
	}
	return nil
}

// goes asks the portal for a service.
func (r *regular) goes(to string) error {
	if r.soak.inside {
		return r.says([]byte("\x13E" + to + "\x13A"))
	}
	return r.says([]byte("{" + to + "}"))
}

// arrives waits until a service has the keyboard, and its page is read.
func (r *regular) arrives() error {
	if err := r.reads("[service]"); err != nil {
		return err
	}
	r.honest.visits++
	return nil
}

// somewhere is a service that works.
func (r *regular) somewhere() string { return []string{"UN", "DEUX"}[r.random.IntN(2)] }

// returns waits until the portal has the keyboard again, for a reason.
func (r *regular) returns(n int, reason string) error {
	if err := r.until(fmt.Sprintf("that call %d is back", r.told.id), func() bool { return r.told.returned > n }); err != nil {
		return err
	}
	if back := r.visitEnded(); back != reason {
		return fmt.Errorf("the visit has ended by %s, not %s", back, reason)
	}
	return r.here()
}

func (r *regular) visitEnded() string {
	r.soak.journal.mu.Lock()
	defer r.soak.journal.mu.Unlock()
	return r.told.back
}

func (r *regular) back() int {
	r.soak.journal.mu.Lock()
	defer r.soak.journal.mu.Unlock()
	return r.told.returned
}

// until waits for the journal, as long as the call lasts.
func (r *regular) until(what string, so func() bool) error {
	ended := false
	if err := r.soak.journal.until(what, func() bool { ended = r.told.over; return ended || so() || r.hasHaste() }); err != nil {
		return err
	}
	if r.hasHaste() {
		return fmt.Errorf("the portal has died, and the events do not tell %s", what)
	}
	if ended && !so() {
		return fmt.Errorf("the call has ended by %s", r.told.reason)
	}
	return nil
}

// visit is one that ends by what is said, for a reason.
func (r *regular) visit(end func() error, reason string, during ...func() error) error {
	n := r.back()
	if err := r.goes(r.somewhere()); err != nil {
		return err
	}
	if err := r.arrives(); err != nil {
		return err
	}
	for _, do := range append(during, func() error { return r.exchanges('S', 1+r.random.IntN(4)) }, end) {
		if err := do(); err != nil {
			return err
		}
	}
	return r.returns(n, reason)
}

func (r *regular) fin() error   { return r.press('I') }
func (r *regular) suite() error { return r.press('H') }

func (r *regular) visits() error     { return r.visit(r.fin, "fin") }
func (r *regular) isClosedOn() error { return r.visit(r.suite, "closed") }

func (r *regular) isRecalled() error {
	return r.visit(func() error { return r.orders("POST", "/recall", nil) }, "recalled")
}

// rushes goes when all others do.
func (r *regular) rushes() error {
	now := time.Now()
	time.Sleep(now.Truncate(2 * time.Second).Add(2 * time.Second).Sub(now))
	return r.visits()
}

// isSent is redirected by an operator.
func (r *regular) isSent() error {
	n, to := r.back(), r.somewhere()
	if !r.soak.inside {
		to = r.soak.hub.others[to]
	}
	if err := r.orders("POST", "/redirect", admin.Redirection{To: to}); err != nil {
		return err
	}
	if err := r.arrives(); err != nil {
		return err
	}
	if err := r.exchanges('S', 2); err != nil {
		return err
	}
	if err := r.fin(); err != nil {
		return err
	}
	return r.returns(n, "fin")
}

// typesAhead types before a slow service answers: all of it is the service's.
func (r *regular) typesAhead() error {
	n := r.back()
	if err := r.goesAhead(); err != nil {
		return err
	}
	var keys []string
	for range 1 + r.random.IntN(4) {
		keys = append(keys, r.key('S'))
		if err := r.says([]byte(keys[len(keys)-1])); err != nil {
			return err
		}
	}
	if err := r.arrives(); err != nil {
		return err
	}
	for _, key := range keys {
		if err := r.sees(key, time.Now()); err != nil {
			return err
		}
	}
	if err := r.fin(); err != nil {
		return err
	}
	return r.returns(n, "fin")
}

// goesAhead goes to a slow service, and waits until it is dialled.
func (r *regular) goesAhead() error {
	went := r.went()
	if err := r.goes("LENT"); err != nil {
		return err
	}
	return r.until("that it is dialled", func() bool { return r.told.went > went })
}

func (r *regular) went() int {
	r.soak.journal.mu.Lock()
	defer r.soak.journal.mu.Unlock()
	return r.told.went
}

// leavesDialling types while a slow service is dialled, and has enough: what it has typed
// comes nowhere, unless the service was faster.
func (r *regular) leavesDialling() error {
	n, came := r.back(), r.came()
	if err := r.goesAhead(); err != nil {
		return err
	}
	key := fmt.Sprintf("{X%03d:%06d}", r.number, r.dropped)
	r.dropped++
	if err := r.says([]byte(key)); err != nil {
		return err
	}
	if err := r.fin(); err != nil {
		return err
	}
	if err := r.returns(n, "fin"); err != nil {
		return err
	}
	if r.came() == came && r.soak.hub.strayed(key) {
		return fmt.Errorf("%q has come to a service that was not reached", key)
	}
	return nil
}

func (r *regular) came() int {
	r.soak.journal.mu.Lock()
	defer r.soak.journal.mu.Unlock()
	return r.told.came
}

func (r *regular) visitsDead() error {
	n := r.back()
	if err := r.goes("MORT"); err != nil {
		return err
	}
	came := func() bool { return r.told.state == "service" }
	if err := r.until("that it is reached", came); err != nil {
		return err
	}
	if err := r.says([]byte("allô ?\x13A")); err != nil {
		return err
	}
	r.pauses(100, 1000)
	if err := r.fin(); err != nil {
		return err
	}
	return r.returns(n, "fin")
}

func (r *regular) visitsNobody() error {
	n := r.back()
	if err := r.goes("VIDE"); err != nil {
		return err
	}
	return r.returns(n, "refused")
}

func (r *regular) pastesHere() error { return r.paste('P') }
func (r *regular) pastesThere() error {
	return r.visit(r.fin, "fin", func() error { return r.paste('S') })
}

// paste has the emulator paste a text.
func (r *regular) paste(place byte) error {
	var keys []string
	var text []byte
	for range 10 + r.random.IntN(20) {
		keys = append(keys, r.key(place))
		text = append(text, keys[len(keys)-1]...)
	}
	began := time.Now()
	if _, err := r.line.Write(text); err != nil {
		return err
	}
	for _, key := range keys {
		if err := r.sees(key, began); err != nil {
			return err
		}
	}
	return nil
}

// orders has an operator do something with the call.
func (r *regular) orders(method, what string, in any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	return r.soak.client.Do(ctx, method, fmt.Sprintf("/calls/%d%s", r.told.id, what), in, nil)
}

// isTold reads on row 00 what an operator writes there, behind what the line has not brought
// yet: of a page that is sent anew, at 4800 bit/s, that is seconds.
func (r *regular) isTold() error {
	text := fmt.Sprintf("Bonsoir %d", r.random.IntN(1e6))
	if err := r.orders("POST", "/message", admin.Message{Text: text}); err != nil {
		return err
	}
	for late := time.Now().Add(patience); time.Now().Before(late); r.pauses(50, 100) {
		if err := r.here(); err != nil {
			return err
		}
		if r.line.saw(text) {
			return nil
		}
	}
	return fmt.Errorf("%q is not on row 00", text)
}

func (r *regular) isWatched() error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	enough, seen := errors.New("seen enough"), 0
	watching := make(chan error, 1)
	go func() {
		watching <- r.soak.client.Watch(ctx, fmt.Sprint(r.told.id), func(admin.Frame) error {
			if seen++; seen > 2 {
				return enough
			}
			return nil
		})
	}()
	for {
		if err := r.here(); err != nil {
			cancel()
			<-watching
			return err
		}
		select {
		case err := <-watching:
			if !errors.Is(err, enough) {
				return fmt.Errorf("an operator sees %d frames: %w", seen, err)
			}
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (r *regular) isRecorded() error {
	if err := r.orders("PUT", "/recording", admin.Recording{On: true}); err != nil {
		return err
	}
	if err := r.visits(); err != nil {
		return err
	}
	if r.random.IntN(3) == 0 { // the end of the call ends it, too
		return nil
	}
	return r.orders("PUT", "/recording", admin.Recording{On: false})
}

// survives stays where it is while the portal restarts, if it does so soon, and goes on.
func (r *regular) survives() error {
	r.pausesHaste(true)
	defer r.pausesHaste(false)
	_, restarted := r.soak.hub.restartsSoFar()
	select {
	case <-restarted:
	case <-time.After(3 * time.Second):
		return nil
	}
	if err := r.reads("[accueil]"); err != nil {
		return unexcused{fmt.Errorf("the portal is not back: %w", err)}
	}
	if err := r.here(); err != nil {
		return unexcused{err}
	}
	return nil
}

// ends waits until the call has ended, for one of some reasons.
func (r *regular) ends(reasons ...string) error {
	j := r.soak.journal
	if err := j.until(fmt.Sprintf("of the end of call %d", r.told.id), func() bool { return r.told.over }); err != nil {
		return err
	}
	if !slices.Contains(reasons, r.told.reason) {
		return fmt.Errorf("the call has ended by %s, not %v", r.told.reason, reasons)
	}
	return nil
}

// toTheEnd reads until the connection ends.
func (r *regular) toTheEnd() error {
	r.line.SetReadDeadline(time.Now().Add(4 * patience))
	_, err := io.Copy(io.Discard, r.line)
	if errors.Is(err, syscall.ECONNRESET) { // the terminal has answered when the call was over
		return nil
	}
	return err
}

func (r *regular) leavesByFin() error {
	if err := r.fin(); err != nil {
		return err
	}
	if err := r.toTheEnd(); err != nil {
		return err
	}
	return r.ends("fin")
}

func (r *regular) hangsUp() error {
	r.line.conn.Close()
	return r.ends("gone", "dropped") // some of what was sent may not have been read
}

func (r *regular) hangsUpThere() error {
	if err := r.goes(r.somewhere()); err != nil {
		return err
	}
	if err := r.arrives(); err != nil {
		return err
	}
	if err := r.exchanges('S', 1); err != nil {
		return err
	}
	return r.hangsUp()
}

func (r *regular) isHungUp() error {
	if err := r.orders("DELETE", "", nil); err != nil {
		return err
	}
	r.toTheEnd()
	return r.ends("recalled")
}

// isBanned is banned, is not let in, and is when the ban is over. Those who share an
// address do not do that to each other.
func (r *regular) isBanned() error {
	if r.number >= honestCallers-10 {
		return r.leavesByFin()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	if err := r.soak.client.Do(ctx, "POST", "/bans", admin.BanOrder{Network: r.home.address, For: "1h", Reason: "soirée", HangUp: true}, nil); err != nil {
		return err
	}
	r.toTheEnd()
	if err := r.ends("banned"); err != nil {
		return err
	}
	if err := r.isKeptOut(); err != nil {
		return err
	}
	if err := r.soak.client.Do(ctx, "DELETE", "/bans/"+url.PathEscape(r.home.address), nil, nil); err != nil {
		return err
	}
	if err := r.dial(); err != nil {
		return fmt.Errorf("after a ban: %w", err)
	}
	r.calls++
	told, err := r.soak.journal.call(r.line.local)
	if err != nil {
		return fmt.Errorf("after a ban: %w", err)
	}
	r.told = told
	if err := r.reads(r.soak.home()); err != nil {
		return fmt.Errorf("after a ban: %w", err)
	}
	return r.leavesByFin()
}

// isKeptOut calls in vain. By TLS they may not be told why: in a crowd nobody
// is, and half a second has to do for the handshake, too.
func (r *regular) isKeptOut() error {
	if err := r.dial(); err != nil {
		return nil
	}
	defer r.line.conn.Close()
	r.line.SetReadDeadline(time.Now().Add(4 * patience))
	said, err := io.ReadAll(r.line)
	if !strings.Contains(string(said), "Acc") && (r.home.trust == nil || len(said) > 0) {
		return fmt.Errorf("who is banned is told %q, %w", said, err)
	}
	return nil
}

// vanishes stops to read and to write, as one whose line is cut somewhere: the socket is
// still there, and nobody says that the caller is not.
func (r *regular) vanishes() error {
	r.line.sleeps()
	if strings.HasPrefix(r.home.scheme, "ws") {
		return r.ends("silent", "idle") // on a machine that stands still now and then, silence proves little
	}
	return r.ends("idle")
}

// neverReads asks a service for more and more pages, and reads none.
func (r *regular) neverReads() error {
	if r.home.query != "" {
		return r.leavesByFin() // at that speed it would take an hour
	}
	if err := r.goes(r.somewhere()); err != nil { // where no portal's speed is kept to
		return err
	}
	if err := r.arrives(); err != nil {
		return err
	}
	r.line.sleeps()
	over := func() bool {
		r.soak.journal.mu.Lock()
		defer r.soak.journal.mu.Unlock()
		return r.told.over
	}
	for late := time.Now().Add(4 * patience); !over() && time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		r.line.conn.SetWriteDeadline(time.Now().Add(patience))
		if err := r.press('C'); err != nil {
			break
		}
	}
	return r.ends("slow")
}
