package directory

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"moip/internal/config/tomlfile"
	"moip/internal/recording"
	"moip/internal/tariff"
	"moip/internal/upstream"
)

const (
	maxServices = 10_000
	maxImports  = 100
	maxNames    = 1000 // profiles, and paliers
	maxName     = 20   // characters of a profile or a palier
	maxChain    = 10   // aliases from a name to its service
)

// A reader makes a directory of files.
type reader struct {
	d        *Directory
	inside   []string // URLs of the services inside
	sources  []*source
	paliers  map[string]tariff.Tariff // by palierKey
	profiles map[string]profile       // by their names in small letters
	aliases  []alias
	leads    map[string]string // from the names of aliases to what they stand for
}

// A profile is traits for services to share.
type profile struct {
	traits
	faulty map[string]bool // keys
}

// An alias is an entry that is only another name for a service, or more names.
type alias struct {
	names []string
	fault report
}

func newReader(builtin []string) *reader {
	r := &reader{
		d:        &Directory{index: map[string]int{}},
		paliers:  map[string]tariff.Tariff{},
		profiles: map[string]profile{},
		leads:    map[string]string{},
	}
	for _, name := range slices.Sorted(slices.Values(builtin)) {
		r.inside = append(r.inside, inside+name)
	}
	for _, p := range tariff.Paliers() {
		r.paliers[palierKey(p.Palier)] = p
	}
	return r
}

// decode adds a file to those to read.
func (r *reader) decode(name string, data []byte) (err error) {
	s := &source{}
	if s.File, err = tomlfile.Decode(name, data, s); err == nil {
		r.sources = append(r.sources, s)
	}
	return err
}

// directory returns what the files say together.
func (r *reader) directory() (*Directory, error) {
	own := map[string]bool{} // paliers of the files
	for _, s := range r.sources {
		r.readPaliers(s, own)
	}
	for _, s := range r.sources {
		r.readProfiles(s)
	}
	for _, s := range r.sources {
		r.readServices(s)
		r.readImports(s)
	}
	if slices.ContainsFunc(r.sources, func(s *source) bool { return s.Starter }) {
		if err := r.addStarter(); err != nil {
			return nil, err
		}
	}
	r.follow()
	var faults []error
	for _, s := range r.sources {
		faults = append(faults, s.Err())
	}
	if err := join(faults); err != nil {
		return nil, err
	}
	r.d.sort()
	return r.d, nil
}

func (r *reader) readPaliers(s *source, own map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(s.Paliers)) {
		key := palierKey(name)
		if err := checkName(normal(name), "-_ ", own[key], len(own)); err != nil {
			s.Fault("palier."+name, "%v", err)
		}
		own[key] = true
		p := s.Paliers[name]
		p.check(s.at("palier." + name))
		r.paliers[key] = p.tariff(normal(name))
	}
}

// palierNames yields the paliers as people know them.
func (r *reader) palierNames(yield func(string) bool) {
	for _, p := range r.paliers {
		if !yield(p.Palier) {
			return
		}
	}
}

func (r *reader) readProfiles(s *source) {
	for _, name := range slices.Sorted(maps.Keys(s.Profiles)) {
		key := strings.ToLower(name)
		_, taken := r.profiles[key]
		if err := checkName(key, "-_", taken, len(r.profiles)); err != nil {
			s.Fault("profile."+name, "%v", err)
		}
		p := profile{s.Profiles[name], map[string]bool{}}
		fault := s.at("profile." + name)
		p.check(r, func(key, format string, args ...any) {
			p.faulty[key] = true
			fault(key, format, args...)
		})
		p.CA, p.URL = s.Path(p.CA), recording.ResolveRoute(p.URL, s.Path)
		r.profiles[key] = p
	}
}

// checkName wants a name that a profile or a palier may have, with these signs
// in it, as one more of those there are.
func checkName(name, signs string, taken bool, there int) error {
	switch {
	case len(name) > maxName || !isMade(strings.ToUpper(name), signs):
		return fmt.Errorf("is no name (write 1 to %d of a to z, 0 to 9, - and _)", maxName)
	case taken:
		return errors.New("is there already, here or in another file (write it once)")
	case there >= maxNames:
		return fmt.Errorf("is one too many (%d fit)", maxNames)
	}
	return nil
}

func (r *reader) readServices(s *source) {
	for i := range s.Services {
		table := fmt.Sprintf("service[%d]", i)
		if len(r.d.services)+len(r.aliases) >= maxServices {
			s.Fault(table, "is one too many (%d fit)", maxServices)
			return
		}
		if s.Has(table + ".alias_of") {
			r.readAlias(s, table, &s.Services[i])
		} else {
			r.readService(s, table, &s.Services[i])
		}
	}
}

func (r *reader) readService(s *source, table string, e *entry) {
	has := func(key string) bool { return s.Has(table + "." + key) }
	fault := s.at(table)
	e.CA, e.URL = s.Path(e.CA), recording.ResolveRoute(e.URL, s.Path)
	if has("profile") {
		p, known := r.profiles[strings.ToLower(e.Profile)]
		if !known {
			fault("profile", "%v", unknown{e.Profile, maps.Keys(r.profiles)})
		}
		if has("palier") || has("tariff") { // one price is enough
			p.Palier, p.Tariff = "", price{}
		}
		e.inherit(p.traits, has)
		fault = p.but(has, fault)
	}
	names := r.claim(e, fault)
	for _, name := range names {
		r.d.index[name] = len(r.d.services)
	}
	if err := checkLine(e.Title, maxTitle); err != nil {
		fault("title", "%v", err)
	}
	switch {
	case e.URL == "":
		fault("url", `is missing (write url = "ws://...", or wss, telnet, telnets, tcp, tcps)`)
	case (e.Data == DataPath || e.Data == DataQuery) && upstream.Protocol(e.URL) != "ws":
		fault("data", "only a ws or wss URL has a %s (use typed or none)", e.Data)
	}
	e.check(r, fault)
	r.d.services = append(r.d.services, e.service(r, normal(e.Code), names))
}

// but returns a report of what is wrong with a service of profile p that leaves
// out what was said of p.
func (p profile) but(has func(key string) bool, fault report) report {
	return func(key, format string, args ...any) {
		if own, _, _ := strings.Cut(key, "."); !p.faulty[key] || has(own) {
			fault(key, format, args...)
		}
	}
}

func (r *reader) readAlias(s *source, table string, e *entry) {
	fault := s.at(table)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[entry]()) {
		key := field.Tag.Get("toml")
		if key != "" && !slices.Contains([]string{"code", "aliases", "alias_of"}, key) && s.Has(table+"."+key) {
			fault(key, "goes with no alias_of (what an alias leads to has it)")
		}
	}
	to := normal(e.AliasOf)
	names := r.claim(e, fault)
	for _, name := range names {
		r.leads[name] = to
	}
	if !isCode(to) {
		fault("alias_of", "%v", badCode(to))
	} else if len(names) > 0 {
		r.aliases = append(r.aliases, alias{names, fault})
	}
}

// claim returns the names of e, the code first, that are names and nobody else's.
func (r *reader) claim(e *entry, fault report) (names []string) {
	try := func(key, name string) {
		name = normal(name)
		switch {
		case !isCode(name):
			fault(key, "%v", badCode(name))
		case r.taken(name) || slices.Contains(names, name):
			fault(key, "%q is taken already (a code or an alias names one service)", name)
		default:
			names = append(names, name)
		}
	}
	if words(e.Code) == "" {
		fault("code", `is missing (write code = "..." as people type it)`)
	} else {
		try("code", e.Code)
	}
	if len(e.Aliases) > maxAliases {
		fault("aliases", "%d are too many (%d fit)", len(e.Aliases), maxAliases)
		return names
	}
	for _, name := range e.Aliases {
		try("aliases", name)
	}
	return names
}

// taken reports whether something has that name.
func (r *reader) taken(name string) bool {
	_, service := r.d.index[name]
	_, alias := r.leads[name]
	return service || alias
}

func isCode(s string) bool { return len(s) <= maxCode && isMade(s, " .*-") }

func badCode(s string) error {
	return fmt.Errorf("%.40q is not a code (write 1 to %d of A to Z, 0 to 9, blank and .*-)", s, maxCode)
}

// isMade reports whether s is made of capitals, digits and signs.
func isMade(s, signs string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(signs, c))
	})
}

func (r *reader) readImports(s *source) {
	for i, p := range s.Imports {
		table := fmt.Sprintf("import[%d]", i)
		if len(r.d.imports) == maxImports {
			s.Fault(table, "is one too many (%d fit)", maxImports)
			return
		}
		p.check(s.at(table), func(key string) bool { return s.Has(table + "." + key) })
		r.d.imports = append(r.d.imports, p.imported(s))
	}
}

// addStarter adds the services of the starter directory whose codes nothing has.
func (r *reader) addStarter() error {
	builtin := make([]string, 0, len(r.inside))
	for _, u := range r.inside {
		builtin = append(builtin, strings.TrimPrefix(u, inside))
	}
	d, err := Parse(starterName, starter, builtin...)
	if err != nil {
		return err
	}
	for _, s := range d.services {
		if r.taken(s.Name) {
			continue
		}
		s.Aliases = slices.DeleteFunc(s.Aliases, r.taken)
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			r.d.index[name] = len(r.d.services)
		}
		r.d.services = append(r.d.services, s)
	}
	return nil
}

// follow makes the names of aliases names of their services.
func (r *reader) follow() {
	for _, a := range r.aliases {
		i, err := r.goal(a.names[0])
		if err != nil {
			a.fault("alias_of", "%v", err)
			continue
		}
		for _, name := range a.names {
			r.d.index[name] = i
		}
		s := &r.d.services[i]
		s.Aliases = append(s.Aliases, a.names...)
	}
}

// goal returns the service that an alias leads to, by others perhaps.
func (r *reader) goal(name string) (int, error) {
	path := []string{name}
	for {
		next, isAlias := r.leads[name]
		chain := strings.Join(path, " leads to ")
		switch {
		case !isAlias:
			return 0, fmt.Errorf("%s, and nothing has that name (write the code of a service)", chain)
		case len(path) > maxChain:
			return 0, fmt.Errorf("%s, and on (write the code of the service)", chain)
		case slices.Contains(path, next):
			return 0, fmt.Errorf("%s leads to %s (write the code of a service)", chain, next)
		}
		name = next
		path = append(path, name)
		if i, ok := r.d.index[name]; ok {
			return i, nil
		}
	}
}
