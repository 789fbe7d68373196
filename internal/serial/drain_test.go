package serial

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deadLine is an adapter that has stopped: it takes bytes and sends none, which
// no pseudo-terminal does.
type deadLine struct {
	Line
	stuck int
}

func (d *deadLine) Write(b []byte) (int, error) {
	d.stuck += len(b)
	return len(b), nil
}

func (d *deadLine) Queued() (int, error)  { return d.stuck, nil }
func (d *deadLine) Set(int, Parity) error { return nil }
func (d *deadLine) Close() error          { return nil }

func TestDrainOfDeadAdapter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := &Port{path: "/dev/ttyUSB0", line: &deadLine{}, closed: make(chan struct{}), speed: 1200}
		port.Write(make([]byte, 120)) // a second's worth
		began := time.Now()
		err := port.Drain()
		if err == nil || !strings.Contains(err.Error(), "/dev/ttyUSB0") || !strings.Contains(err.Error(), "120 bytes") {
			t.Error(err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2*time.Second+50*time.Millisecond {
			t.Errorf("gave up after %v", took)
		}
		if n := port.Pending(); n != 120 {
			t.Errorf("%d bytes pending", n)
		}
	})
}

// What has left the kernel may be in the adapter's chip still.
func TestPendingInTheChip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := &Port{line: &chip{}, closed: make(chan struct{}), speed: 300}
		port.Write(make([]byte, 30))
		port.Write(make([]byte, 30))
		if n := port.Pending(); n != 60 {
			t.Errorf("%d bytes pending at once", n)
		}
		time.Sleep(1500 * time.Millisecond)
		if n := port.Pending(); n != 15 {
			t.Errorf("%d bytes pending after 1.5 s", n)
		}
		began := time.Now()
		if err := port.Drain(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 500*time.Millisecond || took > 530*time.Millisecond {
			t.Errorf("15 bytes took %v", took)
		}
		time.Sleep(time.Hour)
		port.Write([]byte("A"))
		if n := port.Pending(); n != 1 {
			t.Errorf("%d bytes pending after a rest", n)
		}
		port.Close()
		if err := port.Drain(); err == nil || !strings.Contains(err.Error(), os.ErrClosed.Error()) {
			t.Error(err)
		}
	})
}

// chip is an adapter that takes all at once.
type chip struct{ Line }

func (*chip) Write(b []byte) (int, error) { return len(b), nil }
func (*chip) Queued() (int, error)        { return 0, nil }
func (*chip) Close() error                { return nil }
