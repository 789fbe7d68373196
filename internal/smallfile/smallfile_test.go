package smallfile

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	const most = 2 << 10
	dir := t.TempDir()
	file := func(name string, size int) string {
		return write(t, filepath.Join(dir, name), string(make([]byte, size)))
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file("full", most), link); err != nil {
		t.Fatal(err)
	}
	if data, err := Read(link, most); err != nil || len(data) != most {
		t.Errorf("a full file: %d bytes, %v", len(data), err)
	}
	socket := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const refused = "read %s: not a regular file of at most 2 KiB"
	missing := filepath.Join(dir, "missing")
	for path, want := range map[string]string{
		file("large", most+1):        refused,
		dir:                          refused,
		socket:                       refused,
		missing:                      "stat %s: no such file or directory",
		file("file", 0) + "/below":   "stat %s: not a directory",
		filepath.Join(dir, "a\x00b"): "stat %s: invalid argument",
	} {
		_, err := Read(path, most)
		if want = fmt.Sprintf(want, path); fmt.Sprint(err) != want || !errors.As(err, new(*fs.PathError)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := Read(missing, most); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// A file is to be read anew once it is still: when it is another, is gone, or may be read by
// others.
func TestWatch(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "file"), "one")
	w := Since(Look(path, ""))
	looks := func(want ...bool) {
		t.Helper()
		for i, changed := range want {
			if got := w.Changed(Look(path, "")); got != changed {
				t.Errorf("look %d: it has changed: %v", i, got)
			}
		}
	}
	looks(false, false)
	write(t, path, "another")
	looks(false, true, false)
	for size := range 3 { // while it is written
		write(t, path, fmt.Sprintf("%0*d", 10+size, 0))
		looks(false)
	}
	looks(true, false)
	if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	looks(false, true, false)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	looks(false, true, false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	looks(false, true, false)
}
