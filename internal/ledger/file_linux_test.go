package ledger

// What Linux has to play a disk in trouble.

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
)

// A disk that is full: nothing waits, and the log has the records, but not a
// flood of them. When there is room again the file goes on.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "visits.jsonl")
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
		f, log := open(t, path)
		const flood = 3 * aloudLimit
		for n := range flood {
			f.Enter(visit(n))
		}
		time.Sleep(time.Second) // of the bubble's
		f.Enter(visit(flood))
		synctest.Wait()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		f.Enter(visit(flood + 1))
		closeLedger(t, f)
		expect(t, path, flood+1)

		all := told(t, log)
		if len(all) != aloudLimit+3 {
			t.Fatalf("log: %s", log)
		}
		for i, c := range all[:aloudLimit+1] {
			n := i
			if i == aloudLimit {
				n = flood
			}
			if c.Level != "ERROR" || c.Error != "write "+path+": no space left on device" ||
				c.Lost != n+1 || c.Record != strings.TrimSpace(string(visit(n).line())) {
				t.Errorf("%d: %+v", i, c)
			}
		}
		for _, c := range all[aloudLimit+1:] {
			if c.Level == "ERROR" || c.Lost != flood+1 {
				t.Errorf("%+v", c)
			}
		}
	})
}

// A disk that takes half a line: the next one is whole.
func TestDiskFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "visits.jsonl")
		f, log := open(t, path)
		f.Enter(visit(1))
		synctest.Wait()
		lift := limitFiles(t, len(visit(1).line())+20)
		f.Enter(visit(2))
		synctest.Wait()
		lift()
		f.Enter(visit(3))
		closeLedger(t, f)

		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := string(visit(1).line()) + string(visit(2).line()[:20]) + "\n" + string(visit(3).line())
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if all := told(t, log); len(all) != 3 || all[0].Record != strings.TrimSpace(string(visit(2).line())) {
			t.Errorf("log: %s", log)
		}
	})
}

// limitFiles lets no file of this process grow beyond size, until lift.
func limitFiles(t *testing.T, size int) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	limit.Cur = uint64(size)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that hangs, played by a terminal that nobody reads: Enter does not
// wait for it, and whatever the queue cannot hold is counted. Close writes the
// rest.
func TestHungDisk(t *testing.T) {
	reader, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, log := open(t, terminal.Name())
	const entered = queueLimit + 2000
	for n := range entered {
		f.Enter(visit(n))
	}
	if f.losses() == 0 {
		t.Error("nothing is lost: the disk does not hang")
	}

	got := make(chan int)
	go func() {
		n := 0
		for lines := bufio.NewScanner(reader); lines.Scan(); n++ {
			var r Record
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Errorf("%q: %v", lines.Text(), err)
			}
		}
		got <- n // the last to hold the terminal has closed it
	}()
	closeLedger(t, f)
	terminal.Close()
	if n := <-got; n+f.losses() != entered {
		t.Errorf("%d written, %d lost, %d entered", n, f.losses(), entered)
	}
	all := told(t, log)
	if len(all) == 0 || all[0].Error != errFull.Error() || all[0].Record == "" {
		t.Fatalf("log: %s", log)
	}
	if last := all[len(all)-1]; last.Msg != "ledger is incomplete" || last.Lost != f.losses() {
		t.Errorf("%+v", last)
	}
}

func TestOpenPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "visits.jsonl")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), "a pipe is no file") {
		t.Error(err)
	}
}
