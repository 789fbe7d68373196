package ban

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"
)

// The file is a list in JSON, a line for each ban. It is replaced as a whole, so that
// whoever is killed while writing leaves the old one or the new one.

// Load reads the bans of a file that hold. If there is no such file, there are none. An
// error names file and line, as far as there is one.
func Load(path string) (Table, error) { return load(path, time.Now()) }

func load(path string, now time.Time) (Table, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Table{}, nil
	}
	if err != nil {
		return Table{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return Table{}, fmt.Errorf("%s: not a regular file", path)
	}
	t, at, err := read(f, Max, now)
	if err != nil {
		return Table{}, fmt.Errorf("%s:%d: %w (mend that line, or move the file away to begin without bans)", path, lineAt(f, at), err)
	}
	return t, nil
}

// read reads a file of at most so many bans. An error comes with the place of the ban that it is about, in bytes.
func read(r io.Reader, most int, now time.Time) (t Table, at int64, err error) {
	in := json.NewDecoder(r)
	in.DisallowUnknownFields()
	if open, err := in.Token(); err != nil || open != json.Delim('[') {
		return t, 0, errors.New("this is no list of bans in JSON")
	}
	t.bans, at = t.tree(), in.InputOffset()
	for ; in.More(); at = in.InputOffset() {
		var b Ban
		if err = in.Decode(&b); err == nil {
			b, err = b.check()
		}
		b.Gateway = ""
		if err != nil {
			return t, at, damage(err)
		}
		if b = b.timely(now); b.HoldsAt(now) {
			t.bans.Insert(b.Network, &b) // nobody else has it yet
		}
		if t.bans.Size() > most {
			return t, at, fmt.Errorf("there are more than %d bans", most)
		}
	}
	if _, err = in.Token(); err != nil {
		return t, at, damage(err)
	}
	at = in.InputOffset()
	if _, err := in.Token(); err != io.EOF {
		return t, at, errors.New("more follows behind the list")
	}
	return t, at, nil
}

// damage says of an error what it means in a file.
func damage(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends within the list")
	}
	return err
}

// lineAt returns the line of the first thing behind a place in a file.
func lineAt(f io.ReadSeeker, at int64) int {
	line := 1
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return line
	}
	in := bufio.NewReader(f)
	for n := int64(0); ; n++ {
		c, err := in.ReadByte()
		switch {
		case err != nil:
			return line
		case c == '\n':
			line++
		case n >= at && c != ' ' && c != '\t' && c != '\r' && c != ',':
			return line
		}
	}
}

// write replaces a file of bans.
func write(path string, bans iter.Seq[Ban]) error {
	return replace(path, func(w io.Writer) error { return encode(w, bans) })
}

// replace replaces a file, for us alone to read. When it returns, the new one is on the
// disk, and if it fails the old one is.
func replace(path string, content func(io.Writer) error) (err error) {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one who was killed
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(content(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		os.Remove(next)
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func encode(w io.Writer, bans iter.Seq[Ban]) error {
	out := bufio.NewWriterSize(w, 64<<10)
	before := "[\n"
	for b := range bans {
		b.Gateway = "" // older programs would not read it
		line, err := json.Marshal(b)
		if err != nil {
			return err
		}
		out.WriteString(before)
		out.Write(line)
		before = ",\n"
	}
	if before == "[\n" {
		out.WriteString("[")
	}
	out.WriteString("\n]\n")
	return out.Flush()
}
