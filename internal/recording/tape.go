package recording

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"maps"
	"runtime/debug"
	"time"
)

// A tape is a recording as the folder's goroutine, which owns all of this, knows
// it: what becomes of what was queued.
type tape struct {
	*Recording
	mask   *mask
	taken  []byte // from the queue
	lines  bytes.Buffer
	writer *Writer // of lines

	file        io.WriteCloser
	name, first string // of the file, and of the first of the recording
	size, total int64  // of the file, and of the recording
	over        bool
}

func newTape(r *Recording) *tape {
	t := &tape{Recording: r}
	t.mask = newMask(r.folder.options.Load().Keys, t.add)
	t.begin(r.from)
	return t
}

// write writes what is queued and not held back. Should that panic, one recording is
// lost and not all calls.
func (t *tape) write() {
	defer func() {
		if reason := recover(); reason != nil {
			t.fail(fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
		}
	}()
	now := t.folder.now()
	queue, why, err := t.next(t.taken)
	t.taken = queue
	if err == nil {
		for m := range unpack(queue) {
			t.mask.take(m)
		}
		if why != "" {
			t.mask.end()
		} else {
			t.mask.expire(now)
		}
		t.flush()
	}
	if t.over || err == nil && why == "" {
		return
	}
	t.close()
	if err == nil {
		t.folder.log.Info("recording ended", "call", t.call, "file", t.first, "reason", why,
			"bytes", t.total, "lasted", (t.until - t.from).Round(time.Millisecond))
	}
}

// add writes a moment, or leaves it with others that are to be written.
func (t *tape) add(m moment) {
	if t.size+int64(t.lines.Len()) >= t.folder.options.Load().FileSize {
		t.flush()
		t.file.Close()
		t.begin(m.at)
	}
	if t.over {
		return
	}
	t.writer.add(t.folder.began.Add(m.at), m.kind, m.data)
	if t.lines.Len() > 64<<10 {
		t.flush()
	}
}

// begin begins a file.
func (t *tape) begin(at time.Duration) {
	header := t.header
	t.name = newName()
	if t.first == "" {
		t.first = t.name
	} else {
		header.Began = time.Now()
		header.Env = maps.Clone(header.Env)
		header.Env["MOIP_CONTINUES"] = t.first
	}
	if len(t.folder.open) >= t.folder.most && t.name == t.first {
		t.fail(errMany)
		return
	}
	file, err := t.folder.create(t.name)
	if err != nil {
		t.fail(err)
		return
	}
	t.file, t.size = file, 0
	t.lines.Reset()
	t.writer = newWriter(&t.lines, header, t.folder.began.Add(at))
	if t.name == t.first {
		t.folder.log.Info("recording began", "call", t.call, "file", t.name)
	} else {
		t.folder.log.Info("recording goes on", "call", t.call, "file", t.name, "first", t.first)
	}
}

// flush writes the lines to the file, whole ones at once.
func (t *tape) flush() {
	if t.over || t.lines.Len() == 0 {
		return
	}
	n, err := t.file.Write(t.lines.Bytes())
	t.size += int64(n)
	t.total += int64(n)
	t.folder.written += int64(n)
	t.lines.Reset()
	if err != nil {
		t.fail(err)
	}
}

func (t *tape) fail(err error) {
	t.Recording.fail(err)
	t.close()
}

func (t *tape) close() {
	t.over = true
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}

// pack appends a moment to a queue: its kind, its time, the length of its data and
// these.
func pack(queue []byte, m moment) []byte {
	queue = append(queue, byte(m.kind))
	queue = binary.AppendUvarint(queue, uint64(m.at))
	queue = binary.AppendUvarint(queue, uint64(len(m.data)))
	return append(queue, m.data...)
}

// unpack yields the moments of a queue. Their data are the queue's.
func unpack(queue []byte) iter.Seq[moment] {
	return func(yield func(moment) bool) {
		for len(queue) > 0 {
			m := moment{kind: Kind(queue[0])}
			at, n := binary.Uvarint(queue[1:])
			queue = queue[1+n:]
			size, n := binary.Uvarint(queue)
			queue = queue[n:]
			m.at, m.data = time.Duration(at), queue[:size:size]
			queue = queue[size:]
			if !yield(m) {
				return
			}
		}
	}
}
