package directory

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"moip/internal/config"
	"moip/internal/config/tomlfile"
	"moip/internal/tariff"
	"moip/videotex"
)

const (
	maxCode        = 20  // characters
	maxAliases     = 20  // of a service
	maxTitle       = 38  // columns: a line of 40, and a margin
	maxCategory    = 20  // columns
	maxCurrency    = 4   // columns
	maxDescription = 400 // characters

	defaultCategory = "Divers"
	importCategory  = "Annuaire"
	defaultRefresh  = 24 * time.Hour
)

// A source is a file of a directory. What is said of its keys here and below is
// their reference.
type source struct {
	*tomlfile.File

	// Starter adds the services of the directory inside whose codes the files
	// do not have. Default false.
	Starter bool `toml:"starter"`

	Services []entry `toml:"service"`

	// Profiles are keys for services to share, in all files. Names have 1 to 20
	// of a to z, 0 to 9, - and _; capitals do not matter.
	Profiles map[string]traits `toml:"profile"`

	// Paliers are tariffs by name, as in [palier."36 15"], in all files. They
	// are added to those of package tariff, or replace them.
	Paliers map[string]price `toml:"palier"`

	Imports []place `toml:"import"`
}

// A report notes that something is wrong with the value of a key.
type report = func(key, format string, args ...any)

// at returns the report of what is wrong in a table.
func (s *source) at(table string) report {
	return func(key, format string, args ...any) { s.Fault(table+"."+key, format, args...) }
}

// An entry is a service as a file has it, or another name for one.
type entry struct {
	// Code is what people type: 1 to 20 of A to Z, 0 to 9, blank and .*-. It
	// must be there.
	Code string `toml:"code"`

	// AliasOf makes the entry another name for the service that has this code
	// or alias; it then has no other key than code and aliases. Default none.
	AliasOf string `toml:"alias_of"`

	// Aliases are what people may type instead of the code, 20 at most. Default
	// none.
	Aliases []string `toml:"aliases"`

	// Title is what a terminal shows, up to 38 columns. Default the code.
	Title string `toml:"title"`

	// Profile names the profile that has the keys that the service lacks.
	// Default none.
	Profile string `toml:"profile"`

	traits
}

// The traits of a service are what it may have from its profile.
type traits struct {
	// Category is up to 20 columns. Default Divers.
	Category string `toml:"category"`

	// Description is what a terminal shows who wants to know more: up to 400
	// characters, with \n where a line must end. Default none.
	Description string `toml:"description"`

	// Palier names the tariff. Default none, and then the service is free.
	Palier string `toml:"palier"`

	// Tariff is the tariff of a service without a palier. Default free.
	Tariff price `toml:"tariff"`

	// Data is how complementary data reach the service: path for one more
	// segment of the URL, query for data=... in it, typed for typed there with
	// Envoi, or none. Default none.
	Data Data `toml:"data"`

	// Probe is how often the service is tried: 10s to 24h, or none. Default 5m
	// for local addresses, none for others. Services inside are never tried.
	Probe string `toml:"probe"`

	// Visit ends a visit: 100ms to 168h, or 0 for the gateway's limit. Default 0.
	Visit config.Duration `toml:"visit"`

	// Unverified says that nobody of ours has tried the service lately. Default
	// false.
	Unverified bool `toml:"unverified"`

	// Its URL may also be builtin:NAME.
	config.Route
}

// inherit takes from p the keys that t does not have itself.
func (t *traits) inherit(p traits, has func(key string) bool) {
	own, theirs := reflect.ValueOf(t).Elem(), reflect.ValueOf(p)
	for _, field := range reflect.VisibleFields(own.Type()) {
		if key := field.Tag.Get("toml"); key != "" && !has(key) {
			own.FieldByIndex(field.Index).Set(theirs.FieldByIndex(field.Index))
		}
	}
}

// check reports what is wrong with each of the traits. That there is no URL is
// not: these may be of a profile.
func (t *traits) check(r *reader, fault report) {
	if err := checkLine(t.Category, maxCategory); err != nil {
		fault("category", "%v", err)
	}
	if err := checkDescription(t.Description); err != nil {
		fault("description", "%v", err)
	}
	if _, known := r.paliers[palierKey(t.Palier)]; t.Palier != "" && !known {
		fault("palier", "%v", unknown{t.Palier, r.palierNames})
	} else if t.Palier != "" && t.Tariff != (price{}) {
		fault("palier", "goes with no tariff (write one of the two)")
	}
	t.Tariff.check(func(key, format string, args ...any) { fault("tariff."+key, format, args...) })
	if !slices.Contains([]Data{DataNone, "none", DataPath, DataQuery, DataTyped}, t.Data) {
		fault("data", "%.60q is unknown (use none, path, query or typed)", t.Data)
	}
	if _, err := parseProbe(t.Probe); err != nil {
		fault("probe", "%v", err)
	}
	if t.Visit != 0 {
		checkSpan(fault, "visit", t.Visit, 100*time.Millisecond, 168*time.Hour)
	}
	t.checkRoute(r, fault)
}

func (t *traits) checkRoute(r *reader, fault report) {
	route := t.Route
	isInside := strings.HasPrefix(t.URL, inside)
	if isInside && !slices.Contains(r.inside, t.URL) {
		fault("url", "%v", unknown{t.URL, slices.Values(r.inside)})
	}
	if isInside || t.URL == "" {
		route.URL = "ws://localhost" // Check wants a URL, and knows none of those inside
	}
	route.Check(fault)
}

// service returns the service that e is, if nothing is wrong with it, under its
// names, the code first.
func (e *entry) service(r *reader, code string, names []string) Service {
	s := Service{
		Title:       cmp.Or(e.Title, code),
		Category:    cmp.Or(words(e.Category), defaultCategory),
		Description: e.Description,
		Tariff:      e.Tariff.tariff(""),
		Data:        e.Data,
		Unverified:  e.Unverified,
		Route:       e.Session(code),
	}
	if len(names) > 1 {
		s.Aliases = names[1:]
	}
	if e.Palier != "" {
		s.Tariff = r.paliers[palierKey(e.Palier)]
	}
	if e.Data == "none" {
		s.Data = DataNone
	}
	s.Probe, _ = parseProbe(e.Probe)
	s.Visit = time.Duration(e.Visit)
	return s
}

// A price is a tariff as files write it.
type price struct {
	// Connection is charged once, Minute by the second: 0 to 1000. Default 0.
	Connection tariff.Price `toml:"connection"`
	Minute     tariff.Price `toml:"minute"`

	// Free is how long a visit is free, 100ms to 24h, or 0. Default 0.
	Free config.Duration `toml:"free"`

	// Currency is up to 4 columns. Default F.
	Currency string `toml:"currency"`
}

func (p price) check(fault report) {
	if p.Free != 0 {
		checkSpan(fault, "free", p.Free, 100*time.Millisecond, 24*time.Hour)
	}
	if err := checkLine(p.Currency, maxCurrency); err != nil {
		fault("currency", "%v", err)
	}
}

// tariff returns the tariff that p is, as a palier if that has a name.
func (p price) tariff(palier string) tariff.Tariff {
	return tariff.Tariff{
		Palier:     palier,
		Connection: p.Connection.Money,
		Minute:     p.Minute.Money,
		Free:       time.Duration(p.Free),
		Currency:   cmp.Or(p.Currency, tariff.Franc),
	}
}

// A place is an Import as files write it.
type place struct {
	// URL, of http or https, or File, relative to the file that names it, is
	// where the services are. One of them must be there.
	URL  string `toml:"url"`
	File string `toml:"file"`

	// Refresh is when to look at the URL again, 1m to 720h. Default 24h.
	Refresh config.Duration `toml:"refresh"`

	// Category is that of the services, up to 20 columns. Default Annuaire.
	Category string `toml:"category"`
}

// check reports what is wrong with p. Whether it says when to look again, has
// knows.
func (p place) check(fault report, has func(key string) bool) {
	switch {
	case p.URL == "" && p.File == "":
		fault("url", `is missing (write url = "https://..." or file = "...")`)
	case p.URL != "" && p.File != "":
		fault("file", "goes with no url (write one of the two)")
	case p.URL != "" && !isWeb(p.URL):
		// Not which it is: there may be a password in it.
		fault("url", "is no place in the web (write https://example.org/directory.json)")
	}
	if has("refresh") {
		checkSpan(fault, "refresh", p.Refresh, time.Minute, 720*time.Hour)
		if p.File != "" {
			fault("refresh", "goes with no file (files are looked at as this one is)")
		}
	}
	if err := checkLine(p.Category, maxCategory); err != nil {
		fault("category", "%v", err)
	}
}

// imported returns the Import that p of s is, if nothing is wrong with it.
func (p place) imported(s *source) Import {
	i := Import{URL: p.URL, File: s.Path(p.File), Category: cmp.Or(words(p.Category), importCategory)}
	if p.URL != "" {
		i.Refresh = cmp.Or(time.Duration(p.Refresh), defaultRefresh)
	}
	return i
}

// isWeb reports whether s is a URL to get something from.
func isWeb(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// parseProbe reads a Probe: an interval, none, or nothing for what is usual.
func parseProbe(text string) (Probe, error) {
	if text == "" {
		return ProbeUsual, nil
	}
	var every config.Duration
	if err := every.UnmarshalText([]byte(text)); err != nil {
		return ProbeUsual, err
	}
	switch {
	case every == 0:
		return ProbeNever, nil
	case every < config.Duration(10*time.Second) || every > config.Duration(24*time.Hour):
		return ProbeUsual, fmt.Errorf(`%v is out of range (10s to 24h, or "none")`, every)
	}
	return Probe(every), nil
}

func checkSpan(fault report, key string, d config.Duration, least, most time.Duration) {
	if d < config.Duration(least) || d > config.Duration(most) {
		fault(key, "%v is out of range (%v to %v)", d, config.Duration(least), config.Duration(most))
	}
}

// checkLine wants characters that a terminal has, and no more than fit.
func checkLine(text string, fit int) error {
	for _, c := range text {
		if string(videotex.Encode(string(c))) == "?" && c != '?' {
			return fmt.Errorf("%q cannot be shown on a Minitel (write French, without control characters)", c)
		}
	}
	if columns := videotex.Width(text); columns > fit {
		return fmt.Errorf("is %d columns wide (%d fit)", columns, fit)
	}
	return nil
}

// checkDescription wants the same of each line, and not too many characters.
func checkDescription(text string) error {
	if n := utf8.RuneCountInString(text); n > maxDescription {
		return fmt.Errorf("has %d characters (%d are the most)", n, maxDescription)
	}
	return checkLine(strings.ReplaceAll(text, "\n", ""), math.MaxInt)
}

// An unknown is a name that is none of those known.
type unknown struct {
	name  string
	known iter.Seq[string]
}

// Error tells which is meant, and which there are. That takes its time, so it is
// left for the faults that are shown.
func (u unknown) Error() string {
	known := slices.Sorted(u.known)
	if len(known) == 0 {
		return fmt.Sprintf("%.40q is unknown (there is none)", u.name)
	}
	hint := ""
	if i := slices.IndexFunc(known, func(name string) bool { return distance(u.name, name) == 1 }); i >= 0 {
		hint = fmt.Sprintf("did you mean %q? ", known[i])
	}
	return fmt.Sprintf("%.40q is unknown (%sthere are %s)", u.name, hint, strings.Join(known, ", "))
}

// words returns text with single blanks between its words.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// palierKey returns the one way to write the name of a palier: blanks do not
// matter in 36 15.
func palierKey(name string) string { return strings.ReplaceAll(normal(name), " ", "") }
