package yellowpages

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCache(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "yp")
	w := newWeb(t)
	w.page, w.etag = edition1, `"1"`
	url := strings.Replace(w.URL, "//", "//user:secret@", 1)

	s := &Source{URL: url, Cache: path}
	if _, err := s.Cached(); !errors.Is(err, fs.ErrNotExist) {
		t.Error("before the first copy:", err)
	}
	fetch(t, s, edition1)
	fetch(t, s, "")

	// A restart asks on condition.
	s = &Source{URL: url, Cache: path}
	cached(t, s, edition1)
	fetch(t, s, "")
	if w.status != http.StatusNotModified {
		t.Error("after a restart the answer is", w.status)
	}
	// One that does not look at the copy gets it from the source.
	fetch(t, &Source{URL: url, Cache: path}, edition1)

	w.page, w.etag = edition2, `"2"`
	fetch(t, s, edition2)
	w.page, w.etag = "a broken page", `"3"`
	if _, _, err := s.Fetch(t.Context()); err == nil {
		t.Error("a broken page is fetched")
	}
	w.Close()
	if _, _, err := s.Fetch(t.Context()); err == nil {
		t.Error("fetched from a source that is down")
	}
	s = &Source{URL: url, Cache: path}
	cached(t, s, edition2)

	if _, err := (&Source{URL: url + "/other", Cache: path}).Cached(); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what another source said is returned:", err)
	}
	file, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(file), "secret") {
		t.Errorf("%s, %v", file, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Error("left behind:", files)
	}
}

func cached(t *testing.T, s *Source, want string) {
	t.Helper()
	if data, err := s.Cached(); err != nil || string(data) != want {
		t.Fatalf("cached is %q, %v, want %q", data, err, want)
	}
}

// A damaged copy is no copy: the source is asked without condition, and the
// file made good.
func TestCacheIsDamaged(t *testing.T) {
	w := newWeb(t)
	w.page, w.etag = edition1, `"1"`
	header := "Content-Location: " + w.URL + "\r\nEtag: \"1\"\r\n\r\n"
	for name, test := range map[string]struct {
		damage func(path string) error
		want   string
	}{
		"empty":         {write(""), "damaged: EOF"},
		"no header":     {write(edition1), "damaged: malformed MIME header"},
		"a bad header":  {write("Etag: \x01\r\n" + header + edition1), "damaged: malformed MIME header"},
		"no pages":      {write(header), "damaged: not yellow pages: unexpected end"},
		"half of them":  {write(header + edition1[:20]), "damaged: not yellow pages: unexpected end"},
		"no entry":      {write(header + `{"servers": []}`), "damaged: there is no entry"},
		"a pipe":        {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		"a huge file":   {func(path string) error { return errors.Join(write("")(path), os.Truncate(path, 1<<40)) }, "longer than"},
		"not readable":  {func(path string) error { return os.Symlink(path, path) }, "too many levels"},
		"another place": {write("Content-Location: http://h/\r\n\r\n" + edition1), "from another source"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Source{URL: w.URL, Cache: filepath.Join(t.TempDir(), "yp")}
			if err := test.damage(s.Cache); err != nil {
				t.Fatal(err)
			}
			if data, err := s.Cached(); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), s.Cache) {
				t.Errorf("got %q, error %v, want %s", data, err, test.want)
			}
			fetch(t, s, edition1)
			cached(t, s, edition1)
		})
	}
}

func write(content string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
}

func TestCacheCannotBeWritten(t *testing.T) {
	w := newWeb(t)
	w.page = edition1
	dir := t.TempDir()
	for name, path := range map[string]string{"no folder": filepath.Join(dir, "no", "yp"), "a folder": filepath.Join(dir, "yp")} {
		if name == "a folder" {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		data, changed, err := (&Source{URL: w.URL, Cache: path}).Fetch(t.Context())
		if string(data) != edition1 || !changed || err == nil || !strings.HasPrefix(err.Error(), "keep a copy of yellow pages: ") {
			t.Errorf("%s: got %q, changed: %v, error %v", name, data, changed, err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Error("left behind:", files)
	}
}
