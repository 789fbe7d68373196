package prise_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/prise"
	"moip/internal/prise/minitest"
	"moip/internal/serial"
	"moip/internal/session"
	"moip/internal/testkit/logtest"
	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inside has a test of a Minitel whose line is inside the test, and its time too: whatever
// else the machine does, everybody answers in time.
func inside(t *testing.T, id [3]byte, test func(*testing.T, *minitest.Minitel)) {
	synctest.Test(t, func(t *testing.T) { test(t, minitest.Inside(t, id)) })
}

// A desk attends to a Minitel, and keeps its calls.
type desk struct {
	*testing.T
	calls chan session.Endpoint
	from  session.Caller
	stop  func()
	log   logtest.Log
}

// attend attends to m until the test ends.
func attend(t *testing.T, m *minitest.Minitel, o prise.Options) *desk {
	d := &desk{T: t, calls: make(chan session.Endpoint, 1)}
	o.Path, o.Log = m.Path, d.log.Logger()
	if o.Open == nil {
		o.Open = m.Open
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		prise.Serve(ctx, o, func(e session.Endpoint, from session.Caller) {
			d.from = from
			d.calls <- e
		})
	})
	d.stop = func() { cancel(); served.Wait() }
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Log(d.log.String())
		}
	})
	return d
}

// call presses a key, and returns the call that comes of it.
func (d *desk) call(m *minitest.Minitel) session.Endpoint {
	d.Helper()
	m.AwaitText("Appuyez sur une touche")
	m.Press("<Envoi>")
	select {
	case e := <-d.calls:
		d.Cleanup(func() { e.Close() })
		return e
	case <-time.After(30 * time.Second):
		d.Fatal("no call")
		return nil
	}
}

// findsSilent has a Minitel that answers nothing be found, by a key.
func (d *desk) findsSilent(m *minitest.Minitel) {
	d.Helper()
	m.AwaitText("Appuyez")
	m.Press("A")
	m.Await("found", func() bool { return d.log.Has("it does not say") })
}

// receive reads what the caller types until text is there.
func receive(t *testing.T, e session.Endpoint, text string) {
	t.Helper()
	var heard []byte
	for !bytes.Contains(heard, []byte(text)) {
		p, err := e.Receive()
		if err != nil {
			t.Fatalf("%q, then %v", heard, err)
		}
		heard = append(heard, p...)
	}
}

func send(e session.Endpoint, text string) {
	if e.Send([]byte(text)) {
		e.Flush()
	}
}

func TestCall(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		before := m.State()
		d := attend(t, m, prise.Options{})
		e := d.call(m)
		if d.from.Transport != "serial" || d.from.Speed != 1200 || !d.from.Addr.Addr().IsLoopback() {
			t.Errorf("the call is from %+v", d.from)
		}
		if !d.log.Has(`Minitel 1B Telic-Alcatel`) {
			t.Error("the Minitel is not named")
		}
		send(e, "\x0CBONJOUR")
		m.AwaitText("BONJOUR")
		m.Press("36 15<Suite>")
		receive(t, e, "36 15\x13H")
		if text := m.Text(); text != "BONJOUR" {
			t.Errorf("the screen shows %q: what is typed is not the Minitel's to show", text)
		}
		e.Close()
		m.AwaitText("Appuyez sur une touche")
		e = d.call(m)
		m.Press("<Fin>")
		receive(t, e, "\x13I")
		m.Say("\x13\x59") // the key without Shift
		receive(t, e, "\x13\x59")
		e.Close()
		m.AwaitText("Appuyez sur une touche")
		if ahead, damaged := m.Ahead(); damaged > 0 || ahead > 400*time.Millisecond {
			t.Errorf("written %v ahead of the line, %d bytes damaged", ahead, damaged)
		}
		m.Unplug() // and settings that are our own are not taken for the Minitel's
		m.Plug()
		m.Await("found again", func() bool { return strings.Count(d.log.String(), "Minitel found") == 2 })
		m.AwaitText("Appuyez sur une touche")
		d.stop()
		if after := m.State(); after != before {
			t.Errorf("it was %s, and is left as %s", before, after)
		}
	})
}

// A page of a service at each speed, some of which the Minitel has.
func TestSpeeds(t *testing.T) {
	for _, test := range []struct {
		id                   [3]byte
		asked, have, damaged int
	}{
		{minitest.Telic1B, 300, 300, 0},
		{minitest.Telic1B, 4800, 4800, 0},
		{minitest.Telic1B, 9600, 4800, 0},
		{minitest.Philips2, 9600, 9600, 0},
		{[3]byte{'B', '?', '6'}, 4800, 1200, 4}, // not known to us, and not obeying: it is asked at the other speed
	} {
		t.Run(string(test.id[:]), func(t *testing.T) {
			inside(t, test.id, func(t *testing.T, m *minitest.Minitel) {
				m.On()
				d := attend(t, m, prise.Options{Speed: test.asked})
				e := d.call(m)
				if d.from.Speed != test.have {
					t.Errorf("the call has %d bit/s, not %d", d.from.Speed, test.have)
				}
				began := time.Now()
				send(e, "\x0C"+strings.Repeat("ABCDEFGHIJ", 6)+"FIN")
				m.AwaitText("FIN")
				if took, least := time.Since(began), 64*10*time.Second/time.Duration(test.have); took < least {
					t.Errorf("a page took %v, and its time on the line is %v", took, least)
				}
				e.Close()
				m.AwaitText("Appuyez")
				d.stop()
				if speed, _, _ := strings.Cut(m.State(), " "); speed != "1200" {
					t.Errorf("it is left at %s bit/s", speed)
				}
				if ahead, damaged := m.Ahead(); damaged > test.damaged || ahead > 400*time.Millisecond {
					t.Errorf("written %v ahead of the line, %d bytes damaged", ahead, damaged)
				}
			})
		})
	}
}

// A Minitel that some program has left at another speed is found.
func TestFound(t *testing.T) {
	inside(t, minitest.Philips2, func(t *testing.T, m *minitest.Minitel) {
		d := attend(t, m, prise.Options{Speed: 4800})
		m.Await("nobody", func() bool { return d.log.Has("no Minitel answers") })
		m.On()
		m.Set(9600)
		m.AwaitText("Ligne à 4800 bit/s")
		d.call(m).Close()
	})
}

// A terminal that answers nothing is one all the same.
func TestSilent(t *testing.T) {
	inside(t, [3]byte{}, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{Speed: 1200})
		d.findsSilent(m)
		e := d.call(m)
		send(e, "\x0CBONJOUR")
		m.AwaitText("BONJOUR")
		m.Press("OUI")
		receive(t, e, "OUI")
	})
}

// The order to change the speed, from a service, changes that of the line.
func TestOrdered(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{})
		e := d.call(m)
		send(e, "\x0CA\x1B\x3A\x6B\x76B") // 4800
		receive(t, e, "\x1B\x3A\x75\x76")
		m.AwaitText("AB")
		send(e, "C\x1B\x3A\x6B\x7FD") // 9600, which it has not
		receive(t, e, "\x1B\x3A\x75\x76")
		m.AwaitText("ABCD")
		m.Press("OUI")
		receive(t, e, "OUI")
		send(e, "\x1B\x39\x7FE") // reset
		receive(t, e, "\x13\x5E")
		m.AwaitText("ABCDE")
		m.Press("NON")
		receive(t, e, "NON")
		if text := m.Text(); text != "ABCDE" {
			t.Errorf("the screen shows %q", text)
		}
		e.Close()
		m.AwaitText("Ligne à 1200 bit/s")
	})
}

func TestDamage(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{})
		e := d.call(m)
		send(e, "\x0CA")
		m.AwaitText("A")
		m.Damage(1)
		m.Press("B")
		receive(t, e, "B")
		m.Await("a block", func() bool { return m.Text() == "A"+string(videotex.Cell{Set: videotex.G0, Code: 0x7F}.Rune()) })
		m.Damage(5) // noise: the Minitel is still there
		time.Sleep(2 * time.Second)
		m.Press("C")
		receive(t, e, "C")
		e.Close()
		m.Await("the count", func() bool { return d.log.Has("here=6") })
	})
}

// What may happen to a Minitel: each ends the call, and then it is found again.
func TestGone(t *testing.T) {
	for name, happens := range map[string]func(m *minitest.Minitel){
		"off and on": func(m *minitest.Minitel) { m.Off(); m.On() },
		"off":        func(m *minitest.Minitel) { m.Off(); time.Sleep(3 * time.Second); m.On() },
		"cable":      func(m *minitest.Minitel) { m.Unplug(); time.Sleep(2 * time.Second); m.Plug() },
	} {
		for _, speed := range []int{0, 4800} {
			t.Run(name, func(t *testing.T) {
				inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
					m.On()
					d := attend(t, m, prise.Options{Speed: speed})
					e := d.call(m)
					var feeding sync.WaitGroup
					defer feeding.Wait()
					feeding.Go(func() { send(e, "\x0C"+strings.Repeat("UNE LONGUE PAGE ", 60)) })
					m.AwaitText("LONGUE")
					happens(m)
					for {
						_, err := e.Receive()
						if err == io.EOF {
							t.Error("a call that broke ends in good order")
						}
						if err != nil {
							break
						}
					}
					e.Close()
					e = d.call(m)
					send(e, "\x0CENCORE")
					m.AwaitText("ENCORE")
				})
			})
		}
	}
}

// XOFF and XON are heeded if that is asked for, and SEP is still SEP.
func TestFlow(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{Flow: true, Parity: serial.ParitySoftware})
		e := d.call(m)
		send(e, "\x0CA")
		m.AwaitText("A")
		m.Say("\x13")
		time.Sleep(time.Second)
		if !e.Send([]byte("BC")) {
			t.Error("nothing is kept after XOFF")
		}
		m.Press("<Envoi>")
		receive(t, e, "\x13A")
		if m.Text() != "A" {
			t.Error("written after XOFF")
		}
		m.Say("\x11")
		e.Flush()
		m.AwaitText("ABC")
	})
}

// A Minitel that a service has brought into Téléinformatique, where it answers
// nothing, stays in the call; and it is found if it was left there.
func TestTele(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{})
		e := d.call(m)
		send(e, "\x1B\x3A\x31\x7DLOGIN: ")
		receive(t, e, "\x1B[?z")
		m.AwaitText("LOGIN:")
		m.Damage(5) // so that it would be asked whether it is there
		time.Sleep(3 * time.Second)
		m.Press("ROOT")
		receive(t, e, "ROOT")
		m.Unplug()
		m.Plug()
		e.Close()
		m.Await("found again", func() bool { return strings.Count(d.log.String(), "Minitel found") == 2 })
		e = d.call(m)
		send(e, "\x0CENCORE")
		m.AwaitText("ENCORE")
	})
}

// A call that ends with an order to change the speed, in row 00, leaves the line as
// it was.
func TestLastOrder(t *testing.T) {
	for name, id := range map[string][3]byte{"Telic": minitest.Telic1B, "silent": {}} {
		t.Run(name, func(t *testing.T) {
			inside(t, id, func(t *testing.T, m *minitest.Minitel) {
				m.On()
				d := attend(t, m, prise.Options{})
				if id == [3]byte{} {
					d.findsSilent(m)
				}
				for range 4 {
					e := d.call(m)
					send(e, "\x0C")
					m.Await("nothing", func() bool { return m.Text() == "" })
					e.Send([]byte("\x1F\x40\x41\x1B\x3A\x6B\x76"))
					e.Close()
					m.AwaitText("Ligne à 1200 bit/s")
				}
			})
		})
	}
}

// Whatever a service has forbidden the Minitel, it may be used after the call.
func TestForbidden(t *testing.T) {
	for name, order := range map[string]string{
		"keyboard": "\x1B\x3B\x60\x59\x51",
		"answers":  "\x1B\x3A\x64\x53\x1B\x3A\x6B\x64",
	} {
		t.Run(name, func(t *testing.T) {
			inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
				m.On()
				d := attend(t, m, prise.Options{Speed: 4800})
				e := d.call(m)
				send(e, "\x0COUI"+order)
				m.AwaitText("OUI")
				e.Close()
				d.call(m)
				if d.from.Speed != 4800 {
					t.Errorf("the next call has %d bit/s", d.from.Speed)
				}
			})
		})
	}
}

// An answer that came damaged is none.
func TestHalfAnswer(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{})
		e := d.call(m)
		m.Damage(5) // it is asked what its modem hears
		m.Say("\x1B\x3B\x63\x5A")
		time.Sleep(2 * time.Second)
		m.Press("OUI")
		receive(t, e, "OUI")
	})
}

// A terminal that answers nothing keeps its speed, whoever orders another.
func TestSilentSpeed(t *testing.T) {
	inside(t, [3]byte{}, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{Speed: 4800})
		d.findsSilent(m)
		e := d.call(m)
		send(e, "\x0CA\x1B\x3A\x6B\x76B")
		m.AwaitText("AB")
		m.Press("OUI")
		receive(t, e, "OUI")
	})
}

// Connexion/Fin without Shift, pressed twice, is heard twice, and not once more
// because the Minitel tells that it has released the line.
func TestFin(t *testing.T) {
	inside(t, minitest.Telic1B, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{})
		e := d.call(m)
		time.Sleep(2 * time.Second) // what it said when it was switched on is over
		for range 2 {
			m.Fin()
			time.Sleep(700 * time.Millisecond)
		}
		m.Press("OUI")
		receive(t, e, "\x13\x59\x13\x59OUI")
		if m.Seeks() {
			t.Error("it looks for a carrier")
		}
	})
}

// A port that takes nothing any more stops nobody: neither the call nor the end.
func TestStuck(t *testing.T) {
	inside(t, minitest.Philips2, func(t *testing.T, m *minitest.Minitel) {
		m.On()
		d := attend(t, m, prise.Options{Speed: 9600})
		e := d.call(m)
		m.Jam()
		var feeding sync.WaitGroup
		defer feeding.Wait()
		feeding.Go(func() { send(e, strings.Repeat("UNE LONGUE PAGE ", 2000)) })
		for {
			if _, err := e.Receive(); err != nil {
				break
			}
		}
		m.Await("the reason", func() bool { return d.log.Has("takes nothing") })
		e.Close()
	})
}
