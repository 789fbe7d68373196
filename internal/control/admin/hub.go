package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/control/admin/access"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/tunnel"
	"moip/internal/session"
	"moip/internal/switchboard"
)

// Any gateway answers for its whole hub. Each operation knows of one gateway, as if there
// were no other. What is here finds out whose answer is wanted: this one's, another's, which
// is asked by a tunnel and whose answer is handed on, or all of them.

// Inside answers what other gateways ask of this one. Nobody but they must reach it: who
// they say that asks is believed.
func Inside(o Options) http.Handler {
	mux, d := http.NewServeMux(), desk{o}
	for pattern, own := range d.endpoints() {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+root+path, access.Vouched(needs(method, path), o.Log, own))
	}
	return mux
}

// reach has an operation of this gateway answered by whom it is meant for.
func (d desk) reach(pattern string, own http.Handler) http.Handler {
	switch all := d.everywhere()[pattern]; {
	case d.Hub == nil:
		return own
	case all != nil:
		return all
	case strings.Contains(pattern, "/calls/{id}"):
		return d.ofCaller(own)
	case pattern == "GET /trace":
		return d.ofTrace(own)
	case slices.Contains(ofOne, pattern):
		return d.ofGateway(own)
	}
	return own
}

// ofOne are the operations for which gateway=NAME names whose answer is wanted.
var ofOne = []string{
	"GET /state", "GET /limits", "GET /config", "POST /reload", "POST /drain", "POST /upgrade", "GET /log-level", "PUT /log-level",
	"GET /services", "GET /link", "GET /shield", "GET /metrics",
}

// ofGateway has a request answered by the gateway that it names.
func (d desk) ofGateway(own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, r := gatewayOf(r)
		if name == "" || name == d.Hub.Name() {
			own.ServeHTTP(w, r)
			return
		}
		to, err := d.instances(name)
		if err != nil {
			fail(w, status(err), err)
			return
		}
		d.forward(w, r, to[0], r.URL)
	})
}

// gatewayOf returns the gateway that a request names, and the request without it.
func gatewayOf(r *http.Request) (string, *http.Request) {
	q := r.URL.Query()
	if !q.Has("gateway") {
		return "", r
	}
	name := q.Get("gateway")
	q.Del("gateway")
	same, at := *r, *r.URL
	at.RawQuery = q.Encode()
	same.URL = &at
	return name, &same
}

// ofCaller has a request answered by the gateway that has the call it is about.
func (d desk) ofCaller(own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told := r.PathValue("id")
		name, r := gatewayOf(r)
		name, id, err := d.callNamed(name, told)
		var to *cluster.Seen
		if err == nil {
			to, err = d.keeper(r, name, id)
		}
		switch number := strconv.FormatUint(uint64(id), 10); {
		case err != nil:
			fail(w, status(err), err)
		case to == nil:
			r.SetPathValue("id", number)
			own.ServeHTTP(w, r)
		default:
			at := *r.URL
			at.Path, at.RawPath = root+"/calls/"+number+strings.TrimPrefix(at.Path, root+"/calls/"+told), ""
			d.forward(w, r, *to, &at)
		}
	})
}

// callNamed reads how a call is called across the hub: paris-42, or 42 of a gateway, "" for
// this one.
func (d desk) callNamed(gateway, text string) (string, session.ID, error) {
	name, number := cmp.Or(gateway, d.Hub.Name()), text
	if dash := strings.LastIndexByte(text, '-'); dash >= 0 {
		name, number = text[:dash], text[dash+1:]
	}
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil || name == "" {
		return "", 0, faulty("%.60q is no call (write its number, or as in %s-42 its gateway's name before)", text, d.Hub.Name())
	}
	return name, session.ID(id), nil
}

// keeper returns the gateway that has a call, nil for this one. Of one name there may be
// several: one that runs, and those before it, whose calls are not over.
func (d desk) keeper(r *http.Request, name string, id session.ID) (*cluster.Seen, error) {
	own := name == d.Hub.Name()
	if own {
		if _, err := d.Board.Info(id); err == nil {
			return nil, nil
		}
	}
	all, err := d.instances(name)
	switch {
	case own && err != nil:
		return nil, nil // there is no other, and the call not known
	case err != nil:
		return nil, err
	case len(all) == 1:
		return &all[0], nil
	}
	missing := error(switchboard.ErrUnknown)
	at := &url.URL{Path: fmt.Sprintf("%s/calls/%d", root, id)}
	for _, g := range all {
		ctx, stop := context.WithTimeout(r.Context(), gatherTime)
		w, err := d.ask(ctx, r, http.MethodGet, g, at, nil)
		stop()
		if err != nil {
			missing = err
			continue
		}
		w.Body.Close()
		if w.StatusCode == http.StatusOK {
			return &g, nil
		}
	}
	return nil, missing
}

// ofTrace has a trace told by the gateway whose calls are traced.
func (d desk) ofTrace(own http.Handler) http.Handler {
	return d.ofGateway(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		name, id, err := d.callNamed("", q.Get("of"))
		if err != nil || !strings.Contains(q.Get("of"), "-") {
			own.ServeHTTP(w, r) // of an address, or a number of ours
			return
		}
		to, err := d.keeper(r, name, id)
		if err != nil {
			fail(w, status(err), err)
			return
		}
		q.Set("of", strconv.FormatUint(uint64(id), 10))
		at := *r.URL
		at.RawQuery = q.Encode()
		if to != nil {
			d.forward(w, r, *to, &at)
			return
		}
		same := *r
		same.URL = &at
		own.ServeHTTP(w, &same)
	}))
}

// An absence is why a gateway has not answered.
type absence struct {
	of  cluster.Seen
	why error
}

func (a absence) Error() string {
	told := a.of.Name + ": " + a.why.Error()
	if a.of.Silent {
		told += fmt.Sprintf(" (last heard of %s; calls then: %d)", a.of.Heard.UTC().Format(time.RFC3339), a.of.Calls)
	}
	return told
}

func (a absence) Unwrap() error { return a.why }

// missing tells of an absence.
func (a absence) missing() Missing {
	return Missing{Gateway: a.of.Name, Since: a.of.Heard.UTC(), Why: a.why.Error(), Calls: a.of.Calls}
}

// silence is the absence of one who is not heard.
func silence(g cluster.Seen) absence { return absence{g, errSilent} }

var errSilent = errors.New("it is silent")

// An elsewhere is what another gateway has answered that was no answer.
type elsewhere struct {
	status int
	text   string
}

func (r elsewhere) Error() string { return r.text }

// errOlder is of a gateway that does not know an operation.
var errOlder = errors.New("upgrade it")

// instances returns the other gateways that are heard of one name, the newest first. There
// is one, or an error says why not.
func (d desk) instances(name string) (heard []cluster.Seen, err error) {
	for _, g := range d.Hub.Of(name) {
		switch {
		case g.Self:
		case !g.Silent:
			heard = append(heard, g)
		case err == nil:
			err = silence(g)
		}
	}
	switch {
	case len(heard) > 0:
		return heard, nil
	case err != nil:
		return nil, err
	}
	var names []string
	for _, g := range d.Hub.Gateways() {
		names = append(names, g.Name)
	}
	unknown := cluster.ErrUnknown
	if !d.Hub.Settled() {
		unknown = cluster.ErrUnheard
	}
	return nil, fmt.Errorf("%.60q: %w (there are: %s)", name, unknown, strings.Join(slices.Compact(names), ", "))
}

// ask asks another gateway. Its answer is an HTTP one of any status; if there is none, the
// error is an absence.
func (d desk) ask(ctx context.Context, r *http.Request, method string, to cluster.Seen, at *url.URL, body io.Reader) (*http.Response, error) {
	there := url.URL{Scheme: "http", Host: tunnel.Host(to.Name, to.Instance), Path: at.Path, RawQuery: at.RawQuery}
	asks, err := http.NewRequestWithContext(ctx, method, there.String(), body)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Accept", "Content-Type", "Last-Event-ID"} {
		if v := r.Header.Get(name); v != "" {
			asks.Header.Set(name, v)
		}
	}
	access.Vouch(asks.Header, access.Of(r), d.Hub.Name())
	w, err := tunnel.Transport{Bus: d.Hub.Bus()}.RoundTrip(asks)
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, faulty("the request is not as openapi.json has it: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, absence{to, errors.New("it has not answered in time")}
	case err != nil:
		return nil, absence{to, err}
	}
	kind, _, _ := mime.ParseMediaType(w.Header.Get("Content-Type"))
	if (w.StatusCode == http.StatusNotFound || w.StatusCode == http.StatusMethodNotAllowed) && kind != "application/json" {
		w.Body.Close()
		return nil, absence{to, fmt.Errorf("it runs MoIP %s, which does not know how to %s %s: %w", to.Version, method, strings.TrimPrefix(at.Path, root), errOlder)}
	}
	return w, nil
}

// forward hands a request on to another gateway, and back what that answers.
func (d desk) forward(w http.ResponseWriter, r *http.Request, to cluster.Seen, at *url.URL) {
	told, err := d.ask(r.Context(), r, r.Method, to, at, r.Body)
	if err != nil {
		fail(w, status(err), err)
		return
	}
	defer told.Body.Close()
	for name, values := range told.Header {
		w.Header()[name] = values
	}
	if told.Header.Get("Content-Type") == eventStream {
		relay(w, told.Body)
		return
	}
	w.WriteHeader(told.StatusCode)
	if _, err := io.Copy(w, told.Body); err != nil {
		panic(http.ErrAbortHandler) // what was begun cannot be unsaid, nor does it look whole
	}
}

// relay tells a reader of what happens elsewhere.
func relay(w http.ResponseWriter, from io.Reader) {
	s, buffer := newStream(w), make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !s.write("%s", buffer[:n]) || err != nil {
			return
		}
	}
}

const (
	// gatherTime is how long is waited for the gateways of a hub that are asked for a list.
	gatherTime = 2 * time.Second
	// searchTime is that for what has to be looked for on a disk.
	searchTime = 6 * time.Second
	// maxGathered bounds the answer of each: 100,000 calls take 27 MB.
	maxGathered = 64 << 20
)

// Asked says whom of a hub an answer is of. A gateway that is alone says nothing.
type Asked struct {
	Gateways []string  `json:"gateways,omitempty"` // who has answered, by name
	Missing  []Missing `json:"missing,omitempty"`  // and who has not
}

// Missing tells of a gateway that has not answered.
type Missing struct {
	Gateway string    `json:"gateway"`
	Since   time.Time `json:"since"` // last heard of
	Why     string    `json:"why"`
	Calls   int       `json:"calls"` // that it had then
}

// A round asks some gateways of a hub, this one among them or not.
type round struct {
	desk
	r      *http.Request // that is asked, which names no gateway any more
	body   []byte
	named  bool // only those by one name
	self   bool
	others []cluster.Seen
	Asked
}

// round returns the round that a request wants: of all gateways, or of those by one name.
func (d desk) round(r *http.Request) (*round, error) {
	name, r := gatewayOf(r)
	a := &round{desk: d, r: r, named: name != ""}
	for _, g := range d.Hub.Gateways() {
		switch {
		case name != "" && g.Name != name:
		case g.Self:
			a.self = true
		case !g.Silent:
			a.others = append(a.others, g)
		default:
			a.Missing = append(a.Missing, silence(g).missing())
		}
	}
	if !a.self && len(a.others) == 0 {
		_, err := d.instances(name) // which says what is wrong with it
		return a, err
	}
	if r.Method == http.MethodGet {
		return a, nil
	}
	var err error
	if a.body, err = io.ReadAll(r.Body); err != nil {
		return a, faulty("the request is not as openapi.json has it: %w", err)
	}
	return a, nil
}

// own has this gateway's handler asked.
func (a *round) own(h handler) (any, error) {
	r := *a.r
	if a.body != nil {
		r.Body = io.NopCloser(bytes.NewReader(a.body))
	}
	return h(&r)
}

// gather asks all gateways of a round at once, and has each answer added by its gateway's
// name. It waits for the others for some time; who has not answered is missing. The error
// is that of a request that is wrong, or of the only gateway that was to answer.
func gather[T any](a *round, own handler, within time.Duration, add func(gateway string, told T)) error {
	type share struct {
		of   cluster.Seen
		told T
		err  error
	}
	shares := make(chan share, len(a.others))
	ctx, stop := context.WithTimeout(a.r.Context(), within)
	defer stop()
	for _, g := range a.others {
		go func() {
			s := share{of: g}
			s.err = a.from(ctx, g, &s.told)
			shares <- s
		}()
	}
	var wrong, last error
	if a.self {
		told, err := a.own(own)
		switch {
		case err == nil:
			add(a.Hub.Name(), told.(T))
			a.Gateways = append(a.Gateways, a.Hub.Name())
		case len(a.others)+len(a.Missing) == 0 || status(err) == http.StatusBadRequest:
			wrong = err
		default:
			last = err
			a.Missing = append(a.Missing, Missing{Gateway: a.Hub.Name(), Since: time.Now().UTC(), Why: err.Error()})
		}
	}
	if wrong != nil {
		stop()
	}
	for range a.others {
		s := <-shares
		last = cmp.Or(s.err, last)
		var gone absence
		switch {
		case s.err == nil:
			add(s.of.Name, s.told)
			a.Gateways = append(a.Gateways, s.of.Name)
		case errors.As(s.err, &gone):
			a.Missing = append(a.Missing, gone.missing())
		default:
			a.Missing = append(a.Missing, absence{s.of, s.err}.missing())
		}
	}
	a.sum()
	if a.named && len(a.Gateways) == 0 && wrong == nil {
		wrong = last
	}
	return wrong
}

// sum has who was asked in order. Who is alone is not told of.
func (a *round) sum() {
	slices.Sort(a.Gateways)
	a.Gateways = slices.Compact(a.Gateways) // of one name there may be several
	slices.SortFunc(a.Missing, func(x, y Missing) int { return cmp.Compare(x.Gateway, y.Gateway) })
	if len(a.others)+len(a.Missing) == 0 {
		a.Gateways = nil
	}
}

// from asks one gateway of a round.
func (a *round) from(ctx context.Context, g cluster.Seen, told any) error {
	w, err := a.ask(ctx, a.r, a.r.Method, g, a.r.URL, bytes.NewReader(a.body))
	if err != nil {
		return err
	}
	defer w.Body.Close()
	body := json.NewDecoder(io.LimitReader(w.Body, maxGathered))
	if w.StatusCode >= 300 {
		var no Error
		if body.Decode(&no) != nil || no.Error == "" {
			no.Error = "it answers " + w.Status
		}
		return elsewhere{w.StatusCode, no.Error}
	}
	switch err := body.Decode(told); {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("it has not answered in time")
	case err != nil:
		return fmt.Errorf("its answer is not understood: %w", err)
	}
	return nil
}
