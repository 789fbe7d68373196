package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"moip/internal/session"
	"moip/videotex"
)

const (
	// between is how long the last page of a recording stays before the next one
	// of a folder, and how long an empty folder is left alone.
	between = 10 * time.Second
	maxPage = 1 << 20 // bytes of a .vdt
	maxTold = 1000    // files
)

// A Projector plays recordings to callers: routes that are replay:PATH lead to it.
// Each caller sees them from the beginning.
type Projector struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]time.Time // files that cannot be played, as they were then
}

// NewProjector returns a Projector. Of files that it passes over it tells log, if
// that is not nil, once each.
func NewProjector(log *slog.Logger) *Projector {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Projector{log: log, told: map[string]time.Time{}}
}

// Dial reaches the recording, or the folder, that r names by its URL. It is a
// session.Dial.
func (p *Projector) Dial(_ context.Context, _ session.ID, r session.Route) (session.Endpoint, error) {
	path, speed, err := ParseRoute(r.URL)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	player, err := p.Open(path, speed)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return player, nil
}

// Open returns a Player of the file at path, or one of the folder there: of its
// files .cast and .vdt, in the order of their names, again and again for ever. The
// folder is read before each round. What cannot be played is passed over, and a
// folder without anything to play shows a page that says so.
func (p *Projector) Open(path string, s Speed) (*Player, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return newPlayer(&loop{projector: p, path: path}, s), nil
	}
	one, err := openItem(path)
	if err != nil {
		return nil, err
	}
	return newPlayer(one, s), nil
}

// pass logs why a file is passed over, unless it was told so before.
func (p *Projector) pass(path string, err error) {
	var changed time.Time
	if info, err := os.Stat(path); err == nil {
		changed = info.ModTime()
	}
	p.mu.Lock()
	before, told := p.told[path]
	if len(p.told) >= maxTold {
		clear(p.told)
	}
	p.told[path] = changed
	p.mu.Unlock()
	if !told || !before.Equal(changed) {
		p.log.Warn("replay: a file is passed over", "error", err)
	}
}

// An item is a file that is played.
type item struct {
	file *os.File
	Reader
	page bool // it is a page, and no recording
	done bool
}

func openItem(path string) (*item, error) {
	// What is a pipe may be one on which open would wait.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	i := &item{file: file, page: isPage(path)}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("is no regular file")
	case !i.page:
		var r *Reader
		if r, err = NewReader(file); err == nil {
			i.Reader = *r
		}
	case info.Size() > maxPage:
		err = fmt.Errorf("has %d bytes (%d are the most of a page)", info.Size(), maxPage)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return i, nil
}

func isPage(path string) bool {
	end := filepath.Ext(path)
	return strings.EqualFold(end, ".vdt") || strings.EqualFold(end, ".vtx")
}

// Next returns the events of a recording, or the one that a page is.
func (i *item) Next() (Event, error) {
	if !i.page {
		e, err := i.Reader.Next()
		if err != nil && err != io.EOF {
			err = fmt.Errorf("%s: %w", i.file.Name(), err)
		}
		return e, err
	}
	if i.done {
		return Event{}, io.EOF
	}
	i.done = true
	p, err := io.ReadAll(io.LimitReader(i.file, maxPage))
	return Event{Kind: Output, Data: p}, err
}

func (i *item) close() { i.file.Close() }

// A loop is a folder that is played for ever.
type loop struct {
	projector *Projector
	path      string
	names     []string // left of the round
	item      *item    // under way, nil between two
	begun     bool     // something has been shown, be it a page that says that there is nothing
	tried     bool     // in this round, to play a file
	shown     bool     // in this round, something that was played
	parser    videotex.Parser
}

// Next returns the next event of the round, and between two files one that is due
// after a pause, and clears the screen.
func (l *loop) Next() (Event, error) {
	for {
		if l.item != nil {
			e, err := l.item.Next()
			if err == nil {
				return l.follow(e), nil
			}
			if err != io.EOF {
				l.projector.pass(l.item.file.Name(), err)
			}
			l.close()
		}
		if len(l.names) == 0 {
			barren := l.tried && !l.shown
			l.tried, l.shown = false, false
			if l.names = l.read(); len(l.names) == 0 || barren {
				return l.clear(nothing), nil
			}
		}
		l.tried = true
		if l.open() {
			return l.clear(nil), nil
		}
	}
}

// open opens the next file. It reports false if that cannot be played.
func (l *loop) open() bool {
	path := filepath.Join(l.path, l.names[0])
	l.names = l.names[1:]
	var err error
	if l.item, err = openItem(path); err != nil {
		l.item = nil
		l.projector.pass(path, err)
	}
	return err == nil
}

// follow notes what an event does to the terminal.
func (l *loop) follow(e Event) Event {
	if e.Kind == Output {
		l.shown = true
		for _, b := range e.Data {
			l.parser.Step(b)
		}
	}
	return e
}

// clear returns the event of a new page, on a terminal that is at rest. The first
// is shown at once.
func (l *loop) clear(page videotex.Page) Event {
	e := Event{Kind: pause, Data: l.parser.Rest(nil)}
	if l.begun {
		e.After = between
	}
	l.begun = true
	e.Data = append(e.Data, videotex.Article("")...)
	e.Data = append(e.Data, videotex.Page{}.Clear()...)
	e.Data = append(e.Data, page...)
	for _, b := range e.Data {
		l.parser.Step(b)
	}
	return e
}

// nothing is what is shown of a folder where nothing can be played.
var nothing = videotex.Page{}.
	At(11, 5).Text("Rien à montrer pour le moment").
	At(13, 5).Text("Connexion/Fin pour quitter")

// read lists the files of the folder that may be played.
func (l *loop) read() (names []string) {
	entries, err := os.ReadDir(l.path)
	if err != nil {
		l.projector.pass(l.path, err)
		return nil
	}
	for _, e := range entries {
		end := strings.ToLower(filepath.Ext(e.Name()))
		hidden := strings.HasPrefix(e.Name(), ".")
		if !hidden && e.Type()&fs.ModeDir == 0 && (end == ".cast" || end == ".vdt" || end == ".vtx") {
			names = append(names, e.Name())
		}
	}
	return names
}

func (l *loop) close() {
	if l.item != nil {
		l.item.close()
		l.item = nil
	}
}
