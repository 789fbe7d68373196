package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"moip/internal/config"
	"moip/internal/directory/yellowpages"
	"moip/internal/discreet"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/smallfile"
	"moip/internal/tariff"
)

const (
	maxPages = 4 << 20 // bytes of an imported file
	maxLabel = 6       // columns of a palier in yellow pages
)

// A supplier is a place that services are imported from, and what it says.
type supplier struct {
	Import
	entries []yellowpages.Entry
	faults  []error // why there are not more
	told    string  // to the log, of what is left out

	// Of a File.
	seen string // how it looked when it was read

	// Of a URL.
	source  yellowpages.Source // belongs to ask while asking
	asking  bool
	asked   time.Time
	failing bool
}

// open returns a supplier, with what the copy says that is kept of a URL.
func (b *Book) open(i Import) *supplier {
	s := &supplier{Import: i, source: yellowpages.Source{URL: i.URL, Permit: b.Permit}}
	if i.URL == "" || b.Cache == "" {
		return s
	}
	if err := os.MkdirAll(b.Cache, 0o700); err != nil {
		b.Log.Warn("directory: no copy of an import is kept", "from", s.from(), "error", err)
		return s
	}
	s.source.Cache = filepath.Join(b.Cache, fmt.Sprintf("%.8x.pages", sha256.Sum256([]byte(i.URL))))
	data, err := s.source.Cached()
	if err == nil {
		err = s.read(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.failed(s, err)
	}
	return s
}

// supplierOf returns the one among suppliers that is where i is, nil if there is
// none.
func supplierOf(suppliers []*supplier, i Import) *supplier {
	for _, s := range suppliers {
		if s.URL == i.URL && s.File == i.File {
			return s
		}
	}
	return nil
}

// from returns where the import is from, for the log.
func (i Import) from() string {
	if i.File != "" {
		return i.File
	}
	return discreet.URL(i.URL)
}

// isDue reports whether it is time to ask the web.
func (s *supplier) isDue() bool {
	pause := s.Refresh
	if s.failing {
		pause = min(pause, retry)
	}
	return s.URL != "" && !s.asking && time.Since(s.asked) >= pause
}

// An answer is what the web has said. If it has changed, there are data; there
// may be an error as well.
type answer struct {
	of      *supplier
	data    []byte
	changed bool
	err     error
}

// ask asks the web, unless ctx is done first.
func (s *supplier) ask(ctx context.Context, answers chan<- answer) {
	data, changed, err := s.source.Fetch(ctx)
	select {
	case answers <- answer{s, data, changed, err}:
	case <-ctx.Done():
	}
}

// readFile reads the file.
func (s *supplier) readFile() error {
	s.seen = looks(s.File) // before it is read: a change in between is seen next time
	data, err := smallfile.Read(s.File, maxPages)
	if err != nil {
		return err
	}
	return s.read(data)
}

// read reads yellow pages. If data are none, s stays as it is.
func (s *supplier) read(data []byte) error {
	entries, faults, err := yellowpages.Parse(data)
	if err == nil {
		s.entries, s.faults = entries, faults
	}
	return err
}

// with returns d with the services of an import. Whatever Lookup finds in d, it
// finds there too, "3615 ULLA" included: an import that has such a name has no
// say in it. What cannot be used is left out, and told by faults.
func (d *Directory) with(entries []yellowpages.Entry, i Import) (all *Directory, faults []error) {
	all = &Directory{services: slices.Clone(d.services), index: maps.Clone(d.index), imports: d.imports}
	leads := map[string]string{} // from the names of aliases to what they stand for
	for _, e := range entries {
		name := normal(e.Name)
		if err := checkEntry(e, name); err != nil {
			faults = append(faults, fmt.Errorf("%q: %w", e.Name, err))
			continue
		}
		_, ours := d.Lookup(name)
		_, isService := all.index[name]
		_, isAlias := leads[name]
		switch {
		case ours, isService, isAlias: // the first of a name stands
		case e.Alias != "":
			leads[name] = normal(e.Alias)
		case len(all.services) == maxServices:
			faults = append(faults, fmt.Errorf("%q: is one too many (%d fit)", e.Name, maxServices))
		default:
			all.index[name] = len(all.services)
			all.services = append(all.services, imported(e, name, i))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(leads)) {
		if err := all.lead(name, leads); err != nil {
			faults = append(faults, err)
		}
	}
	all.sort()
	return all, faults
}

// checkEntry returns why an entry cannot be used.
func checkEntry(e yellowpages.Entry, name string) (err error) {
	if !isCode(name) {
		return fmt.Errorf("is not a code (1 to %d of A to Z, 0 to 9, blank and .*-)", maxCode)
	}
	if e.Alias != "" {
		return nil
	}
	if recording.IsRoute(e.Address) {
		return errors.New("url: leads to recordings, which nobody from elsewhere can have played")
	}
	route(e).Check(func(key, format string, args ...any) {
		err = cmp.Or(err, fmt.Errorf(key+": "+format, args...))
	})
	return err
}

func route(e yellowpages.Entry) config.Route {
	return config.Route{URL: e.Address, Ping: config.Duration(e.Ping), Subprotocols: e.Subprotocols}
}

// imported returns the service that an entry is. What yellow pages call its cost
// is charged once.
func imported(e yellowpages.Entry, name string, i Import) Service {
	s := Service{
		Title:      name,
		Category:   i.Category,
		Tariff:     tariff.Tariff{Connection: e.Cost, Currency: tariff.Franc},
		Unverified: true,
		Route:      route(e).Session(name),
	}
	if i.URL != "" {
		s.Author = session.AuthorImport
		s.Probe = ProbeNever // nobody from elsewhere has us knock at the doors of this house
	}
	if p, known := tariff.Palier(e.Tarif); known && e.Cost == 0 {
		s.Tariff = p
	} else if checkLine(e.Tarif, maxLabel) == nil {
		s.Tariff.Palier = e.Tarif
	}
	return s
}

// lead makes name an alias of the service that it leads to, by others perhaps.
func (d *Directory) lead(name string, leads map[string]string) error {
	i, err := (&reader{d: d, leads: leads}).goal(name)
	if err != nil {
		return err
	}
	s := &d.services[i]
	if len(s.Aliases) >= maxAliases {
		return fmt.Errorf("%s leads to %s, which has %d other names (%d fit)", name, s.Name, len(s.Aliases), maxAliases)
	}
	s.Aliases = append(slices.Clip(s.Aliases), name) // the slice may be another directory's
	d.index[name] = i
	return nil
}
