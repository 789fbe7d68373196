// Package smallfile reads files that people write, such as settings, tokens and certificates,
// and tells when they have changed.
package smallfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Read returns what is in a file, which must be a regular one of at most so many bytes. Its
// errors are fs.PathErrors.
func Read(path string, most int64) ([]byte, error) {
	// Asked before opening: to open a pipe is to wait for whoever writes it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, refused(path, most)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = refused(path, most) // it has grown since
	}
	return data, err
}

func refused(path string, most int64) error {
	size := fmt.Sprintf("%d KiB", most>>10)
	if most >= 1<<20 {
		size = fmt.Sprintf("%d MiB", most>>20)
	}
	return &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file of at most " + size)}
}

// Look returns what tells files from what they were: their sizes, times, and who may read them,
// or why that cannot be known. Paths that are "" do not count.
func Look(paths ...string) string {
	var all strings.Builder
	for _, path := range paths {
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err != nil {
			fmt.Fprintln(&all, err)
		} else {
			fmt.Fprintln(&all, path, info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	return all.String()
}

// A Watch knows what files looked like when they were read, and when they were last looked at.
type Watch struct{ read, seen string }

// Since returns a Watch of files that are read now, and looked so just before.
func Since(looks string) Watch { return Watch{looks, looks} }

// Changed reports whether files that look so now are to be read anew: they looked different
// when they were read, and the same when they were last looked at, so that nobody is writing
// them. They count as read then.
func (w *Watch) Changed(looks string) bool {
	still := looks == w.seen
	w.seen = looks
	if !still || looks == w.read {
		return false
	}
	w.read = looks
	return true
}
