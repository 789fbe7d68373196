package admin

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// errNone refuses to tell of what this gateway has not.
var errNone = errors.New("this gateway has none: its portal is inside, or has no link")

// Services are those of the directory, in the order of their codes.
type Services struct {
	Services []Service `json:"services"`
}

// A Service is one of them.
type Service struct {
	Code     string    `json:"code"`
	Title    string    `json:"title"`
	Category string    `json:"category"`
	URL      string    `json:"url"` // without name and password
	Palier   string    `json:"palier,omitempty"`
	State    string    `json:"state"`            // open, closed or unknown
	Since    time.Time `json:"since,omitzero"`   // that it is so
	Error    string    `json:"error,omitempty"`  // why it is closed
	Found    time.Time `json:"found,omitzero"`   // when it was last tried or called
	By       string    `json:"by,omitempty"`     // the gateway that has found it so; not there for one that is alone
	Record   bool      `json:"record,omitempty"` // visits are recorded
}

// A Link is the control link to the portal.
type Link struct {
	URL   string    `json:"url"` // without name and password
	Up    bool      `json:"up"`
	Since time.Time `json:"since"` // that it is so
}

// A Level is the least that is logged: debug, info, warn or error.
type Level struct {
	Level string `json:"level"`
}

// A House is what is steered as a whole.
type House interface {
	State() State
	Settings() Settings

	// Reload reads the configuration anew. Its error says where that is wrong; nothing
	// has changed then.
	Reload() (Reloaded, error)

	// Drain takes no more calls, and ends the gateway when the last is over, or after
	// some time. Upgrade has another process take all calls from now on. Either fails if
	// the gateway is leaving already.
	Drain(within time.Duration) error
	Upgrade() (Upgraded, error)
}

// A State is how a gateway is.
type State struct {
	State   string    `json:"state"` // running, draining, replaced or stopping
	Ready   bool      `json:"ready"` // for calls
	Why     string    `json:"why,omitempty"`
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Calls   int       `json:"calls"`
	Portal  string    `json:"portal"`

	Bus          *Bus          `json:"bus,omitempty"` // not there for a gateway that is alone
	Certificates []Certificate `json:"certificates,omitempty"`
}

// A Certificate is one that the gateway shows, or is to be given.
type Certificate struct {
	Name  string    `json:"name"`           // the first that it is for
	From  string    `json:"from"`           // its file, or the authority
	Until time.Time `json:"until,omitzero"` // zero while there is none
	Error string    `json:"error,omitempty"`
}

// Settings are what is in force of the configuration, without names and passwords.
type Settings struct {
	File     string         `json:"file,omitempty"`
	Settings map[string]any `json:"settings"`
}

// Reloaded says which keys of the configuration have changed, and which differ from what
// is in force, and cannot change before the next Upgrade.
type Reloaded struct {
	Changed []string `json:"changed"`
	Left    []string `json:"left"`
}

// A Draining says how long calls may go on.
type Draining struct {
	For string `json:"for"` // as 5m, 90s
}

// Upgraded names the process that takes calls now.
type Upgraded struct {
	Process int `json:"process"`
}

func (d desk) state(*http.Request) (any, error) {
	s := d.House.State()
	s.Bus = d.bus()
	return s, nil
}

// ready tells a load balancer whether calls may come.
func (d desk) ready(w http.ResponseWriter, _ *http.Request) {
	s := d.House.State()
	if !s.Ready {
		http.Error(w, s.Why, http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ready\n")
}

func (d desk) config(*http.Request) (any, error) { return d.House.Settings(), nil }

func (d desk) reload(*http.Request) (any, error) {
	told, err := d.House.Reload()
	if err != nil {
		return nil, fault{err}
	}
	return told, nil
}

func (d desk) drain(r *http.Request) (any, error) {
	var wanted Draining
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	within, err := parseSpan(wanted.For)
	if err != nil || within < 0 || within > maxDrain {
		return nil, faulty("%.20q is not how long calls may go on (write 5m, or 0; %v at the most)", wanted.For, maxDrain)
	}
	if err := d.House.Drain(within); err != nil {
		return nil, conflict{err}
	}
	return nil, nil
}

// maxDrain is the longest that calls may go on.
const maxDrain = 168 * time.Hour

func (d desk) upgrade(*http.Request) (any, error) {
	told, err := d.House.Upgrade()
	if err != nil {
		return nil, conflict{err}
	}
	return told, nil
}

// A conflict is what cannot be done as things stand.
type conflict struct{ error }

func (d desk) services(*http.Request) (any, error) {
	if d.Services == nil {
		return nil, errNone
	}
	return Services{d.Services()}, nil
}

func (d desk) link(*http.Request) (any, error) {
	if d.Link == nil {
		return nil, errNone
	}
	return d.Link(), nil
}

func (d desk) level(*http.Request) (any, error) {
	text, err := d.Level.MarshalText()
	return Level{strings.ToLower(string(text))}, err
}

func (d desk) setLevel(r *http.Request) (any, error) {
	var wanted Level
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(wanted.Level)); err != nil {
		return nil, faulty("%.20q is no level (use debug, info, warn or error)", wanted.Level)
	}
	d.Log.Info("log level", "was", d.Options.Level.Level(), "is", level)
	d.Options.Level.Set(level)
	return nil, nil
}
