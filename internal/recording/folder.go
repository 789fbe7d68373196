package recording

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/clock"
	"moip/internal/session"
)

// Options say how a Folder keeps recordings.
type Options struct {
	Keys     Keys          // that are recorded, KeysShown if empty
	FileSize int64         // at which a recording goes on in another file, 0 for 16 MiB
	Keep     time.Duration // after which it is deleted, 0 for never
	Total    int64         // bytes of all, beyond which the oldest are deleted, 0 for no bound
	Log      *slog.Logger  // nil for none
}

const (
	defaultFileSize = 16 << 20
	// writeEvery is how long what happens may wait to be written.
	writeEvery = 200 * time.Millisecond
	// maxQueue bounds what waits of a call: a disk that takes nothing for as long
	// as it lasts ends the recording.
	maxQueue = 1 << 20
	// maxQueued bounds what waits of all calls.
	maxQueued = 64 << 20
	// cleanEvery is how often old recordings are looked for, and cleanAfter which
	// part of Total is written at most until then.
	cleanEvery = time.Hour
	cleanAfter = 16
	// maxFinish is how long the end may take.
	maxFinish = 5 * time.Second
)

// A Folder is where a gateway keeps recordings of calls. The files have random
// names, which nobody can guess, and can be read by its user alone.
//
// One goroutine writes all of them. Whoever tells of a call leaves it in a queue,
// and waits for nothing: neither for the disk nor for the goroutine.
type Folder struct {
	options atomic.Pointer[Options]
	log     *slog.Logger

	path   string
	create func(name string) (io.WriteCloser, error)
	began  time.Time
	clock  *clock.Steady // by which recordings are too old
	most   int           // recordings at a time
	queued atomic.Int64  // bytes, of all recordings

	mu   sync.Mutex
	news []*Recording // that have something to be written

	bell, hurry chan struct{} // there are news; there are many
	done        chan struct{}
	finished    sync.WaitGroup

	// Owned by the goroutine.
	open    map[*Recording]*tape
	written int64 // since the last clean
}

// OpenFolder opens the folder at path, and makes it if it is missing. What is too
// old there is deleted.
func OpenFolder(path string, o Options) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	f := newFolder(path, o)
	probe, err := f.create(newName()) // which is to fail now, and not with the first call
	if err != nil {
		return nil, err
	}
	probe.Close()
	os.Remove(probe.(*os.File).Name())
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		f.log.Warn("recordings: others may look into the folder", "folder", path, "mode", info.Mode().Perm())
	}
	f.clean()
	f.start()
	return f, nil
}

func newFolder(path string, o Options) *Folder {
	f := &Folder{
		log:  cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
		path: path,
		create: func(name string) (io.WriteCloser, error) {
			return os.OpenFile(filepath.Join(path, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		},
		began: time.Now(),
		clock: clock.New(),
		most:  descriptors() / 3, // a call may have two others
		bell:  make(chan struct{}, 1),
		hurry: make(chan struct{}, 1),
		done:  make(chan struct{}),
		open:  map[*Recording]*tape{},
	}
	f.Change(o)
	return f
}

// Change has recordings kept by other options from now on, but for the Log. Of those
// under way, the masking stays as it was.
func (f *Folder) Change(o Options) {
	o.Keys = cmp.Or(o.Keys, KeysShown)
	o.FileSize = cmp.Or(o.FileSize, defaultFileSize)
	f.options.Store(&o)
}

// newName returns a name that cannot be guessed.
func newName() string {
	var p [16]byte
	rand.Read(p[:])
	return fmt.Sprintf("%x.cast", p)
}

var ours = regexp.MustCompile(`^[0-9a-f]{32}\.cast$`)

// Record begins a recording of a call. It does not block.
func (f *Folder) Record(about session.Info) session.Recorder {
	env := map[string]string{
		"MOIP_CALL":      strconv.FormatUint(uint64(about.ID), 10),
		"MOIP_TRANSPORT": about.Caller.Transport,
		"MOIP_ROUTE":     cmp.Or(about.Service, "portal"),
	}
	if about.Identity != [3]byte{} {
		env["MOIP_TERMINAL"] = strings.Trim(strconv.Quote(string(about.Identity[:])), `"`)
	} else if kind := about.Facts["TTYPE"]; kind != "" {
		env["MOIP_TERMINAL"] = kind
	}
	if about.Caller.Speed > 0 {
		env["MOIP_SPEED"] = strconv.Itoa(about.Caller.Speed)
	}
	title := cmp.Or(about.Service, fmt.Sprintf("call %d", about.ID))
	r := &Recording{
		folder: f,
		call:   about.ID,
		header: Header{Began: time.Now(), Title: title, Terminal: "minitel", Env: env},
		from:   f.now(),
	}
	r.tell(0)
	return r
}

func (f *Folder) now() time.Duration { return time.Since(f.began) }

// Close writes what there is, and ends recordings that others have not ended. A
// disk that takes nothing is not waited for beyond some seconds.
func (f *Folder) Close() {
	close(f.done)
	finished := make(chan struct{})
	go func() { f.finished.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(maxFinish):
		f.log.Warn("recordings: the disk takes too long; what was not written is lost")
	}
}

func (f *Folder) start() { f.finished.Go(f.run) }

// run writes until Close.
func (f *Folder) run() {
	clean := time.NewTicker(cleanEvery)
	defer clean.Stop()
	hold := time.NewTimer(0)
	defer hold.Stop()
	for {
		select {
		case <-f.bell:
			f.gather()
		case <-hold.C:
		case <-clean.C:
			f.clean()
			continue
		case <-f.done:
			f.writeNews()
			for r, t := range f.open {
				r.Close("the gateway stops")
				t.write()
			}
			return
		}
		f.writeNews()
		if f.expire() {
			hold.Reset(maxHold / 4)
		}
		if total := f.options.Load().Total; total > 0 && f.written > total/cleanAfter {
			f.clean()
		}
	}
}

// gather waits for more to write, unless there is enough.
func (f *Folder) gather() {
	late := time.NewTimer(writeEvery)
	defer late.Stop()
	select {
	case <-late.C:
	case <-f.hurry:
	case <-f.done:
	}
}

func (f *Folder) writeNews() {
	f.mu.Lock()
	news := f.news
	f.news = nil
	f.mu.Unlock()
	for _, r := range news {
		t := f.open[r]
		switch {
		case t != nil:
		case r.taped, r.Failed():
			continue // what happened while it came to its end, or there was no time to begin it
		default:
			t = newTape(r)
			f.open[r], r.taped = t, true
		}
		f.write(t)
	}
}

func (f *Folder) write(t *tape) {
	if t.write(); t.over {
		delete(f.open, t.Recording)
	}
}

// expire lets go what has been held back for long enough. It reports whether
// something else is held back.
func (f *Folder) expire() (more bool) {
	for _, t := range f.open {
		if t.mask.waiting() {
			f.write(t)
			more = more || !t.over
		}
	}
	return more
}

// clean deletes recordings that are too old, and the oldest of too many. Whatever
// else is in the folder stays.
func (f *Folder) clean() {
	f.written = 0
	entries, err := os.ReadDir(f.path)
	if err != nil {
		f.log.Error("recordings: cannot look for old ones", "error", err)
	}
	writing := map[string]bool{}
	for _, t := range f.open {
		writing[t.name] = true
	}
	var total int64
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && ours.MatchString(e.Name()) && info.Mode().IsRegular() {
			total += info.Size()
			if !writing[e.Name()] {
				files = append(files, info)
			}
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	o, now, deleted := f.options.Load(), f.clock.Now(), 0
	for _, info := range files {
		old := o.Keep > 0 && now.Sub(info.ModTime()) > o.Keep
		if !old && (o.Total == 0 || total <= o.Total) {
			break // as those behind it, which are younger
		}
		if err := os.Remove(filepath.Join(f.path, info.Name())); err != nil {
			f.log.Error("recordings: cannot delete", "error", err)
			continue
		}
		total -= info.Size()
		deleted++
	}
	if deleted > 0 {
		f.log.Info("recordings deleted", "files", deleted)
	}
}

// A Recording is one of a Folder's. It is a session.Recorder, told by whoever has
// the call's lock.
type Recording struct {
	folder *Folder
	call   session.ID
	header Header
	from   time.Duration // since the folder's beginning, as all times here
	taped  bool          // it has, or had, a tape; the folder's goroutine owns this

	mu     sync.Mutex
	queue  []byte // of moments, see pack
	listed bool   // the folder has news of it
	why    string // it has ended
	until  time.Duration
	err    error // it has ended before its time
}

var (
	errQueue = errors.New("the disk does not keep up")
	errMany  = errors.New("there are too many at a time for the descriptors there are")
)

// Sent tells of bytes for the terminal.
func (r *Recording) Sent(p []byte) { r.tell(Output, p...) }

// Typed tells of bytes from the terminal.
func (r *Recording) Typed(p []byte) { r.tell(Input, p...) }

// Mark names what happens.
func (r *Recording) Mark(text string) { r.tell(Mark, []byte(text)...) }

// Failed reports whether it has ended by itself.
func (r *Recording) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

// Close ends the recording.
func (r *Recording) Close(why string) {
	r.mu.Lock()
	ended := r.why != ""
	if !ended {
		r.why, r.until = cmp.Or(why, "its rule"), r.folder.now()
	}
	r.mu.Unlock()
	if !ended {
		r.tell(0)
	}
}

// tell queues a moment, of no kind if the queue is only to be looked at.
func (r *Recording) tell(k Kind, p ...byte) {
	r.mu.Lock()
	if r.err != nil || k != 0 && r.why != "" {
		r.mu.Unlock()
		return
	}
	if len(r.queue)+len(p) > maxQueue || r.folder.queued.Load() > maxQueued {
		r.err = errQueue
		r.forget()
		r.mu.Unlock()
		// A disk that hangs may have the log too, and nobody here waits for that.
		r.folder.finished.Go(func() { r.logEnd(errQueue) })
		return
	}
	if k != 0 {
		before := len(r.queue)
		r.queue = pack(r.queue, moment{at: r.folder.now(), kind: k, data: p})
		r.folder.queued.Add(int64(len(r.queue) - before))
	}
	first, many := !r.listed, len(r.queue) > maxQueue/4
	r.listed = true
	r.mu.Unlock()
	if first {
		r.folder.mu.Lock()
		r.folder.news = append(r.folder.news, r)
		r.folder.mu.Unlock()
		ring(r.folder.bell)
	}
	if many {
		ring(r.folder.hurry)
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it rings already
	}
}

// fail ends the recording before its time.
func (r *Recording) fail(err error) {
	r.mu.Lock()
	told := r.err != nil
	if !told {
		r.err = err
	}
	r.forget()
	r.mu.Unlock()
	if !told {
		r.logEnd(err)
	}
}

// forget drops what is queued.
func (r *Recording) forget() {
	r.folder.queued.Add(-int64(len(r.queue)))
	r.queue = nil
}

// logEnd tells that the recording has failed.
func (r *Recording) logEnd(err error) {
	r.folder.log.Error("recording failed; the call goes on", "call", r.call, "error", err)
}

// next returns what is queued, and if that is all why it is. What next returned
// before, which is done with, is to be the queue again.
func (r *Recording) next(done []byte) (queue []byte, why string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cap(done) > 64<<10 { // it was a flood
		done = nil
	}
	queue, r.queue, r.listed = r.queue, done[:0], false
	r.folder.queued.Add(-int64(len(queue)))
	return queue, r.why, r.err
}
