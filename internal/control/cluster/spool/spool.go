// Package spool keeps lines in a file until they are delivered: what a gateway has to say
// while nobody can hear it.
//
// The file is there while it has lines. They stand in it as they come, each with a
// checksum before it, and where they are delivered up to stands between them; nothing is
// written over. So it can be cut anywhere: by a process that is killed nothing is lost
// that was added, by a machine that stops the last second.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// MaxLine is how many bytes a line has at the most.
const MaxLine = 64 << 10

const (
	syncTime = time.Second // until what is written is on the disk
	reserve  = 16 << 10    // bytes for last words
	sumLen   = 9           // a checksum in hexadecimal, and a space
	doneMark = '@'         // begins a line that says up to where lines are delivered
)

var (
	// ErrFull is that of a line for which there is no room.
	ErrFull = errors.New("the spool is full")
	// ErrBusy is that of a file that another process uses.
	ErrBusy = errors.New("the spool is used by another process")
	// ErrLine is that of a line that cannot be one.
	ErrLine = errors.New("no line for a spool")
	// ErrMissing is that of lines that were in the file, and are no more, or cannot be read.
	ErrMissing = errors.New("somebody has written in the spool: lines are missing")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Spool is a file of lines. Its methods may be called from any goroutine; they wait for
// the disk.
type Spool struct {
	path string
	max  int64

	mu    sync.Mutex
	f     *os.File // nil if there is none, or another process has it
	size  int64    // of what is good in it
	read  int64    // what comes before is delivered
	taken int64    // what comes before is delivered, or was told last by Next
	lines int      // that are not delivered
	told  int      // of them, by Next
	bad   int      // that could not be read
	sync  *time.Timer
}

// New returns a Spool of max bytes, in a file that is made once there is a line. What is
// in it of old, Open finds.
func New(path string, max int64) *Spool { return &Spool{path: path, max: max} }

// Open finds the lines that are in the file of old, if there is one. It returns how many
// could not be read, or ErrBusy if another process has the file: later it may be let go.
func (s *Spool) Open() (bad int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f != nil {
		return 0, nil
	}
	if err := s.open(0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	bad, s.bad = s.bad, 0
	if s.f != nil && s.lines == 0 {
		return bad, s.remove()
	}
	return bad, nil
}

// open opens the file and reads where it ends.
func (s *Spool) open(flag int) error {
	for {
		f, err := os.OpenFile(s.path, os.O_RDWR|flag, 0o640)
		if err != nil {
			return err
		}
		if err := lock(f); err != nil {
			f.Close()
			return err
		}
		// It may have been delivered, and removed, before it was ours.
		if ours, err := f.Stat(); err == nil {
			if named, err := os.Stat(s.path); err == nil && os.SameFile(ours, named) {
				s.f = f
				return s.scan()
			}
		}
		f.Close()
	}
}

// scan finds the end of what is good, and the first line that is not delivered.
func (s *Spool) scan() error {
	s.size, s.read, s.lines, s.bad = 0, 0, 0, 0
	var ends []int64 // of lines
	for {
		all, err := s.chunk(s.size)
		if err != nil {
			s.f.Close()
			s.f = nil
			return err
		}
		if len(all) == 0 {
			break
		}
		for _, raw := range all {
			line, ok := check(raw)
			s.size += int64(len(raw))
			switch {
			case !ok:
				s.bad++
			case line[0] == doneMark:
				if done, err := strconv.ParseInt(string(line[1:]), 10, 64); err == nil {
					s.read = max(s.read, min(done, s.size))
				}
			default:
				ends = append(ends, s.size)
			}
		}
	}
	for _, end := range ends {
		if end > s.read {
			s.lines++
		}
	}
	s.taken = s.read
	return s.f.Truncate(s.size) // a line that was being written
}

// chunk returns some lines of the file from an offset on, each with its end, as they are.
func (s *Spool) chunk(at int64) (all [][]byte, err error) {
	buf := make([]byte, 2*MaxLine)
	n, err := s.f.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		return nil, err
	}
	buf = buf[:n]
	if end := bytes.LastIndexByte(buf, '\n'); end >= 0 {
		return bytes.SplitAfter(buf[:end+1], []byte("\n"))[:bytes.Count(buf, []byte("\n"))], nil
	}
	if n == 2*MaxLine {
		return [][]byte{buf}, nil // no line of ours
	}
	return nil, nil
}

// check returns what is in a line of the file, if it is whole.
func check(raw []byte) (line []byte, ok bool) {
	raw, ended := bytes.CutSuffix(raw, []byte("\n"))
	if !ended || len(raw) <= sumLen {
		return nil, false
	}
	line = raw[sumLen:]
	return line, string(raw[:sumLen]) == sum(line)
}

func sum(line []byte) string { return fmt.Sprintf("%08x ", crc32.Checksum(line, castagnoli)) }

// Add has a line kept. It is one of 1 to MaxLine bytes, and does not begin with @. Without
// an error it survives the end of this process.
func (s *Spool) Add(line []byte) error { return s.add(line, s.max) }

// AddLast is Add for a few words about what is not kept, if there is no room.
func (s *Spool) AddLast(line []byte) error { return s.add(line, s.max+reserve) }

func (s *Spool) add(line []byte, most int64) error {
	if len(line) == 0 || len(line) > MaxLine || line[0] == doneMark || bytes.IndexByte(line, '\n') >= 0 {
		return ErrLine
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		if err := s.open(os.O_CREATE); err != nil {
			return err
		}
	}
	if s.size+sumLen+int64(len(line))+1 > most {
		return ErrFull
	}
	if err := s.write(line); err != nil {
		return err
	}
	s.lines++
	return nil
}

// write appends a line. What fails has not been.
func (s *Spool) write(line []byte) error {
	raw := append(append([]byte(sum(line)), line...), '\n')
	if _, err := s.f.WriteAt(raw, s.size); err != nil {
		return errors.Join(err, s.f.Truncate(s.size))
	}
	s.size += int64(len(raw))
	if s.sync == nil {
		s.sync = time.AfterFunc(syncTime, s.flush)
	}
	return nil
}

// flush sees to it that what is written is on the disk.
func (s *Spool) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sync == nil {
		return // closed, or delivered
	}
	s.sync = nil
	s.f.Sync() // else the system says what is wrong with its disk
	if dir, err := os.Open(filepath.Dir(s.path)); err == nil {
		dir.Sync()
		dir.Close()
	}
}

// Next returns the first lines that are not delivered, some 64 KiB of them, nil if there
// are none. ErrMissing it returns once, behind what can be read.
func (s *Spool) Next() (all [][]byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.told = s.read, 0
	for s.lines > 0 && s.told == 0 {
		some, err := s.chunk(s.taken)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			missing := fmt.Errorf("%s: %w: %d", s.path, ErrMissing, s.lines)
			return nil, errors.Join(missing, s.remove())
		}
		for i, n := 0, 0; i < len(some) && n < MaxLine; i++ {
			s.taken += int64(len(some[i]))
			if line, ok := check(some[i]); ok && line[0] != doneMark {
				all = append(all, line)
				n += len(line)
			}
		}
		s.told = len(all)
	}
	return all, nil
}

// Done says that what Next has returned last is delivered.
func (s *Spool) Done() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == 0 {
		return nil
	}
	s.read, s.lines, s.told = s.taken, s.lines-s.told, 0
	if s.lines == 0 {
		return s.remove()
	}
	return s.write(strconv.AppendInt([]byte{doneMark}, s.read, 10))
}

// remove removes the file.
func (s *Spool) remove() error {
	err := os.Remove(s.path)
	return errors.Join(err, s.close())
}

func (s *Spool) close() error {
	if s.sync != nil {
		s.sync.Stop()
		s.sync = nil
	}
	f := s.f
	s.f, s.size, s.read, s.taken, s.lines, s.told = nil, 0, 0, 0, 0, 0
	return f.Close()
}

// Waiting returns how many lines are not delivered.
func (s *Spool) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}

// Close lets go of the file, with what is in it. Another process may go on with it; Add
// takes it back.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return nil
	}
	err := s.f.Sync()
	return errors.Join(err, s.close())
}
