package terminal

import (
	"bytes"
	"errors"
	"os"

	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		r := newRecord(&b)
		time.Sleep(12 * time.Millisecond)
		r.received([]byte("\f\x1bABonjour"))
		time.Sleep(time.Minute)
		r.received([]byte{0})
		want := `{"began":"2000-01-01T00:00:00Z","moip":1}` + "\n" + // when every bubble begins
			`{"ms":12,"data":"DBtBQm9uam91cg=="}` + "\n" +
			`{"ms":60012,"data":"AA=="}` + "\n"
		if b.String() != want || r.err != nil {
			t.Errorf("it is, with %v,\n%s", r.err, &b)
		}
	})
}

// What cannot be written is told, and nothing is written behind it.
func TestRecordFails(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	r := newRecord(write)
	read.Close()
	r.received([]byte("a"))
	first := r.err
	write.Close()
	r.received([]byte("b"))
	if !errors.Is(first, syscall.EPIPE) || r.err != first {
		t.Errorf("it tells %v, then %v", first, r.err)
	}
}
