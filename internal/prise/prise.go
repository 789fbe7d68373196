// Package prise attends to a Minitel at a serial port, which is wired to its DIN
// socket, the prise péri-informatique: it finds the Minitel, sets it up, and has a
// call answered when a key is pressed.
//
// Clause numbers are those of the STUM 1B, as in package videotex.
package prise

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"moip/internal/serial"
	"moip/internal/session"
)

// Options of a line to a Minitel. Path is needed.
type Options struct {
	Path   string        // of the port
	Speed  int           // to raise the Minitel to, one of session.Speeds; 0 leaves it as it is found
	Parity serial.Parity // "" for serial.ParityAuto
	Flow   bool          // heed XOFF and XON, which a Minitel never sends but other terminals may
	Log    *slog.Logger  // nil for none

	// Open opens the port. Nil for serial.Open.
	Open func(path string, speed int, parity serial.Parity) (*serial.Port, error)
}

// Transport is that of the calls, for session.Caller.
const Transport = "serial"

// Serve attends to the Minitel at a port until ctx is done and the call then under
// way is over. Nothing else ends it: a port that is not there, or goes, is opened
// once it is back, and a Minitel that is off is looked for.
//
// Each call is answered by answer, which returns soon. In the end the Minitel is as
// it was found, at 1200 bit/s.
func Serve(ctx context.Context, o Options, answer func(session.Endpoint, session.Caller)) {
	o.Parity = cmp.Or(o.Parity, serial.ParityAuto)
	if o.Open == nil {
		o.Open = serial.Open
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler)).With("port", o.Path)
	told := ""
	for ctx.Err() == nil {
		err := attend(ctx, o, answer)
		if err != nil && err.Error() != told {
			told = err.Error()
			o.Log.Warn("no serial port; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// powerOn is the speed of a Minitel that has just been switched on, in bit/s
// (2-5-3-2).
const powerOn = 1200

// attend is Serve for as long as the port is there. It returns why it is not, nil
// when ctx is done.
func attend(ctx context.Context, o Options, answer func(session.Endpoint, session.Caller)) error {
	port, err := o.Open(o.Path, powerOn, o.Parity)
	if err != nil {
		return err
	}
	a := &attendant{Options: o, line: newLine(port, o.Flow), parities: []serial.Parity{port.Parity()}, answer: answer}
	defer a.close()
	if o.Parity == serial.ParityAuto && port.Parity() == serial.ParityLine {
		// There are adapters that agree to make parity and do not.
		a.parities = append(a.parities, serial.ParitySoftware)
	}
	for {
		err := a.find(ctx)
		if err == nil {
			err = a.serve(ctx)
		}
		switch {
		case errors.Is(err, errOff), errors.Is(err, errReset):
			o.Log.Warn("Minitel gone", "reason", err)
		case errors.Is(err, context.Canceled):
			return nil
		default:
			return err
		}
	}
}

// An attendant has one Minitel in its care, or looks for it. What it has belongs to
// the goroutine of Serve.
type attendant struct {
	Options
	*line
	parities []serial.Parity // under which a Minitel may be heard
	answer   func(session.Endpoint, session.Caller)

	id    [3]byte   // what the Minitel says it is, 0 if nothing
	found statuses  // its settings when it was found
	base  int       // its speed between calls
	taken time.Time // when it last took its telephone line, zero once that is released; see heed
	call  *call     // nil between calls
}

// serve has calls answered, one after the other, until ctx is done or the Minitel
// gone.
func (a *attendant) serve(ctx context.Context) error {
	if err := a.setUp(); err != nil {
		return err
	}
	for {
		err := a.wait(ctx)
		if ctx.Err() != nil {
			a.restore()
		}
		if err = cmp.Or(ctx.Err(), err); err != nil {
			return err
		}
		if err := a.carry(); err != nil {
			return err
		}
		if err := a.tidy(); err != nil {
			return err
		}
	}
}

// probeTime is how long a Minitel may say nothing before it is asked whether it is
// still there.
const probeTime = 20 * time.Second

// wait shows the welcome, and returns when a key is pressed or ctx is done.
func (a *attendant) wait(ctx context.Context) error {
	if err := a.say(welcome(a.port.Speed())); err != nil {
		return err
	}
	for ctx.Err() == nil {
		key, err := a.next(ctx.Done(), probeTime)
		if err != nil {
			return err
		}
		pressed := key != nil && !a.heed(key)
		if doubt := a.doubted(); doubt || key == nil {
			if err := a.probe(doubt); err != nil {
				return err
			}
		}
		if pressed {
			return nil
		}
	}
	return nil
}

// next returns the next key, nil if there is none for so long or until done.
func (a *attendant) next(done <-chan struct{}, d time.Duration) ([]byte, error) {
	late := time.After(d)
	for {
		select {
		case key, open := <-a.keys:
			if !open {
				return nil, a.err
			}
			return key, nil
		case speed := <-a.turns:
			if _, err := a.turn(speed); err != nil {
				return nil, err
			}
		case <-late:
			return nil, nil
		case <-done:
			return nil, nil
		}
	}
}

// say writes p, and waits until it is written.
func (a *attendant) say(p []byte) error {
	for kept := a.write(p, nil); kept; kept = a.write(nil, nil) {
		select {
		case speed := <-a.turns: // nothing is written until it is turned
			if _, err := a.turn(speed); err != nil {
				return err
			}
		case <-time.After(aheadTime / 2):
		}
	}
	return nil
}

// carry has a call answered, and stays with it until it is over. Its error says why
// there can be no other.
func (a *attendant) carry() error {
	a.call = newCall(a.line, map[string]string{"port": a.Path, "terminal": a.model()})
	before := a.setCalling(true)
	a.answer(a.call, session.Caller{Transport: Transport, Addr: here, Speed: a.port.Speed()})
	err := a.listen()
	a.call.end(cmp.Or(err, net.ErrClosed))
	a.call = nil
	if after := a.setCalling(false); after != before {
		a.Log.Warn("bytes came damaged", "here", after.here-before.here, "at the Minitel", after.there-before.there)
	}
	return err
}

// listen hands what the Minitel says to the call, until that is over.
func (a *attendant) listen() (err error) {
	idle := time.NewTimer(probeTime)
	defer idle.Stop()
	for err == nil {
		select {
		case <-a.call.over:
			return nil
		case key, open := <-a.keys:
			if !open {
				return a.err
			}
			idle.Reset(probeTime)
			if !a.heed(key) {
				a.call.hear(key)
			}
		case speed := <-a.turns:
			_, err = a.turn(speed)
		case <-a.doubts:
			err = a.probe(true)
		case <-idle.C:
			idle.Reset(probeTime)
			err = a.probe(false)
		}
	}
	return err
}
