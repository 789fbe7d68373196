package prise_test

import (
	"strings"
	"testing"

	"moip/internal/prise"
	"moip/internal/prise/minitest"
	"moip/internal/serial"
)

// What goes for a line inside the test goes for one of the system, which keeps the time of
// the day.
func TestTerminal(t *testing.T) {
	m := minitest.New(t, minitest.Telic1B)
	m.On()
	before := m.State()
	d := attend(t, m, prise.Options{Open: serial.Open})
	e := d.call(m)
	send(e, "\x0CBONJOUR")
	m.AwaitText("BONJOUR")
	m.Press("36 15<Suite>")
	receive(t, e, "36 15\x13H")
	m.Unplug()
	for {
		if _, err := e.Receive(); err != nil {
			break
		}
	}
	e.Close()
	m.Plug()
	m.Await("found again", func() bool { return strings.Count(d.log.String(), "Minitel found") == 2 })
	e = d.call(m)
	send(e, "\x0CENCORE")
	m.AwaitText("ENCORE")
	e.Close()
	m.AwaitText("Appuyez sur une touche")
	d.stop()
	if after := m.State(); after != before {
		t.Errorf("it was %s, and is left as %s", before, after)
	}
}
