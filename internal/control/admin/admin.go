// Package admin is how operators see and steer a gateway: an HTTP API, which openapi.json
// describes, and its client for the command line.
//
// Who may ask, its Gate knows. Each operation says what role it needs.
package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moip/internal/control/admin/access"
	"moip/internal/control/cluster"
	"moip/internal/history"
	"moip/internal/memory"
	"moip/internal/policy/ban"
	"moip/internal/policy/limit"
	"moip/internal/policy/shield"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/trace"
	"moip/videotex"
)

// Options of the API.
type Options struct {
	Board *switchboard.Board

	// Route returns the way to a service, by the code or the URL that an operator
	// names.
	Route func(name string) (session.Route, error)

	// Services lists the services of the directory, Link tells of the control link to
	// the portal. Either is nil where there is none.
	Services func() []Service
	Link     func() Link

	// Hub knows the gateways of the hub, of which a gateway that is alone is the only one.
	Hub *cluster.Hub

	House      House
	Bans       *ban.List
	SharedBans func() (told, taken uint64) // how many changes of bans other gateways were told, and have told; nil if there are none
	Limits     *limit.Turnstile
	Shield     *shield.Shield

	// Memory says how much there is, nil where nobody looks.
	Memory func() memory.Usage

	// Shipping says how their records get to a stream, nil where they stay here.
	Shipping func() Shipping

	// History is of calls that have ended, nil where it is not kept.
	History *history.History

	// Level is the least that is logged.
	Level *slog.LevelVar

	// Console answers browsers with the operators' page, nil if there is none. The page
	// is the same everywhere, and tells nobody anything of this gateway.
	Console http.Handler

	// Gate knows who may ask. Without one, everybody may do everything who calls this
	// machine by a name or an address of the loopback.
	Gate *access.Gate

	// Unlogged says how many lines of the log are lost, nil where nobody counts.
	Unlogged func() uint64

	Events  *Events
	Metrics *Metrics
	Traces  *trace.Desk
	Log     *slog.Logger
}

//go:embed openapi.json
var openAPI []byte

// maxBody bounds what a request says that is no list of bans.
const maxBody = 64 << 10

// bounded has requests read as far as they may be long.
func bounded(next http.Handler) http.Handler {
	short, long := http.MaxBytesHandler(next, maxBody), http.MaxBytesHandler(next, maxImport)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == root+"/bans/import" {
			long.ServeHTTP(w, r)
		} else {
			short.ServeHTTP(w, r)
		}
	})
}

// writeTime is how long an answer may take that has an end, and its reader: a process that
// takes over (Upgrade) has a minute. What has no end counts anew for each word, see stream.
const writeTime = 90 * time.Second

// NewServer returns a server of the API. Its Shutdown waits for answers, but ends what has
// no end, as events.
func NewServer(o Options) *http.Server {
	if o.Gate == nil {
		o.Gate = access.New(access.Rules{Open: true}, o.Log)
	}
	open, shut := context.WithCancel(context.Background())
	s := &http.Server{
		BaseContext:       func(net.Listener) context.Context { return open },
		Handler:           bounded(newMux(o)),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      writeTime,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(shut)
	return s
}

// A desk is where requests are answered.
type desk struct{ Options }

// name returns what this gateway is called.
func (d desk) name() string {
	if d.Hub == nil {
		return ""
	}
	return d.Hub.Name()
}

// A handler returns what is told in JSON, nil for nothing, or content.
type handler func(*http.Request) (any, error)

// content is told as it is.
type content struct {
	kind string // its media type
	data []byte
}

// operations are what the API can do.
func (d desk) operations() map[string]handler {
	return map[string]handler{
		"GET /login":                    d.whoAmI,
		"GET /calls":                    d.list,
		"POST /calls/message":           d.messageAll,
		"GET /calls/{id}":               ofCall(d.one),
		"DELETE /calls/{id}":            ofCall(d.hangUp),
		"GET /calls/{id}/screen":        ofCall(d.screen),
		"POST /calls/{id}/message":      ofCall(d.message),
		"POST /calls/{id}/redirect":     ofCall(d.redirect),
		"POST /calls/{id}/recall":       ofCall(d.recall),
		"PUT /calls/{id}/recording":     ofCall(d.record),
		"GET /history":                  d.history,
		"GET /history/totals":           d.historyTotals,
		"GET /services":                 d.services,
		"GET /link":                     d.link,
		"GET /state":                    d.state,
		"GET /gateways":                 d.gateways,
		"DELETE /gateways/{name}":       d.forget,
		"GET /limits":                   d.limits,
		"GET /config":                   d.config,
		"POST /reload":                  d.reload,
		"POST /drain":                   d.drain,
		"POST /upgrade":                 d.upgrade,
		"GET /log-level":                d.level,
		"PUT /log-level":                d.setLevel,
		"GET /bans":                     d.listBans,
		"POST /bans":                    d.ban,
		"POST /bans/import":             d.importBans,
		"DELETE /bans/{network...}":     d.unban,
		"GET /shield":                   d.shield,
		"DELETE /shield/{household...}": d.forgive,
	}
}

// endpoints are all operations of this gateway, and what it tells without an end.
func (d desk) endpoints() map[string]http.Handler {
	all := map[string]http.Handler{
		"GET /calls/{id}/screen/live": http.HandlerFunc(d.watch),
		"GET /trace":                  http.HandlerFunc(d.trace),
		"GET /metrics":                http.HandlerFunc(d.metrics),
	}
	for pattern, h := range d.operations() {
		all[pattern] = h
	}
	return all
}

const root = "/api/v1"

// newMux has each request answered that the Gate lets in. One is let in from everywhere:
// whether the process is alive, of which whoever can connect knows as much anyway, and
// which is asked by what cannot have a token.
func newMux(o Options) http.Handler {
	mux, guarded, d := http.NewServeMux(), http.NewServeMux(), desk{o}
	handle := func(role access.Role, pattern string, h http.Handler) { guarded.Handle(pattern, o.Gate.For(role, h)) }
	api := func(pattern string, h http.Handler) {
		method, path, _ := strings.Cut(pattern, " ")
		handle(needs(method, path), method+" "+root+path, h)
	}
	for pattern, own := range d.endpoints() {
		api(pattern, d.reach(pattern, own))
	}
	api("GET /openapi.json", content{"application/json", openAPI})
	api("GET /events", o.Events)
	handle(access.Anyone, "POST "+root+"/login", http.HandlerFunc(d.login))
	handle(access.Anyone, "DELETE "+root+"/login", http.HandlerFunc(d.logout))
	handle(access.Look, "GET /metrics", http.HandlerFunc(d.metrics))
	handle(access.Look, "GET /readyz", http.HandlerFunc(d.ready))
	if o.Console != nil {
		handle(access.Anyone, "GET /", o.Console)
	}
	mux.Handle("/", o.Gate.Hosts(guarded))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	return mux
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	told, err := h(r)
	c, isContent := told.(content)
	switch {
	case err != nil:
		fail(w, status(err), err)
	case told == nil:
		w.WriteHeader(http.StatusNoContent)
	case isContent:
		c.ServeHTTP(w, r)
	default:
		answer(w, http.StatusOK, told)
	}
}

func (c content) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", c.kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(c.data)
}

// A fault is a request that cannot be understood.
type fault struct{ error }

func faulty(format string, a ...any) error { return fault{fmt.Errorf(format, a...)} }

// status is that of HTTP for an error.
func status(err error) int {
	var wrong fault
	var cannot conflict
	var no elsewhere
	switch {
	case errors.As(err, &no):
		return no.status
	case errors.Is(err, errOlder):
		return http.StatusNotImplemented
	case errors.As(err, new(absence)):
		return http.StatusServiceUnavailable
	case errors.As(err, &cannot):
		return http.StatusConflict
	case errors.Is(err, session.ErrForbidden):
		return http.StatusForbidden
	case errors.As(err, &wrong):
		return http.StatusBadRequest
	case errors.Is(err, switchboard.ErrUnknown), errors.Is(err, errNone), errors.Is(err, errNoHistory), errors.Is(err, ban.ErrNotBanned),
		errors.Is(err, shield.ErrUnknown), errors.Is(err, cluster.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, session.ErrBusy), errors.Is(err, session.ErrOver), errors.Is(err, session.ErrNoRecordings),
		errors.Is(err, ban.ErrNever), errors.Is(err, ban.ErrFull), errors.Is(err, trace.ErrFull), errors.Is(err, cluster.ErrHeard):
		return http.StatusConflict
	case errors.Is(err, history.ErrSlow), errors.Is(err, cluster.ErrUnheard):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// An Error is what is told of a request that fails.
type Error struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) { answer(w, status, Error{err.Error()}) }

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	lines := json.NewEncoder(w)
	lines.SetIndent("", "  ")
	lines.Encode(v) // whoever has left needs no answer
}

// read reads the JSON of a request.
func read(r *http.Request, v any) error {
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(v); err != nil {
		return faulty("the request is not as openapi.json has it: %w", err)
	}
	return nil
}

// ofCall is the handler of what is done with one call.
func ofCall(do func(session.ID, *http.Request) (any, error)) handler {
	return func(r *http.Request) (any, error) {
		id, err := callOf(r)
		if err != nil {
			return nil, err
		}
		return do(id, r)
	}
}

func callOf(r *http.Request) (session.ID, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, faulty("%.20q is not the number of a call", r.PathValue("id"))
	}
	return session.ID(id), nil
}

func (d desk) list(r *http.Request) (any, error) {
	wanted, err := filterOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	calls := Calls{Calls: []Call{}}
	for _, info := range d.Board.Calls() {
		if c := d.describe(info); wanted.has(info, c) {
			calls.Calls = append(calls.Calls, c)
		}
	}
	return calls, nil
}

func (d desk) one(id session.ID, _ *http.Request) (any, error) {
	info, err := d.Board.Info(id)
	if err != nil {
		return nil, err
	}
	return d.describe(info), nil
}

func (d desk) hangUp(id session.ID, _ *http.Request) (any, error) {
	return nil, d.Board.Hangup(id, session.ReasonRecalled)
}

// maxMessage is how many columns of row 00 are a message's.
const maxMessage = 33

func (d desk) text(r *http.Request) (string, error) {
	var m Message
	if err := read(r, &m); err != nil {
		return "", err
	}
	if n := videotex.Width(m.Text); n > maxMessage {
		return "", faulty("the message takes %d columns of row 00, which has %d", n, maxMessage)
	}
	return m.Text, nil
}

func (d desk) message(id session.ID, r *http.Request) (any, error) {
	text, err := d.text(r)
	if err != nil {
		return nil, err
	}
	return nil, d.Board.Message(id, text)
}

func (d desk) messageAll(r *http.Request) (any, error) {
	text, err := d.text(r)
	if err != nil {
		return nil, err
	}
	told := Told{}
	for _, info := range d.Board.Calls() {
		if d.Board.Message(info.ID, text) == nil {
			told.Told++
		}
	}
	return told, nil
}

func (d desk) redirect(id session.ID, r *http.Request) (any, error) {
	var to Redirection
	if err := read(r, &to); err != nil {
		return nil, err
	}
	route, err := d.Route(to.To)
	if d.Metrics.countForbidden(err) {
		return nil, err
	}
	if err != nil {
		return nil, fault{err}
	}
	return nil, d.Board.Redirect(id, route)
}

func (d desk) recall(id session.ID, _ *http.Request) (any, error) {
	return nil, d.Board.Recall(id)
}

func (d desk) record(id session.ID, r *http.Request) (any, error) {
	var wanted Recording
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	return nil, d.Board.Record(id, wanted.On)
}
