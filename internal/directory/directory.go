// Package directory knows the services by the codes that people type.
//
// It is written in TOML, as one file or as a folder of them. But for the first
// keys, those of a service are those of config.Route:
//
//	[[service]]
//	code = "TEASER"       # what people type
//	aliases = ["3614 T"]  # what they may type instead
//	title = "Teaser, la messagerie"
//	category = "Messageries"
//	palier = "36 14"
//	url = "ws://minitel.3614teaser.fr:8080/ws"
//	profile = "tty"       # has the keys that are not here
//
//	[profile.tty]
//	ping = "10s"
//	subprotocols = ["tty"]
package directory

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"moip/videotex"
)

// A Directory is a list of services, fixed once read. The zero Directory is
// empty.
type Directory struct {
	services   []Service
	byCode     []Service
	byCategory map[string][]Service // by code, of each category folded
	index      map[string]int       // of codes and aliases
	categories []string
	imports    []Import
}

// An Import is a place to take more services from. It has a URL or a File.
type Import struct {
	URL      string        // http or https
	File     string        // a path
	Refresh  time.Duration // when to look at URL again, 1m to 720h; 0 for a File
	Category string        // of the services there
}

// Lookup returns the service that code, or an alias of it, names. Capitals and
// the number of blanks do not matter; nor does a palier before the code, as in
// "3615 ULLA", unless something has that very name.
func (d *Directory) Lookup(code string) (Service, bool) {
	if len(code) > maxTyped {
		return Service{}, false
	}
	code = normal(code)
	i, ok := d.index[code]
	if !ok {
		i, ok = d.index[withoutPalier(code)]
	}
	if !ok {
		return Service{}, false
	}
	return d.services[i], true
}

// Services returns all services in the order of the files. The slice is the
// directory's: it must not be changed.
func (d *Directory) Services() []Service { return d.services }

// Categories returns the categories that services are in, in alphabetical order;
// capitals and accents do not matter. The slice must not be changed.
func (d *Directory) Categories() []string { return d.categories }

// In returns the services of a category by their codes, those of all if it is
// empty. The slice must not be changed.
func (d *Directory) In(category string) []Service {
	if category == "" {
		return d.byCode
	}
	return d.byCategory[fold(category)]
}

// Imports returns where more services are to be taken from. The slice must not
// be changed.
func (d *Directory) Imports() []Import { return d.imports }

// sort puts in order what In and Categories return.
func (d *Directory) sort() {
	d.byCode = slices.SortedFunc(slices.Values(d.services), func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	names := map[string]string{} // of the categories, as they are first written
	for _, s := range d.services {
		if key := fold(s.Category); names[key] == "" {
			names[key] = s.Category
		}
	}
	d.categories = nil
	for _, key := range slices.Sorted(maps.Keys(names)) {
		d.categories = append(d.categories, names[key])
	}
	d.byCategory = map[string][]Service{}
	for _, s := range d.byCode {
		key := fold(s.Category)
		d.byCategory[key] = append(d.byCategory[key], s)
	}
}

// normal returns the one way to write a code.
func normal(code string) string {
	return strings.Join(strings.Fields(strings.ToUpper(code)), " ")
}

// fold returns text as capitals without accents.
func fold(text string) string {
	text = strings.ReplaceAll(strings.ToUpper(text), "Œ", "OE")
	return string(videotex.Encode(text)) // whose capitals have none
}

var palier = regexp.MustCompile(`^36 ?[0-9]{2} ?`)

// withoutPalier returns what follows a palier in a code: people type what they
// once dialled.
func withoutPalier(code string) string { return code[len(palier.FindString(code)):] }
