package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/session"
	"moip/internal/testkit/logtest"
)

func open(t *testing.T, path string, o Options) (*Folder, *logtest.Log) {
	t.Helper()
	log := new(logtest.Log)
	o.Log = log.Logger()
	f, err := OpenFolder(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return f, log
}

// files returns the recordings of a folder by name, each read to its end.
func files(t *testing.T, path string) map[string][]Event {
	t.Helper()
	all := map[string][]Event{}
	names, err := filepath.Glob(filepath.Join(path, "*.cast"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		_, all[filepath.Base(name)] = contents(t, name)
	}
	return all
}

func contents(t *testing.T, name string) (Header, []Event) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h, events, err := all(t, string(text))
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return h, events
}

// joined returns what events have of a kind.
func joined(events []Event, k Kind) (p []byte) {
	for _, e := range events {
		if e.Kind == k {
			p = append(p, e.Data...)
		}
	}
	return p
}

func TestFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "recordings")
		f, log := open(t, path, Options{})
		r := f.Record(session.Info{ID: 12, Service: "SALON", Caller: session.Caller{Transport: "ws", Speed: 1200}, Identity: [3]byte{'C', 'u', '1'}})
		r.Sent([]byte("\x0CBon\x19Be \xFF"))
		time.Sleep(1500 * time.Millisecond)
		r.Typed([]byte("a\x13A"))
		r.Mark("au SALON, à l'instant")
		time.Sleep(100 * time.Millisecond)
		r.Sent([]byte("a"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := files(t, path) // it is written as it happens
		r.Close("the visit is over")
		r.Sent([]byte("more"))
		r.Close("again")
		time.Sleep(time.Second)
		synctest.Wait()
		if r.Failed() {
			t.Error("it has failed")
		}
		f.Close()
		all := files(t, path)
		if len(all) != 1 || len(before) != 1 {
			t.Fatalf("there are %d files, %d before", len(all), len(before))
		}
		for name, events := range all {
			want := []Event{
				{0, Output, []byte("\x0CBon\x19Be \xFF")}, {1500 * time.Millisecond, Input, []byte("a\x13A")},
				{0, Mark, []byte("au SALON, à l'instant")}, {100 * time.Millisecond, Output, []byte("a")},
			}
			if fmt.Sprint(events) != fmt.Sprint(want) || fmt.Sprint(before[name]) != fmt.Sprint(want) {
				t.Errorf("it has %q,\nbefore %q", events, before[name])
			}
			info, err := os.Stat(filepath.Join(path, name))
			if err != nil || info.Mode() != 0o600 || !ours.MatchString(name) {
				t.Errorf("%s is %v, %v", name, info.Mode(), err)
			}
			text, _ := os.ReadFile(filepath.Join(path, name))
			first, _, _ := strings.Cut(string(text), "\n")
			const header = `{"version":3,"term":{"cols":40,"rows":25,"type":"minitel"},"timestamp":946684800,"title":"SALON",` +
				`"env":{"MOIP_CALL":"12","MOIP_ROUTE":"SALON","MOIP_SPEED":"1200","MOIP_TERMINAL":"Cu1","MOIP_TRANSPORT":"ws"}}`
			if first != header {
				t.Errorf("the header is\n%s", first)
			}
			if len(log.Lines("recording began\" call=12 file="+name)) != 1 ||
				len(log.Lines("recording ended\" call=12 file="+name+` reason="the visit is over" bytes=`+fmt.Sprint(len(text))+" lasted=11.6s")) != 1 {
				t.Errorf("the log says\n%s", log)
			}
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o700 {
			t.Errorf("the folder is %v", info.Mode())
		}
	})
}

// A recording that is left open when all ends is whole, and the log says so.
func TestFolderCloses(t *testing.T) {
	path := t.TempDir()
	f, log := open(t, path, Options{})
	r := f.Record(session.Info{ID: 1})
	r.Typed([]byte("x")) // waits to be shown
	r.Sent([]byte("y"))
	f.Close()
	for _, events := range files(t, path) {
		if string(joined(events, Input)) != "*" || string(joined(events, Output)) != "y" {
			t.Errorf("it has %q", events)
		}
	}
	if len(log.Lines(`reason="the gateway stops"`)) != 1 || len(log.Lines("others may look")) != 1 {
		t.Errorf("the log says %s", log)
	}
}

func TestOpenFolderFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "/in", "/proc/recordings"} {
		if _, err := OpenFolder(path, Options{}); err == nil {
			t.Errorf("%s is opened", path)
		}
	}
}

// Many calls, told of by many goroutines at once, are each recorded to the byte,
// over several files where they are long.
func TestFolderUnderLoad(t *testing.T) {
	path := t.TempDir()
	f, log := open(t, path, Options{FileSize: 20 << 10, Keys: KeysAll})
	const calls = 20
	var talking sync.WaitGroup
	for id := range calls {
		talking.Go(func() {
			r := f.Record(session.Info{ID: session.ID(id)})
			for i := range 2000 {
				r.Sent(fmt.Appendf(nil, "%d,%d;", id, i))
				if i%10 == 0 {
					r.Typed([]byte{byte(id)})
				}
				if i%500 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			r.Close("")
		})
	}
	talking.Wait()
	f.Close()
	sent := map[string][]byte{} // by call, in the order of their times
	names := map[string][]string{}
	for name := range files(t, path) {
		h, _ := contents(t, filepath.Join(path, name))
		call := h.Env["MOIP_CALL"]
		names[call] = append(names[call], name)
		if info, _ := os.Stat(filepath.Join(path, name)); info.Size() > 21<<10 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
	for call, list := range names {
		// What follows names what it follows, and the log has their order.
		slices.SortFunc(list, func(a, b string) int {
			return strings.Index(log.String(), "file="+a) - strings.Index(log.String(), "file="+b)
		})
		for i, name := range list {
			h, events := contents(t, filepath.Join(path, name))
			if first := h.Env["MOIP_CONTINUES"]; i == 0 && first != "" || i > 0 && first != list[0] {
				t.Errorf("%s, number %d, continues %q", name, i, first)
			}
			sent[call] = append(sent[call], joined(events, Output)...)
		}
		if len(list) < 2 {
			t.Errorf("call %s has %d files", call, len(list))
		}
	}
	for id := range calls {
		var want []byte
		for i := range 2000 {
			want = fmt.Appendf(want, "%d,%d;", id, i)
		}
		if got := sent[fmt.Sprint(id)]; !bytes.Equal(got, want) {
			t.Errorf("of call %d there are %d bytes, want %d", id, len(got), len(want))
		}
	}
}

// A disk is what a Folder writes to in a test: a pipe, so that it is full when
// nobody reads.
type disk struct{ io.WriteCloser }

// full is a disk without room.
func full(t *testing.T) func(string) (io.WriteCloser, error) {
	return func(string) (io.WriteCloser, error) {
		file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		return file, err
	}
}

// When the disk is full, the recording ends, and one line of the log says why.
func TestFullDisk(t *testing.T) {
	for name, test := range map[string]struct {
		create func(string) (io.WriteCloser, error)
		why    string
	}{
		"no room": {full(t), "no space left on device"},
		"a fault": {func(string) (io.WriteCloser, error) { return disk{}, nil }, "panic: "},
		"no file": {func(string) (io.WriteCloser, error) { return nil, syscall.EMFILE }, "too many open files"},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := new(logtest.Log)
			f := newFolder(t.TempDir(), Options{Log: log.Logger()})
			f.create = test.create
			f.start()
			r, other := f.Record(session.Info{ID: 1}), f.Record(session.Info{ID: 2})
			for range 10 {
				r.Sent([]byte("x"))
				other.Typed([]byte("x"))
				time.Sleep(time.Second)
			}
			synctest.Wait()
			if !r.Failed() || !other.Failed() {
				t.Errorf("%s: it has not failed", name)
			}
			r.Close("the call is over")
			f.Close()
			if len(log.Lines("recording failed")) != 2 || len(log.Lines(test.why)) != 2 || len(log.Lines("recording ended")) != 0 {
				t.Errorf("%s: the log says %s", name, log)
			}
			if len(f.open) != 0 {
				t.Errorf("%s: %d are open", name, len(f.open))
			}
		})
	}
}

// A character that nobody shows waits no longer because others have news.
func TestHeldAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		f, _ := open(t, path, Options{})
		r, other := f.Record(session.Info{ID: 1}), f.Record(session.Info{ID: 2})
		r.Typed([]byte("x"))
		for range 40 {
			other.Sent([]byte("o"))
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		var typed []byte
		for _, events := range files(t, path) {
			typed = append(typed, joined(events, Input)...)
		}
		if string(typed) != "*" {
			t.Errorf("%q was typed", typed)
		}
		f.Close()
	})
}

// A hanging disk costs no more memory than is allowed for all calls together.
func TestHangingDiskOfMany(t *testing.T) {
	log := new(logtest.Log)
	path := t.TempDir()
	f := newFolder(path, Options{Log: log.Logger(), Keys: KeysAll}) // whose goroutine does nothing
	page := bytes.Repeat([]byte("x"), maxQueue/2)
	var all []session.Recorder
	for id := range maxQueued/len(page) + 10 {
		r := f.Record(session.Info{ID: session.ID(id)})
		r.Sent(page)
		all = append(all, r)
	}
	failed := 0
	for _, r := range all {
		if r.Failed() {
			failed++
		}
	}
	if failed < 9 || failed > 11 {
		t.Errorf("%d of %d have failed", failed, len(all))
	}
	for _, r := range all {
		r.(*Recording).next(nil)
	}
	if n := f.queued.Load(); n != 0 {
		t.Errorf("%d bytes are queued", n)
	}
	f.start()
	f.Close()
	if n := len(files(t, path)); n != len(all)-failed || len(log.Lines("recording failed")) != failed {
		t.Errorf("there are %d files: %s", n, log)
	}
}

// When recordings have their share of descriptors, the rest is for the callers.
func TestDescriptorsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logtest.Log)
		f := newFolder(t.TempDir(), Options{Log: log.Logger()})
		f.most = 2
		f.start()
		for id := range 4 {
			f.Record(session.Info{ID: session.ID(id)})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(f.open) != 2 || len(log.Lines(errMany.Error())) != 2 {
			t.Errorf("%d are open: %s", len(f.open), log)
		}
		f.Close()
	})
}

// A recording that has failed is not begun again by what happened meanwhile.
func TestFailureIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logtest.Log)
		f := newFolder(t.TempDir(), Options{Log: log.Logger()})
		var r session.Recorder
		files := 0
		f.create = func(string) (io.WriteCloser, error) {
			files++
			return busy(func() { r.Sent([]byte("meanwhile")) }), nil
		}
		f.start()
		r = f.Record(session.Info{ID: 1})
		r.Sent([]byte("x"))
		time.Sleep(time.Minute)
		r.Close("the call is over")
		f.Close()
		if files != 1 || len(log.Lines("recording")) != 2 {
			t.Errorf("%d files are begun:\n%s", files, log)
		}
	})
}

// busy is a disk without room where something happens before it says so.
type busy func()

func (b busy) Write([]byte) (int, error) { b(); return 0, syscall.ENOSPC }
func (b busy) Close() error              { return nil }

// A disk that hangs costs the recordings that outgrow their queues, and nobody
// waits for it. The others go on when it does.
func TestHangingDisk(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := new(logtest.Log)
	f := newFolder(t.TempDir(), Options{Log: log.Logger()})
	f.create = func(string) (io.WriteCloser, error) { return disk{write}, nil }
	f.start()
	many, few := f.Record(session.Info{ID: 1}), f.Record(session.Info{ID: 2})
	few.Sent([]byte("few."))
	page := bytes.Repeat([]byte("x"), 1000)
	began, longest := time.Now(), time.Duration(0)
	for !many.Failed() {
		if time.Since(began) > 30*time.Second {
			t.Fatal("it does not fail")
		}
		from := time.Now()
		many.Sent(page)
		longest = max(longest, time.Since(from))
	}
	if longest > 10*time.Second {
		t.Errorf("it takes %v to tell a recording", longest)
	}
	many.Sent(page)
	if many.(*Recording).queue != nil {
		t.Error("it keeps what it cannot write")
	}
	few.Sent([]byte("still."))
	if few.Failed() {
		t.Error("the other has failed as well")
	}
	var text bytes.Buffer
	reading := make(chan struct{})
	go func() { io.Copy(&text, read); close(reading) }()
	few.Close("the call is over")
	f.Close()
	write.Close()
	<-reading
	read.Close()
	if !strings.Contains(text.String(), `"few."`) || !strings.Contains(text.String(), `"still."`) {
		t.Errorf("of the other there is no more than %.100q", text.String())
	}
	if len(log.Lines("recording failed")) != 1 || len(log.Lines(errQueue.Error())) != 1 || len(log.Lines("recording ended\" call=2")) != 1 {
		t.Errorf("the log says %s", log)
	}
}

// Closing does not wait for a disk that hangs for good.
func TestCloseOnHangingDisk(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := new(logtest.Log)
	f := newFolder(t.TempDir(), Options{Log: log.Logger(), Keys: KeysAll})
	f.create = func(string) (io.WriteCloser, error) { return disk{write}, nil }
	f.start()
	f.Record(session.Info{ID: 1}).Sent(make([]byte, 500<<10))
	began := time.Now()
	f.Close()
	if took := time.Since(began); took > maxFinish+10*time.Second || len(log.Lines("the disk takes too long")) != 1 {
		t.Errorf("it took %v: %s", took, log)
	}
	read.Close() // now it fails
	f.finished.Wait()
	write.Close()
}

// Close of a disk leaves the pipe to the test.
func (disk) Close() error { return nil }

// Old recordings are deleted, at once and later, and the oldest of too many; files
// of others are not, nor is what is being written.
func TestClean(t *testing.T) {
	path := t.TempDir()
	hour := func(n int) time.Time { return time.Now().Add(-time.Duration(n) * time.Hour) }
	file := func(name string, age int) {
		if err := os.WriteFile(filepath.Join(path, name), make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(path, name), hour(age), hour(age)); err != nil {
			t.Fatal(err)
		}
	}
	name := func(i int) string { return fmt.Sprintf("%032x.cast", i) }
	for i := range 10 {
		file(name(i), 10*i)
	}
	others := []string{"museum.cast", name(1) + "~", "X" + name(2)[1:], name(3)[:30] + ".cast"}
	for _, other := range others {
		file(other, 1000)
	}
	if err := os.Mkdir(filepath.Join(path, name(99)), 0o700); err != nil {
		t.Fatal(err)
	}
	expect := func(when string, recordings ...string) {
		t.Helper()
		entries, err := os.ReadDir(path)
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		want := slices.Sorted(slices.Values(slices.Concat(others, recordings, []string{name(99)})))
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("%s there are\n%v, want\n%v", when, got, want)
		}
	}
	f, log := open(t, path, Options{Keep: 55 * time.Hour})
	expect("after 55 hours", name(0), name(1), name(2), name(3), name(4), name(5))
	f.Close()
	f, _ = open(t, path, Options{Total: 3500})
	f.Close()
	expect("within 3500 bytes", name(0), name(1), name(2))
	if len(log.Lines("recordings deleted\" files=4")) != 1 {
		t.Errorf("the log says %s", log)
	}
	f = newFolder(path, Options{Total: 1, Keep: time.Hour})
	f.open[new(Recording)] = &tape{name: name(2)}
	f.clean()
	expect("while one is written", name(2))
}

// What is recorded is not kept for longer than it is to be, while the gateway runs.
// A flood does not wait for the hour.
func TestCleanFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		const total = 1 << 20
		f, _ := open(t, path, Options{Total: total, FileSize: 50 << 10, Keys: KeysAll})
		r := f.Record(session.Info{ID: 1})
		for range 100 {
			r.Sent(make([]byte, 10<<10)) // six bytes of a file each
			time.Sleep(time.Second)
		}
		synctest.Wait()
		var size int64
		entries, err := os.ReadDir(path)
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				size += info.Size()
			}
		}
		if size > total+total/8 || size < total/2 {
			t.Errorf("there are %d bytes (%v)", size, err)
		}
		f.Close()
	})
}

func TestCleanHourly(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(path, Options{Keep: time.Hour})
		f.start()
		file := filepath.Join(path, newName())
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, time.Now(), time.Now())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(cleanEvery + time.Second)
		synctest.Wait()
		if _, err := os.Stat(file); err != nil {
			t.Error("it is gone too soon:", err)
		}
		time.Sleep(cleanEvery)
		synctest.Wait()
		if _, err := os.Stat(file); err == nil {
			t.Error("it is still there")
		}
		f.Close()
	})
}
