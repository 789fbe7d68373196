// Package transport holds the Endpoints of network legs: plain TCP, telnet and
// WebSocket, with or without TLS, for callers and services alike.
//
// An idle leg holds no buffer: one is lent when bytes are there, and what the peer does not
// take is kept only until it does. On Linux it has no goroutine either: a poller watches its
// socket. Elsewhere one is parked in Receive.
package transport

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"moip/internal/session"
)

// DefaultStall is how long a peer may take nothing, unless told otherwise.
const DefaultStall = 60 * time.Second

const (
	// maxKept is how many bytes may wait for a peer. A session stops hearing
	// the source long before; what comes here all the same comes from a peer
	// that asks for answers and does not take them.
	maxKept = 64 << 10

	// standstill is how late an alarm is when it is we who did nothing, stopped by
	// somebody or with the machine, and not the peer.
	standstill = time.Second

	// smallBuffer is what Receive keeps where it cannot wait without a buffer.
	smallBuffer = 1 << 10
)

// A buffer is lent to Receive while there are bytes, and by it to its caller.
type buffer [4 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// TCP returns an Endpoint of the bare bytes of conn. The Endpoint is closed
// with session.ErrStalled when the peer takes nothing for the time of stall,
// 0 for DefaultStall.
func TCP(conn net.Conn, stall time.Duration) session.Endpoint {
	return streamOf(conn, stall)
}

// A stream is what telnet and WebSocket are spoken over: an Endpoint of bytes,
// which is also sent to by whoever is in Receive, and by timers.
type stream interface {
	session.Sleeper

	// end closes the stream. Receive returns reason, unless the stream has
	// ended already.
	end(reason error) error

	// backlog returns how many bytes are kept.
	backlog() int

	// lastWords says that what is sent next is the last, and end follows at once. Then
	// both may leave in one packet.
	lastWords()

	// flushSoon sees to it that what is kept leaves, though no session calls
	// Flush: it did not send it.
	flushSoon()

	// Tap has t told of the bytes that pass from now on, nil for nobody, and Judge the
	// first of them judged.
	Tap(t session.Tap)
	Judge(j Judge)
}

// A watcher waits for a socket in place of the goroutine in Receive. But for room, rouse and
// sleep, its methods are called under the wire's mutex, read by Receive alone.
type watcher interface {
	read(p []byte) (int, error)  // what is there, else errAgain; nothing and no error at the end
	write(p []byte) (int, error) // what there is room for, else errAgain

	// hold is write for what leaves at the latest with closeWrite.
	hold(p []byte) (int, error)
	closeWrite()
	closeRead() // the end is near: read will return no error but at it
	close()

	// room is where to wait after errAgain of write. It may say so once too often.
	room() <-chan struct{}

	// sleep reports whether nothing has come after errAgain of read. Then wake is called
	// when something has, or after close. By rouse it is called at once, elsewhere.
	sleep() bool
	rouse()
}

// A wire is a stream over a connection.
//
// A socket is read and written without waiting, and waited for by means of
// direct, or of a watcher once somebody attends. Other connections, such as net.Pipe, have
// neither: they are read into a buffer of their own, and all that is sent to them is kept for
// Flush.
type wire struct {
	conn  net.Conn      // to be closed in the end; nil if there is no more to that than to the watcher
	stall time.Duration // set before use
	ear                 // of the bytes, unless there are frames or TLS around them

	// Owned by Receive.
	attended bool    // by a watcher
	in       *buffer // lent to our caller
	n        int     // bytes in it
	inErr    error
	own      *[smallBuffer]byte // of what is no socket

	mu      sync.Mutex    // guards what follows
	direct  *direct       // nil of what is no socket, and once there is a watcher
	watch   watcher       // nil while Receive waits itself
	kept    []byte        // nil when all was written
	flusher chan struct{} // closed and nil again when the one who writes what is kept is done
	last    bool          // what is sent is the last, see lastWords
	ended   error         // why the wire was closed here
	broken  error         // why it cannot be written to
}

// A direct is how a socket is used while there is no watcher.
type direct struct {
	syscall.RawConn
	readable func(uintptr) bool // wire.read, made once
	writable func(uintptr) bool // direct.write, likewise
	out      []byte             // what write is to write; guarded by the wire's mutex, as what follows
	outN     int
	outErr   error
}

func newWire(conn net.Conn, stall time.Duration) *wire {
	w := &wire{conn: conn, stall: cmp.Or(stall, DefaultStall)}
	if raw := rawConn(conn); raw != nil {
		d := &direct{RawConn: raw, readable: w.read}
		d.writable = d.write
		w.direct = d
	}
	return w
}

// Receive waits for bytes. They are valid until the next call.
func (w *wire) Receive() ([]byte, error) {
	if w.in != nil {
		buffers.Put(w.in)
		w.in = nil
	}
	if w.attended {
		w.readWatched()
	} else if d := w.direct; d == nil {
		return w.receiveOwn()
	} else if err := d.Read(d.readable); err != nil {
		return nil, w.cause(err)
	}
	if w.inErr == errAgain {
		return nil, session.ErrQuiet
	}
	if w.inErr != nil {
		return nil, w.cause(w.inErr)
	}
	return w.heard(w.in[:w.n])
}

// A Judge says what is wrong with the first bytes of a peer, as they came in one piece and
// without the telnet commands that came before. They are no peer's then: the connection
// ends, for that reason.
type Judge func(first []byte) error

// An ear is who is told of the bytes of a stream.
type ear struct {
	tap
	judge Judge // of what came first, nil once it has judged; owned by Receive
}

// Judge has the first bytes of the peer judged. It is called before Receive.
func (e *ear) Judge(j Judge) { e.judge = j }

// hears is told of what has come, and returns what is wrong with it.
func (e *ear) hears(p []byte) error {
	e.tell(false, p)
	if e.judge == nil || p[0] == 0xFF { // telnet's IAC
		return nil
	}
	judge := e.judge
	e.judge = nil
	return judge(p)
}

// heard returns what Receive does of p.
func (w *wire) heard(p []byte) ([]byte, error) {
	if err := w.hears(p); err != nil {
		w.end(err)
		return nil, err
	}
	return p, nil
}

// read takes a buffer and tries to fill it, and reports whether Receive is
// done. If it is not, the runtime calls again once the socket is readable, and
// meanwhile no buffer is held.
func (w *wire) read(fd uintptr) bool {
	b := buffers.Get().(*buffer)
	w.n, w.inErr = readNow(fd, b[:])
	if w.n > 0 {
		w.in = b
		return true
	}
	buffers.Put(b)
	if w.inErr == nil {
		w.inErr = io.EOF
	}
	return w.inErr != errAgain
}

// readWatched reads what is there, if anything.
func (w *wire) readWatched() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		w.inErr = w.ended
		return
	}
	b := buffers.Get().(*buffer)
	w.n, w.inErr = w.watch.read(b[:])
	if w.n > 0 {
		w.in = b
		return
	}
	buffers.Put(b)
	if w.inErr == nil {
		w.inErr = io.EOF
	}
}

// Attend has Receive return session.ErrQuiet rather than wait, see session.Sleeper.
func (w *wire) Attend(wake func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.direct == nil || w.ended != nil || w.broken != nil || w.flusher != nil {
		return false
	}
	if w.watch = startWatch(w.conn, wake); w.watch == nil {
		return false
	}
	w.attended, w.direct, w.conn = true, nil, remains(w.conn)
	return true
}

// remains returns what is to be closed of conn when its socket is watched, and net's closed.
// What has a method Moved has more to do when it is closed, and is told to let go of the
// socket, which would take half a KiB of an idle call.
func remains(conn net.Conn) net.Conn {
	switch c := conn.(type) {
	case *net.TCPConn:
		return nil
	case interface{ Moved() }:
		c.Moved()
	}
	return conn
}

// Sleep reports whether there was nothing to receive since, see session.Sleeper.
func (w *wire) Sleep() bool { return w.watch.sleep() }

func (w *wire) receiveOwn() ([]byte, error) {
	if w.own == nil {
		w.own = new([smallBuffer]byte)
	}
	n, err := w.conn.Read(w.own[:])
	if n > 0 {
		return w.heard(w.own[:n]) // the error comes again
	}
	return nil, w.cause(err)
}

// cause returns why the wire ended, when reading from it gave err.
func (w *wire) cause(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended != nil:
		return w.ended
	case w.broken != nil && !errors.Is(w.broken, syscall.EPIPE):
		// The kernel tells of a reset once, and it was the writer that heard.
		// EPIPE only says that the peer had closed before.
		return w.broken
	}
	return err
}

// Send writes what the peer takes at once and keeps the rest.
func (w *wire) Send(p []byte) (kept bool) {
	w.mu.Lock()
	err := w.send(p)
	kept = len(w.kept) > 0
	w.mu.Unlock()
	if err != nil { // the lock is free again: closing waits for a writer
		w.end(err)
		return false
	}
	return kept
}

// send is Send under the lock. It fails if too much would be kept.
func (w *wire) send(p []byte) error {
	if w.ended != nil || w.broken != nil || len(p) == 0 {
		return nil
	}
	w.tell(true, p)
	if w.kept == nil && (w.watch != nil || w.direct != nil) {
		n, err := w.writeOnce(p)
		if err != nil && err != errAgain {
			w.breakOff(err)
			return nil
		}
		p = p[n:]
	}
	if len(w.kept)+len(p) > maxKept {
		return session.ErrStalled
	}
	w.kept = append(w.kept, p...)
	return nil
}

// writeOnce writes what there is room for, under the lock.
func (w *wire) writeOnce(p []byte) (n int, err error) {
	if w.watch != nil && w.last {
		return w.watch.hold(p)
	} else if w.watch != nil {
		return w.watch.write(p)
	}
	d := w.direct
	d.out, d.outN, d.outErr = p, 0, nil
	err = d.Write(d.writable)
	d.out = nil
	return d.outN, cmp.Or(err, d.outErr)
}

// write tries to write what is out.
func (d *direct) write(fd uintptr) bool {
	d.outN, d.outErr = writeNow(fd, d.out)
	return true // no waiting here
}

// breakOff notes, under the lock, that the peer cannot be written to. The wire
// is not closed yet: what the peer said last may still be unread, such as a
// page before it hung up. Receive reads to the end, which cannot be far.
func (w *wire) breakOff(err error) {
	if w.ended != nil {
		return // that is why
	}
	w.broken, w.kept = err, nil
	if w.watch != nil {
		w.watch.closeRead()
	} else if socket, ok := w.conn.(interface{ CloseRead() error }); ok {
		socket.CloseRead()
	} else {
		w.conn.Close()
	}
}

// Flush waits until nothing is kept.
func (w *wire) Flush() {
	for {
		w.mu.Lock()
		if w.kept == nil {
			w.mu.Unlock()
			return
		}
		other := w.flusher
		if other == nil {
			w.flusher = make(chan struct{})
		}
		w.mu.Unlock()
		if other == nil {
			w.drain()
		} else {
			<-other
		}
	}
}

func (w *wire) flushSoon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept != nil && w.flusher == nil {
		w.flusher = make(chan struct{})
		go w.drain()
	}
}

// drain writes what is kept. Its caller has set flusher.
func (w *wire) drain() {
	p := w.written(0)
	for p != nil {
		late := time.Now().Add(w.stall)
		n, err := w.writeSome(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && time.Since(late) > standstill {
			continue // there may be room by now
		}
		switch {
		case n > 0 || err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.end(session.ErrStalled)
		default:
			w.mu.Lock()
			w.breakOff(err)
			w.mu.Unlock()
		}
		p = w.written(n)
	}
}

// written takes n bytes from what is kept, and returns the rest. When there is
// none, the flusher's work is done.
func (w *wire) written(n int) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n < len(w.kept) {
		w.kept = w.kept[n:]
		return w.kept
	}
	w.kept = nil
	close(w.flusher)
	w.flusher = nil
	return nil
}

// writeSome waits until the peer takes something of p, for as long as it may.
func (w *wire) writeSome(p []byte) (n int, err error) {
	if w.watch != nil { // it is there before there is somebody to flush for
		return w.writeWatched(p)
	}
	w.conn.SetWriteDeadline(time.Now().Add(w.stall)) // fails if closed, as will writing
	defer w.conn.SetWriteDeadline(time.Time{})
	if w.direct == nil {
		return w.conn.Write(p)
	}
	var outErr error
	err = w.direct.Write(func(fd uintptr) bool {
		n, outErr = writeNow(fd, p)
		return outErr != errAgain
	})
	return n, cmp.Or(err, outErr)
}

func (w *wire) writeWatched(p []byte) (n int, err error) {
	stalled := time.NewTimer(w.stall)
	defer stalled.Stop()
	for {
		if n, err = w.tryWatched(p); err != errAgain {
			return n, err
		}
		select {
		case <-w.watch.room():
		case <-stalled.C:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (w *wire) tryWatched(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return 0, w.ended
	}
	return w.watch.write(p)
}

func (w *wire) lastWords() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = true
}

func (w *wire) backlog() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.kept)
}

// Close ends the connection. What is kept is lost.
func (w *wire) Close() error { return w.end(net.ErrClosed) }

func (w *wire) end(reason error) error {
	w.mu.Lock()
	if w.ended != nil {
		w.mu.Unlock()
		return nil
	}
	w.ended, w.kept = reason, nil
	watch := w.watch
	if watch != nil {
		if w.last { // before anything else can reset the connection, and so lose them
			watch.closeWrite()
		}
		readOut(watch.read)
		watch.close()
	}
	w.mu.Unlock()
	if watch == nil && w.direct != nil {
		w.direct.Control(func(fd uintptr) {
			readOut(func(p []byte) (int, error) { return readNow(fd, p) })
		})
	}
	if w.conn == nil {
		return nil
	}
	err := w.conn.Close()
	if watch != nil { // it was closed already, but for what is around it
		return nil
	}
	return err
}

// readOut discards what is unread. A socket closed over unread bytes resets
// the connection (RFC 2525, section 2.17), and the peer may lose what was sent
// to it last.
func readOut(read func([]byte) (int, error)) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	for range maxKept / len(b) {
		if n, _ := read(b[:]); n <= 0 {
			return
		}
	}
}
