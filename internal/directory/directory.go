// Package directory knows the services by the codes that people type.
//
// Its file is TOML, one table for each service; but for the first three, the
// keys are those of config.Route:
//
//	[[service]]
//	code = "TEASER"            # what people type
//	aliases = ["3614 TEASER"]  # what they may type instead
//	title = "Teaser, la messagerie"
//	url = "ws://minitel.3614teaser.fr:8080/ws"
//	ping = "10s"
//	subprotocols = ["tty"]
package directory

import (
	"cmp"
	"fmt"
	"strings"

	"moip/internal/config"
	"moip/internal/config/tomlfile"
	"moip/internal/session"
	"moip/videotex"
)

const (
	maxCode  = 20 // characters
	maxTitle = 38 // columns: a line of 40, and a margin
)

// A Directory is a list of services, fixed once read. The zero Directory is
// empty.
type Directory struct {
	services []Service
	index    map[string]int // of codes and aliases
}

// A Service is a service that people can ask for. Its name is its code.
type Service struct {
	Title   string // what a terminal shows, 1 to 38 columns; the code if the file has none
	Aliases []string
	session.Route
}

// Lookup returns the service that code, or an alias of it, names. Capitals and
// the number of blanks do not matter.
func (d *Directory) Lookup(code string) (Service, bool) {
	if len(code) > 4*maxCode { // a code with room for blanks; callers type what they like
		return Service{}, false
	}
	i, ok := d.index[normal(code)]
	if !ok {
		return Service{}, false
	}
	return d.services[i], true
}

// Services returns all services in the order of the file. The slice is the
// directory's: it must not be changed.
func (d *Directory) Services() []Service { return d.services }

// normal returns the one way to write a code.
func normal(code string) string {
	return strings.Join(strings.Fields(strings.ToUpper(code)), " ")
}

// Load reads the file at path. Its errors are as those of config.Load.
func Load(path string) (*Directory, error) {
	data, err := tomlfile.Read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// An entry is a service as the file has it.
type entry struct {
	Code    string   `toml:"code"`
	Aliases []string `toml:"aliases"`
	Title   string   `toml:"title"`
	config.Route
}

// Parse is Load for data of the file called name.
func Parse(name string, data []byte) (*Directory, error) {
	var content struct {
		Services []entry `toml:"service"`
	}
	file, err := tomlfile.Decode(name, data, &content)
	if err != nil {
		return nil, err
	}
	d := &Directory{index: map[string]int{}}
	for i, e := range content.Services {
		e.CA = file.Path(e.CA)
		d.add(e, func(key, format string, args ...any) {
			file.Fault(fmt.Sprintf("service[%d].%s", i, key), format, args...)
		})
	}
	if err := file.Err(); err != nil {
		return nil, err
	}
	return d, nil
}

// add appends the service of e, and reports what is wrong with it to fault.
func (d *Directory) add(e entry, fault func(key, format string, args ...any)) {
	code := normal(e.Code)
	s := Service{Title: cmp.Or(e.Title, code), Route: e.Session(code)}
	for _, alias := range e.Aliases {
		s.Aliases = append(s.Aliases, normal(alias))
	}
	d.services = append(d.services, s)

	if code == "" {
		fault("code", `is missing (write code = "..." as people type it)`)
	} else if err := d.claim(code); err != nil {
		fault("code", "%v", err)
	}
	for _, alias := range s.Aliases {
		if err := d.claim(alias); err != nil {
			fault("aliases", "%v", err)
		}
	}
	if err := checkTitle(e.Title); err != nil {
		fault("title", "%v", err)
	}
	e.Check(fault)
}

// claim makes code, which may be an alias, lead to the service added last.
func (d *Directory) claim(code string) error {
	if !isCode(code) {
		return fmt.Errorf("%.40q is not a code (write 1 to %d of A to Z, 0 to 9, blank and .*-)", code, maxCode)
	}
	if _, taken := d.index[code]; taken {
		return fmt.Errorf("%q is taken already (a code or an alias names one service)", code)
	}
	d.index[code] = len(d.services) - 1
	return nil
}

func isCode(s string) bool {
	return s != "" && len(s) <= maxCode && !strings.ContainsFunc(s, func(c rune) bool {
		return !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(" .*-", c))
	})
}

// checkTitle wants characters that a terminal has, and no more than fit a line.
func checkTitle(title string) error {
	columns := 0
	for _, c := range title {
		shown := videotex.Encode(string(c))
		switch {
		case string(shown) == "?" && c != '?':
			return fmt.Errorf("%q cannot be shown on a Minitel (write French, without control characters)", c)
		case shown[0] == videotex.SS2: // a letter and its accent, or a sign of G2
			columns++
		default:
			columns += len(shown)
		}
	}
	if columns > maxTitle {
		return fmt.Errorf("is %d columns wide (%d fit)", columns, maxTitle)
	}
	return nil
}
