package prise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"moip/videotex"
)

// Orders and questions to the protocol layer, and how the answers begin (2-6-3 to
// 2-6-14).
const (
	pro1, pro2, pro3 = "\x1B\x39", "\x1B\x3A", "\x1B\x3B"

	whoAsk, whoAnswer       = pro1 + "\x7B", "\x01" // ENQROM
	resetOrder, resetAnswer = pro1 + "\x7F", "\x13\x5E"
	hangUpOrder             = pro1 + "\x67"
	// videotexOrder ends Téléinformatique, which has no protocol layer (3-1).
	videotexOrder = "\x1B[?{"
	noPCEOrder    = pro2 + "\x6A\x44"

	speedAsk, speedOrder, speedAnswer = pro1 + "\x74", pro2 + "\x6B", pro2 + "\x75"
)

// Receivers and senders of the routings.
const (
	screen, keyboard, modem, socket       = "\x58", "\x59", "\x5A", "\x5B"
	fromKeyboard, fromModem, fromSocket   = "\x51", "\x52", "\x53"
	hearsKeyboard, hearsModem, hearsInput = 1 << 1, 1 << 2, 1 << 3
)

// A setting is what one status of the Minitel's tells, a bit for each thing that is
// on or off.
type setting struct {
	ask, answer string
	bits        []bit
}

type bit struct {
	mask    byte
	on, off string
	wanted  bool
}

// route is whether what one module sends reaches another.
func route(to, from string, mask byte, wanted bool) bit {
	return bit{mask, pro3 + "\x61" + to + from, pro3 + "\x60" + to + from, wanted}
}

func routing(module string, bits ...bit) setting {
	return setting{pro2 + "\x62" + module, pro3 + "\x63" + module, bits}
}

// settings are what calls need. What is typed goes to the socket alone, and what
// comes from there to the screen: by itself a Minitel shows what is typed by way of
// its modem (2-1-1-2-3). Keyboard and screen are as in one just switched on.
var settings = [...]setting{
	routing(modem, route(modem, fromKeyboard, hearsKeyboard, false)),
	routing(screen, route(screen, fromModem, hearsModem, false), route(screen, fromSocket, hearsInput, true)),
	routing(socket, route(socket, fromKeyboard, hearsKeyboard, true)),
	{pro1 + "\x72", pro2 + "\x73", []bit{
		{1 << 1, pro2 + "\x69\x43", pro2 + "\x6A\x43", false}, // the page rolls
		{1 << 3, pro2 + "\x69\x45", pro2 + "\x6A\x45", false}, // small letters
	}},
	{pro2 + "\x72" + keyboard, pro3 + "\x73" + keyboard, []bit{
		{1 << 0, pro3 + "\x69" + keyboard + "\x41", pro3 + "\x6A" + keyboard + "\x41", false}, // cursor keys and such
		{1 << 2, pro3 + "\x69" + keyboard + "\x43", pro3 + "\x6A" + keyboard + "\x43", false}, // as control characters
	}},
}

// routings are the orders that bring all routings back.
var routings = func() (orders string) {
	for _, s := range settings[:3] {
		for _, b := range s.bits {
			orders += b.order(b.wanted)
		}
	}
	return orders
}()

func (b bit) order(on bool) string {
	if on {
		return b.on
	}
	return b.off
}

// statuses are the answers for settings, 0 where there was none.
type statuses [len(settings)]byte

// standard is what a Minitel answers that has just been switched on (2-1-1-2-1).
var standard = statuses{0x46, 0x4D, 0x4A, 0x40, 0x40}

// Why there are no more calls.
var (
	errOff   = errors.New("it is switched off, or its cable is out")
	errReset = errors.New("it was switched off and on")
)

// answerTime is how long a Minitel may think about an answer.
const answerTime = 300 * time.Millisecond

// ask sends orders, or a question, and returns the answer that begins with head; nil
// if none comes.
func (a *attendant) ask(orders, head string) ([]byte, error) {
	a.order(orders)
	return a.answered(head, len(orders))
}

// answered is ask for n bytes that have been sent. What else comes meanwhile is the
// caller's.
func (a *attendant) answered(head string, n int) ([]byte, error) {
	end := time.Now().Add(aheadTime + answerTime + time.Duration(n+mostAnswer)*a.byteTime())
	for {
		key, err := a.next(nil, time.Until(end))
		if err != nil || key == nil {
			return nil, err
		}
		if isAnswer(key, head) {
			return key, nil
		}
		if !a.heed(key) && a.call != nil {
			a.call.hear(key)
		}
	}
}

// mostAnswer is how many bytes the longest answer has, an identification.
const mostAnswer = 5

// isAnswer reports whether key is an answer that begins with head, and all of it: of
// one that came damaged some may be missing.
func isAnswer(key []byte, head string) bool {
	n := len(head) + 1 // a status
	switch head {
	case whoAnswer:
		n = mostAnswer
	case resetAnswer:
		n = len(head)
	}
	return len(key) == n && strings.HasPrefix(string(key), head)
}

// lookTime is how long nobody is looked for between two rounds.
const lookTime = 2 * time.Second

// find looks for the Minitel until there is one, or ctx is done. One that answers
// nothing is there if a key is pressed.
func (a *attendant) find(ctx context.Context) error {
	a.id = [3]byte{}
	pressed := false
	for round := 0; ; round++ {
		ask := whoAsk
		if round > 0 {
			ask = videotexOrder + whoAsk
		}
		if found, err := a.look(ctx, ask); found || err != nil {
			return err
		}
		if err := a.tune(powerOn, a.parities[0]); err != nil || pressed {
			return err
		}
		if round == 0 {
			a.Log.Info("no Minitel answers; it is looked for")
		}
		if err := a.say(welcome(powerOn)); err != nil {
			return err
		}
		key, err := a.next(ctx.Done(), lookTime)
		if err != nil {
			return err
		}
		pressed = key != nil && !a.heed(key) && videotex.Function(key) != videotex.LineReleased
	}
}

// look asks at each speed who is there.
func (a *attendant) look(ctx context.Context, ask string) (found bool, err error) {
	for _, parity := range a.parities {
		for _, speed := range []int{powerOn, 4800, 9600, 300} {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if a.tune(speed, parity) != nil {
				continue // the adapter has not all of them; if it is gone, the reader knows
			}
			id, err := a.ask(ask, whoAnswer)
			if err != nil {
				return false, err
			}
			if id != nil {
				a.id = [3]byte(id[1:4])
				return true, nil
			}
		}
	}
	return false, nil
}

// setUp makes the Minitel that was found ready for calls.
func (a *attendant) setUp() (err error) {
	a.Log.Info("Minitel found", "model", a.model(), "speed", a.port.Speed(), "parity", a.port.Parity())
	if a.found, err = a.statuses(); err != nil {
		return err
	}
	if err := a.reset(); err != nil {
		return err
	}
	if a.found[0] == 0 { // it may have been forbidden to answer
		if a.found, err = a.statuses(); err != nil {
			return err
		}
	}
	if a.found[0] != 0 && a.found[0]&hearsKeyboard == 0 {
		a.found = standard // we have been here before, and had no time to put it back
	}
	if err := a.bring(wanted()); err != nil {
		return err
	}
	a.base = cmp.Or(a.Speed, a.port.Speed())
	if !a.has(a.base) {
		a.Log.Warn("this Minitel has no such speed", "asked", a.base)
		a.base = cmp.Or(videotex.TerminalSpeed(a.id), a.port.Speed())
	}
	ok, err := a.change(a.base)
	if err == nil && !ok { // the order may have been damaged
		ok, err = a.change(a.base)
	}
	if err == nil && !ok {
		a.Log.Warn("the Minitel does not change its speed", "asked", a.base, "speed", a.port.Speed())
		a.base = a.port.Speed()
	}
	return err
}

// tidy puts the Minitel right after a call, in which services may have changed what
// they liked.
func (a *attendant) tidy() error {
	select {
	case speed := <-a.turns: // the last that the service said
		if _, err := a.turn(speed); err != nil {
			return err
		}
	default:
	}
	if err := a.say(a.rest()); err != nil {
		return err
	}
	if err := a.reset(); err != nil {
		return err
	}
	if _, err := a.change(a.base); err != nil {
		return err
	}
	return a.bring(wanted())
}

// reset undoes what there is no setting for, such as a keyboard that is blocked or
// answers that are forbidden (2-6-13-2).
func (a *attendant) reset() error {
	_, err := a.ask(resetOrder, resetAnswer)
	return err
}

// restore puts the Minitel back as it was found, but at the speed of one just
// switched on: whoever is next looks for it there.
func (a *attendant) restore() {
	if a.say(stopped) != nil {
		return
	}
	if a.bring(a.found) == nil {
		a.change(powerOn)
	}
	a.through()
}

// model names the Minitel for people.
func (a *attendant) model() string {
	if a.silent() {
		return "unknown, for it does not say"
	}
	return fmt.Sprintf("%s (%q)", cmp.Or(videotex.TerminalName(a.id), "unknown"), a.id[:])
}

// has reports whether the Minitel may have a speed. One that answers nothing does not
// tell whether it has another than it was found at.
func (a *attendant) has(speed int) bool {
	if a.silent() {
		return speed == a.port.Speed()
	}
	most := videotex.TerminalSpeed(a.id)
	return most == 0 || speed <= most
}

// silent reports whether the Minitel answers nothing.
func (a *attendant) silent() bool { return a.id == [3]byte{} }

// change orders the Minitel to have a speed, and reports whether it has.
func (a *attendant) change(speed int) (ok bool, err error) {
	if speed == a.port.Speed() {
		return true, nil
	}
	a.order(speedOrder + string([]byte{videotex.SpeedCode(speed)}))
	select {
	case speed := <-a.turns:
		return a.turn(speed)
	case <-time.After(time.Second): // it cannot be written yet
		return false, nil
	}
}

// turn is for when an order to change the speed has been written. The Minitel
// answers at the speed it has then: the new one, or if that is none of its own, the
// old one (2-6-8-2).
func (a *attendant) turn(speed int) (ok bool, err error) {
	ok, answer, err := a.follow(speed)
	a.turned(true)
	if a.call != nil && answer != nil { // who gave the order may wait for it
		a.call.hear(answer)
	}
	return ok, err
}

// follow has the port follow the Minitel to another speed, or to none if that keeps
// its own. An answer that comes before the port is there is lost, so the Minitel is
// asked once more.
func (a *attendant) follow(speed int) (ok bool, answer []byte, err error) {
	old := a.port.Speed()
	a.through()
	if !a.has(speed) {
		answer, err = a.answered(speedAnswer, 0)
		return false, answer, err
	}
	if err := a.port.SetSpeed(speed); err != nil {
		return false, nil, err
	}
	answer, err = a.answered(speedAnswer, 0)
	if err != nil || answer != nil && answer[3] == videotex.SpeedCode(speed) {
		return err == nil, answer, err
	}
	for _, at := range []int{speed, old} {
		if err := a.port.SetSpeed(at); err != nil {
			return false, nil, err
		}
		a.turned(false)
		if answer, err = a.ask(speedAsk, speedAnswer); answer != nil || err != nil {
			return at == speed, answer, err
		}
	}
	return false, nil, errOff
}

// statuses asks for all settings.
func (a *attendant) statuses() (now statuses, err error) {
	if a.silent() {
		return now, nil // it would not answer that either
	}
	for i, s := range settings {
		answer, err := a.ask(s.ask, s.answer)
		if err != nil {
			return now, err
		}
		if answer != nil {
			now[i] = answer[len(answer)-1]
		}
	}
	return now, nil
}

// wanted returns the statuses that calls need.
func wanted() (all statuses) {
	for i, s := range settings {
		all[i] = 0x40
		for _, b := range s.bits {
			if b.wanted {
				all[i] |= b.mask
			}
		}
	}
	return all
}

// bring orders the settings to be as in target, where that knows.
func (a *attendant) bring(target statuses) error {
	now, err := a.statuses()
	if err != nil {
		return err
	}
	for i, s := range settings {
		for _, b := range s.bits {
			switch on := target[i]&b.mask != 0; {
			case target[i] == 0, now[i] != 0 && on == (now[i]&b.mask != 0):
			case now[i] == 0:
				a.order(b.order(on)) // it may hear, though it does not answer
			default:
				if _, err := a.ask(b.order(on), s.answer); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// probe asks whether the Minitel is still there and as we left it. One that answers
// nothing is, unless that is in doubt.
func (a *attendant) probe(doubt bool) error {
	if a.deaf() {
		return nil
	}
	ask, head := settings[0].ask, settings[0].answer
	if a.found[0] == 0 {
		ask, head = whoAsk, whoAnswer
	}
	for range 3 {
		answer, err := a.ask(ask, head)
		switch {
		case err != nil:
			return err
		case answer == nil && a.silent() && !doubt:
			return nil
		case answer == nil:
		case a.silent(), head != whoAnswer && answer[len(answer)-1]&hearsKeyboard != 0:
			return errReset
		default:
			return nil
		}
	}
	return errOff
}

// releaseTime is how long after Connexion/Fin the Minitel may tell that its line is
// released, which we have ordered.
const releaseTime = 2 * time.Second

// heed obeys what the Minitel says that is no key of the caller's, and reports
// whether it is.
func (a *attendant) heed(key []byte) (mine bool) {
	switch videotex.Function(key) {
	case videotex.LineReleased:
		// Connexion/Fin takes the telephone line, and looks for a carrier there
		// for 40 s (1-5-3-1-1); then it would say the same again.
		if time.Since(a.taken) < releaseTime {
			a.taken = time.Time{} // the next is a key again
			return true
		}
		a.taken = time.Now()
		a.order(hangUpOrder)
		a.doubt() // a Minitel says it as well when it is switched on
		return false
	case 0x53, 0x54, 0x72: // connected or not, a peripheral came or went, switched on
		a.doubt()
	case 0x4A:
		a.order(noPCEOrder) // nobody here corrects errors
	}
	return isNews(key)
}

// isNews reports whether key is what a Minitel says of itself without having been
// asked (2-6-14).
func isNews(key []byte) bool {
	const news = "\x4A\x4B\x4C\x4D\x50\x51\x52\x53\x54\x55\x56\x58\x5A\x5B\x6C\x6D\x72\x74"
	f := videotex.Function(key)
	return f != 0 && strings.IndexByte(news, f) >= 0
}
