package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	queueLimit = 4096 // records that wait for the disk
	aloudLimit = 10   // lost records that are logged in a second
)

var (
	errFull   = errors.New("too many records wait for the file")
	errClosed = errors.New("the ledger is closed")
)

// A File is a Ledger in a file, with a line of JSON for each record. Other
// programs may read it at any time, and rename or remove it: the next record
// then begins a new one. A line that is no JSON was cut short, by a crash or a
// full disk. What is written is safe from the end of the process, but for some
// seconds not from a loss of power.
//
// A record that cannot be written goes to the log instead, up to 10 a second;
// all of them are counted there.
type File struct {
	path  string
	log   *slog.Logger
	queue chan []byte   // lines
	done  chan struct{} // closed when the queue is empty for good

	// Owned by run, and by Close once that has ended.
	file    *os.File
	info    fs.FileInfo // of file
	cut     bool        // the file ends within a line
	failing bool        // the last write failed

	mu     sync.Mutex // never held while anything else is called
	closed bool
	lost   int       // records, since Open
	recent int       // of them since second
	second time.Time // when recent began to count
}

// Open opens the ledger at path, and creates it if there is none. Its errors
// say what to do. A nil log is none.
func Open(path string, log *slog.Logger) (*File, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &File{
		path:  path,
		log:   log.With("ledger", path),
		queue: make(chan []byte, queueLimit),
		done:  make(chan struct{}),
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("ledger: %w (name a file that can be written, in a directory that is there)", err)
	}
	go f.run()
	return f, nil
}

// Enter has r written, soon. It never blocks, and may be called from any
// goroutine.
func (f *File) Enter(r Record) {
	line := r.line()
	if err := f.enqueue(line); err != nil {
		f.lose(line, err)
	}
}

func (f *File) enqueue(line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	select {
	case f.queue <- line:
		return nil
	default:
		return errFull
	}
}

// Close writes what waits, and closes the file. A record that comes later is
// one that cannot be written.
func (f *File) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.queue)
	}
	f.mu.Unlock()
	<-f.done
	return f.file.Close()
}

func (f *File) run() {
	defer close(f.done)
	for line := range f.queue {
		err := f.write(line)
		if err != nil {
			f.lose(line, err)
		} else if f.failing {
			f.log.Info("ledger is written again", "lost", f.losses())
		}
		f.failing = err != nil
	}
	if n := f.losses(); n > 0 {
		f.log.Warn("ledger is incomplete", "lost", n)
	}
}

// write appends line to the file that path now names.
func (f *File) write(line []byte) error {
	if err := f.follow(); err != nil {
		return err
	}
	if f.cut {
		line = append([]byte("\n"), line...)
	}
	n, err := f.file.Write(line)
	if n > 0 {
		f.cut = line[n-1] != '\n'
	}
	return err
}

// follow opens path again if it no longer names the file.
func (f *File) follow() error {
	if info, err := os.Stat(f.path); err == nil && os.SameFile(info, f.info) {
		return nil
	}
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	old.Close()
	return nil
}

// open opens path, and looks whether a crash has left its last line without an
// end: the next record must not become part of it.
func (f *File) open() error {
	// Asked before opening: to open a pipe is to wait for whoever reads it.
	if info, err := os.Stat(f.path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return fmt.Errorf("open %s: a pipe is no file", f.path)
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	last := []byte("\n")
	if err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		_, err = file.ReadAt(last, info.Size()-1)
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.info, f.cut = file, info, last[0] != '\n'
	return nil
}

// lose notes a record that is not in the file.
func (f *File) lose(line []byte, err error) {
	if n, aloud := f.countLoss(); aloud {
		f.log.Error("record is not in the ledger", "error", err, "lost", n, "record", string(bytes.TrimSpace(line)))
	}
}

func (f *File) countLoss() (lost int, aloud bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost++
	if now := time.Now(); now.Sub(f.second) >= time.Second {
		f.second, f.recent = now, 0
	}
	f.recent++
	return f.lost, f.recent <= aloudLimit
}

func (f *File) losses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}
