package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/directory/probe"
	"moip/internal/session"
	"moip/internal/smallfile"
)

const (
	lookEvery = 2 * time.Second  // at the files
	retry     = 10 * time.Minute // an import that has failed, or sooner if it is refreshed more often
	atOnce    = 4                // imports that are asked for
	maxTold   = 10               // faults of an import in the log
)

// Options say where a Book is from.
type Options struct {
	Path    string       // file or folder, the starter directory if empty; see Load
	Builtin []string     // names of the services inside
	Cache   string       // folder for copies of imports, made if it is missing; none if empty
	Dial    session.Dial // tries services; nil if none is to be tried

	// Permit is yellowpages.Source.Permit, for imports from the web. It may be nil.
	Permit func(host string, sentOn bool, at netip.AddrPort) error

	Log *slog.Logger // nil for none
}

// A Book is the directory in force. It follows its files and imports, and knows
// how the services are. Its methods may be called from any goroutine.
type Book struct {
	Options
	prober  *probe.Prober
	moves   chan move
	current atomic.Pointer[Directory]

	// Owned by Open, then by Run.
	own       *Directory  // what the files say
	seen      string      // how they looked when they were read
	suppliers []*supplier // of what they import, one for each place
	asking    int         // suppliers, of the web
}

// Open reads the directory, and what it imports as far as there are files and
// copies. It asks nothing of the web, and its errors are those of Load: an import
// that fails is told to the log.
func Open(o Options) (*Book, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Book{Options: o, prober: probe.New(o.Dial, o.Log), moves: make(chan move)}
	if err := b.read(); err != nil {
		return nil, err
	}
	b.readImports()
	b.publish()
	return b, nil
}

// Directory returns the directory in force.
func (b *Book) Directory() *Directory { return b.current.Load() }

// State tells how the service of that name was when it was last tried or called.
// It outlives changes of the directory that leave the service its name and URL.
func (b *Book) State(name string) probe.State { return b.prober.State(name) }

// Prober returns what tries the services, for who has it share that with other gateways.
func (b *Book) Prober() *probe.Prober { return b.prober }

// Note tells how a call found the service of that name; err may be nil. It does
// not block.
func (b *Book) Note(name string, up bool, err error) { b.prober.Note(name, up, err) }

// Run follows the files and imports, and tries services, until ctx is done. It
// must not be called twice.
//
// Imports from the web are asked for at once, and then when it is time; a change
// of the files does not make it time for those that stay.
func (b *Book) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	if b.Dial != nil {
		tasks.Go(func() { b.prober.Run(ctx) })
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	answers := make(chan answer)
	for ctx.Err() == nil {
		for s := b.nextDue(); s != nil; s = b.nextDue() {
			s.asking, s.asked = true, time.Now()
			b.asking++
			tasks.Go(func() { s.ask(ctx, answers) })
		}
		select {
		case <-look.C:
			b.look()
		case a := <-answers:
			b.take(a)
		case m := <-b.moves:
			m.moved <- b.move(m.path)
		case <-ctx.Done():
		}
	}
}

// A move is an order to go by other files.
type move struct {
	path  string
	moved chan<- error
}

// Move has the Book go by the files at another path, as Options has it. If they are
// wrong, it stays with those that it has, and the error is that of Load. It waits for
// Run, which has to be going on until ctx is done.
func (b *Book) Move(ctx context.Context, path string) error {
	moved := make(chan error, 1)
	select {
	case b.moves <- move{path, moved}:
		return <-moved
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Book) move(path string) error {
	was, seen := b.Path, b.seen
	b.Path = path
	if err := b.read(); err != nil {
		b.Path, b.seen = was, seen
		return err
	}
	b.readImports()
	b.publish()
	return nil
}

// nextDue returns the supplier of the web whose turn it is, nil if there is none
// or enough are asked for already.
func (b *Book) nextDue() (next *supplier) {
	for _, s := range b.suppliers {
		if b.asking < atOnce && s.isDue() && (next == nil || s.asked.Before(next.asked)) {
			next = s
		}
	}
	return next
}

// take puts in force what a supplier has answered. If it fails, what it said
// before stays; the log is told of the first failure in a row, and of their end.
func (b *Book) take(a answer) {
	s := a.of
	s.asking = false
	b.asking--
	if !slices.Contains(b.suppliers, s) { // the files have dropped it meanwhile
		return
	}
	err := a.err
	if a.changed {
		err = errors.Join(err, s.read(a.data))
		b.publish()
	}
	switch {
	case err != nil && !s.failing:
		b.failed(s, err)
	case err == nil && s.failing:
		b.Log.Info("directory: import works again", "from", s.from())
	}
	s.failing = err != nil
}

// failed tells that an import fails. What it said before stays in force.
func (b *Book) failed(s *supplier, err error) {
	b.Log.Warn("directory: import fails", "from", s.from(), "error", err)
}

// look puts in force what has changed in the files. Those that are wrong leave
// what was read before in force, and are not told again until they change.
func (b *Book) look() {
	changed := false
	if looks(b.Path) != b.seen {
		err := b.read()
		if err != nil {
			b.Log.Error("directory: files have changed and are wrong; what was read before stays in force", "error", err)
		}
		changed = err == nil
	}
	if b.readImports() || changed {
		b.publish()
		b.Log.Info("directory: files read anew", "services", len(b.Directory().Services()))
	}
}

// looks returns what tells the file at path, or those of the folder, from what
// they were: names, sizes, times, and who may read them.
func looks(path string) string {
	if path == "" {
		return ""
	}
	paths, err := files(path)
	if err != nil {
		return err.Error()
	}
	return smallfile.Look(paths...)
}

// read reads the files of the directory. Suppliers that they name still stay as
// they are.
func (b *Book) read() error {
	b.seen = looks(b.Path) // before they are read: a change in between is seen next time
	own, err := Load(b.Path, b.Builtin...)
	if err != nil {
		return err
	}
	old := b.suppliers
	b.own, b.suppliers = own, nil
	for _, i := range own.Imports() {
		if supplierOf(b.suppliers, i) != nil { // named twice, it has nothing to add
			continue
		}
		s := supplierOf(old, i)
		if s == nil {
			s = b.open(i)
		}
		s.Import = i // which may have another category
		b.suppliers = append(b.suppliers, s)
	}
	return nil
}

// readImports reads the files among the suppliers that look different from when
// they were last read, and reports whether there was one.
func (b *Book) readImports() (changed bool) {
	for _, s := range b.suppliers {
		if s.File == "" || looks(s.File) == s.seen {
			continue
		}
		if err := s.readFile(); err != nil {
			b.failed(s, err)
		} else {
			changed = true
		}
	}
	return changed
}

// publish puts what was read in force.
func (b *Book) publish() {
	d := b.own
	for _, s := range b.suppliers {
		var faults []error
		d, faults = d.with(s.entries, s.Import)
		b.tell(s, slices.Concat(s.faults, faults))
	}
	b.current.Store(d)
	targets := make([]probe.Target, 0, len(d.Services()))
	for _, s := range d.Services() {
		targets = append(targets, probe.Target{Name: s.Name, Route: s.Route, Every: s.ProbeEvery()})
	}
	b.prober.Watch(targets)
}

// tell logs why not all of an import is used, unless it was told so before.
func (b *Book) tell(s *supplier, faults []error) {
	if len(faults) > maxTold {
		faults = append(faults[:maxTold], fmt.Errorf("there are more faults than these %d", maxTold))
	}
	err := errors.Join(faults...)
	told := s.told
	s.told = fmt.Sprint(err)
	if err != nil && s.told != told {
		b.Log.Warn("directory: import is not all used", "from", s.from(), "error", err)
	}
}
