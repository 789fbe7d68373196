// Package tomlfile reads files that people write: go-toml decodes them, and what
// is wrong is told by file, line and key, with what to write instead.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"

	"moip/internal/smallfile"
)

const (
	maxSize   = 1 << 20 // bytes of a file
	maxFaults = 10      // reported at once
)

// Read returns the content of the file at path, which must be a regular one of
// at most 1 MiB.
func Read(path string) ([]byte, error) { return smallfile.Read(path, maxSize) }

// A File is a file that was decoded: it knows where its keys are, and what is
// wrong with them. Keys are dotted, and the tables of a list are counted from
// zero: "limits.idle", "service[0].url".
type File struct {
	name    string
	data    []byte
	types   map[string]reflect.Type // of all keys there may be, without indices; * is any name
	offsets map[string]int          // of the keys that are there, in small letters
	lists   map[string]int          // how many tables there are in each list
	unknown []error                 // faults that end decoding only if there is nothing worse
	faults  []error                 // one more than maxFaults if there are more
}

// Has reports whether the file has key, or a key below it.
func (f *File) Has(key string) bool {
	_, ok := f.offsets[strings.ToLower(key)]
	return ok
}

// Fault notes that something is wrong with the value of key. It stands at the
// key's line or, if the file lacks the key, at its table's.
func (f *File) Fault(key, format string, args ...any) {
	if len(f.faults) <= maxFaults {
		f.report(f.line(key), plain(key), fmt.Sprintf(format, args...))
	}
}

// line returns the line of key or, if the file lacks it, of the table that it
// would be in; 0 if there is neither.
func (f *File) line(key string) int {
	for ; key != ""; key = parent(key) {
		if offset, ok := f.offsets[strings.ToLower(key)]; ok {
			return f.lineAt(offset)
		}
	}
	return 0
}

func (f *File) lineAt(offset int) int { return 1 + bytes.Count(f.data[:offset], []byte("\n")) }

// Path returns a path that the file gives, relative to the file's directory
// unless it is absolute. An empty path stays empty.
func (f *File) Path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.name), path)
}

// Err returns the faults, each an error that begins with the file and, where it
// is known, the line, joined; nil if there is none. After ten it says that there
// are more.
func (f *File) Err() error {
	if len(f.faults) > maxFaults {
		f.faults[maxFaults] = fmt.Errorf("%s: there are more faults than these %d", f.name, maxFaults)
	}
	return errors.Join(f.faults...)
}

// report notes a fault at line, 0 if that is not known.
func (f *File) report(line int, what, text string) {
	f.faults = append(f.faults, f.fault(line, what, text))
}

func (f *File) fault(line int, what, text string) error {
	where := f.name
	if line > 0 {
		where += fmt.Sprintf(":%d", line)
	}
	safe := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?' // there may be anything in a key
	}, what+": "+text)
	return fmt.Errorf("%s: %.300s", where, safe)
}

var index = regexp.MustCompile(`\[\d+\]`)

// plain returns key without indices: lines tell the tables of a list apart.
func plain(key string) string { return index.ReplaceAllString(key, "") }

// parent returns the key of the table or the list that key is in.
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// base returns the name that key has in its table.
func base(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
