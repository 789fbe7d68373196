package admin

import (
	"errors"
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
