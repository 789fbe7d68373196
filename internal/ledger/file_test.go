package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
)

// visit returns a record to be known by its number.
func visit(n int) Record {
	at := time.UnixMilli(900_000_000_000).UTC()
	return Record{
		Call: session.ID(n), Caller: "127.0.0.1:1200", Transport: "telnet", Service: "SALON",
		From: at, To: at.Add(time.Minute), Seconds: 60, Palier: "36 15", Cost: 12900, Currency: "F",
		Reason: session.ReasonFin,
	}
}

// open opens the ledger at path, and the log that it writes, to be read once
// the ledger rests or is closed.
func open(t *testing.T, path string) (*File, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	f, err := Open(path, slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, &log
}

func closeLedger(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// read returns the records at path, and the lines that are none.
func read(t *testing.T, path string) (records []Record, rest []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var r Record
		if err := json.Unmarshal([]byte(line), &r); err != nil || !strings.HasSuffix(line, "\n") {
			rest = append(rest, line)
		} else {
			records = append(records, r)
		}
	}
	return records, rest
}

// expect checks that the file at path has these visits, and nothing else.
func expect(t *testing.T, path string, numbers ...int) {
	t.Helper()
	var want []Record
	for _, n := range numbers {
		want = append(want, visit(n))
	}
	got, rest := read(t, path)
	if diff := cmp.Diff(want, got); diff != "" || rest != nil {
		t.Errorf("%s: beside %q: %s", path, rest, diff)
	}
}

// A complaint is a line of the log.
type complaint struct {
	Level, Msg, Error, Record, Ledger string
	Lost                              int
}

// told returns the lines of log.
func told(t *testing.T, log *bytes.Buffer) (all []complaint) {
	t.Helper()
	for line := range bytes.Lines(log.Bytes()) {
		var c complaint
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "visits.jsonl")
	for i := range 3 { // the file grows from one start of the gateway to the next
		f, log := open(t, path)
		f.Enter(visit(2 * i))
		f.Enter(visit(2*i + 1))
		closeLedger(t, f)
		if log.Len() > 0 {
			t.Errorf("log: %s", log)
		}
	}
	expect(t, path, 0, 1, 2, 3, 4, 5)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&^0o640 != 0 {
		t.Errorf("mode %v", mode)
	}
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none", "visits.jsonl"), dir, ""} {
		_, err := Open(path, nil)
		if err == nil {
			t.Fatalf("%q opens", path)
		}
		text := err.Error()
		if !strings.HasPrefix(text, "ledger: open "+path+": ") || !strings.HasSuffix(text, "(name a file that can be written, in a directory that is there)") {
			t.Error(err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none", "visits.jsonl"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestManyEnter(t *testing.T) {
	const callers, each = 16, 200
	path := filepath.Join(t.TempDir(), "visits.jsonl")
	f, log := open(t, path)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				f.Enter(visit(c*each + i))
			}
		})
	}
	all.Wait()
	closeLedger(t, f)
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
	records, rest := read(t, path)
	if len(records) != callers*each || rest != nil {
		t.Errorf("%d records, and %q", len(records), rest)
	}
	next := [callers]int{}
	for _, r := range records {
		c, i := int(r.Call)/each, int(r.Call)%each
		if i != next[c] {
			t.Fatalf("caller %d: record %d, want %d", c, i, next[c])
		}
		next[c]++
	}
}

// A crash leaves the head of a line; what follows is whole.
func TestLineCutShort(t *testing.T) {
	const whole, head = `{"call":1}` + "\n", `{"from":"19`
	for _, before := range []string{"", whole, head, whole + head, "\n"} {
		path := filepath.Join(t.TempDir(), "visits.jsonl")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		f, _ := open(t, path)
		f.Enter(visit(1))
		f.Enter(visit(2))
		closeLedger(t, f)
		if strings.HasSuffix(before, head) {
			before += "\n"
		}
		want := before + string(visit(1).line()) + string(visit(2).line())
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("after %q: %s", before, diff)
		}
	}
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "visits.jsonl")
		do := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		f, log := open(t, path)
		enter := func(n int) {
			f.Enter(visit(n))
			synctest.Wait()
		}
		enter(1)
		do(os.Rename(path, path+".1")) // as logrotate, which lets the gateway create
		enter(2)
		do(os.Rename(path, path+".2")) // as logrotate, which creates
		do(os.WriteFile(path, nil, 0o600))
		enter(3)
		do(os.Remove(path))
		enter(4)
		do(os.Truncate(path, 0)) // as logrotate, which copies
		enter(5)
		closeLedger(t, f)
		expect(t, path+".1", 1)
		expect(t, path+".2", 2)
		expect(t, path, 5)
		if log.Len() > 0 {
			t.Errorf("log: %s", log)
		}
	})
}

// The directory is away for a moment: what cannot be written is in the log, and
// not in a file that nobody will find.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "billing")
		path := filepath.Join(dir, "visits.jsonl")
		do := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		do(os.Mkdir(dir, 0o700))
		f, log := open(t, path)
		f.Enter(visit(1))
		synctest.Wait()
		do(os.Rename(dir, dir+".old"))
		f.Enter(visit(2))
		synctest.Wait()
		do(os.Mkdir(dir, 0o700))
		f.Enter(visit(3))
		f.Enter(visit(4))
		closeLedger(t, f)

		expect(t, filepath.Join(dir+".old", "visits.jsonl"), 1)
		expect(t, path, 3, 4)
		want := []complaint{
			{
				Level: "ERROR", Msg: "record is not in the ledger", Error: "open " + path + ": no such file or directory",
				Record: strings.TrimSpace(string(visit(2).line())), Ledger: path, Lost: 1,
			},
			{Level: "INFO", Msg: "ledger is written again", Ledger: path, Lost: 1},
			{Level: "WARN", Msg: "ledger is incomplete", Ledger: path, Lost: 1},
		}
		if diff := cmp.Diff(want, told(t, log)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEnterAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "visits.jsonl")
	f, log := open(t, path)
	f.Enter(visit(1))
	closeLedger(t, f)
	f.Enter(visit(2))
	expect(t, path, 1)
	all := told(t, log)
	if len(all) != 1 || all[0].Error != errClosed.Error() || all[0].Record == "" {
		t.Errorf("log: %s", log)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
}

// Close and Enter may meet; every record is then in the file or in the log.
func TestCloseWhileEntering(t *testing.T) {
	const each = 300
	path := filepath.Join(t.TempDir(), "visits.jsonl")
	f, log := open(t, path)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range each {
				f.Enter(visit(i))
			}
		})
	}
	all.Go(func() { f.Close() })
	all.Wait()
	records, rest := read(t, path)
	if lost := f.losses(); len(records)+lost != 4*each || rest != nil {
		t.Errorf("%d records and %d lost of %d, and %q; log: %s", len(records), lost, 4*each, rest, log)
	}
}
