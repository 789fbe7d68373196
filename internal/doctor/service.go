package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"moip/internal/session"
	"moip/internal/upstream"
	"moip/videotex"
)

const (
	serviceTime = 15 * time.Second        // for all of Service
	pageTime    = 4 * time.Second         // for the first page
	keyTime     = 1500 * time.Millisecond // for what a key does, or a ping
	keyStill    = 400 * time.Millisecond
	finTime     = 2 * time.Second
)

// offered are the subprotocols that services in the field know.
var offered = []string{"tty", "binary"}

// An examination finds out how a service is to be reached.
type examination struct {
	route  session.Route
	call   *call
	second bool // another connection was made already
	found  []Finding
	keys   []key // of the entry, beside code, title and url
	page   []string
	about  content
}

// A key is one that a directory's entry is to have.
type key struct {
	name, value string // the value in TOML
	why         string
	maybe       bool // it is for whoever writes the entry to decide
}

// Service looks at what is at a URL, as upstream.Check takes it, for 15 seconds at the
// most. It makes one connection, or two. It types the character A, Envoi before that if
// nothing else makes the service speak, and Connexion/Fin at the end.
func Service(ctx context.Context, url string) Report {
	ctx, cancel := context.WithTimeout(ctx, serviceTime)
	defer cancel()
	e := &examination{route: session.Route{Name: url, URL: url}}
	err := upstream.Check(e.route)
	if err == nil && !utf8.ValidString(url) { // no directory could have it
		err = errors.New("not all of it is text")
	}
	if err != nil {
		return Report{Findings: []Finding{problem("URL", "write ws://HOST:PORT/PATH, telnet://HOST:PORT or tcp://HOST:PORT, or with TLS wss://..., telnets://... or tcps://...", "%s", line(err.Error()))}}
	}
	e.look(ctx)
	r := Report{Findings: e.found, Page: e.page}
	for i, f := range r.Findings {
		r.Findings[i].Of, r.Findings[i].Found, r.Findings[i].Advice = line(f.Of), line(f.Found), line(f.Advice)
	}
	if !r.Bad() {
		r.Entry = e.entry()
	}
	return r
}

func (e *examination) tell(f ...Finding) { e.found = append(e.found, f...) }

// speaks reports whether the service is spoken with by ws, telnet or tcp, be it with TLS.
func (e *examination) speaks(protocol string) bool { return upstream.Protocol(e.route.URL) == protocol }

// look takes the steps one after the other, as long as the service is there.
func (e *examination) look(ctx context.Context) {
	if !e.reach(ctx) {
		return
	}
	e.wake(ctx)
	e.introduce()
	for _, step := range []func(context.Context){e.echo, e.ping, e.fin} {
		if e.call.over || e.call.floods || ctx.Err() != nil || (Report{Findings: e.found}).Bad() {
			break
		}
		step(ctx)
	}
	e.call.hangUp()
	e.offer(ctx)
}

// reach calls the service and waits for its first page. What a plain call does not
// get, one that offers subprotocols may, or one that speaks telnet.
func (e *examination) reach(ctx context.Context) bool {
	c, err := dial(ctx, e.route)
	if err == nil {
		c.listen(ctx, stillTime, pageTime)
	}
	switch {
	case err == nil && e.speaks("tcp") && len(c.commands()) > 0:
		c.hangUp()
		scheme, rest, _ := strings.Cut(e.route.URL, ":")
		telnet := "telnet" + scheme[len("tcp"):]
		e.tell(warning("telnet", fmt.Sprintf("write %s:// instead of %s://", telnet, scheme), "it speaks telnet: %s", strings.Join(c.commands(), ", ")))
		e.route.URL = telnet + ":" + rest
		return e.again(ctx)
	case err != nil && e.speaks("ws") && mayWantMore(c, err), err == nil && c.web && c.total == 0 && c.over:
		if c.peer != nil {
			c.hangUp()
		}
		if e.reachOffering(ctx) {
			return true
		}
	}
	e.call = c
	if err != nil {
		found, advice := trouble(err)
		e.tell(problem("answer", advice, "%s", found))
		return false
	}
	return true
}

// mayWantMore reports whether a WebSocket that has said no, or nothing, may only want
// to be offered subprotocols.
func mayWantMore(c *call, err error) bool {
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	return c.status >= 400 || c.status == 0 && (hungUp || errors.Is(err, context.DeadlineExceeded))
}

// again calls the service another time.
func (e *examination) again(ctx context.Context) bool {
	e.second = true
	c, err := dial(ctx, e.route)
	if err != nil {
		found, advice := trouble(err)
		e.tell(problem("answer", advice, "%s, when it is called again", found))
		return false
	}
	e.call = c
	c.listen(ctx, stillTime, pageTime)
	return true
}

// reachOffering calls the service with subprotocols, and reports whether it then
// speaks.
func (e *examination) reachOffering(ctx context.Context) bool {
	e.second = true
	r := e.route
	r.Subprotocols = offered
	c, err := dial(ctx, r)
	if err != nil {
		return false
	}
	c.listen(ctx, stillTime, pageTime)
	if c.total == 0 {
		c.hangUp()
		return false
	}
	e.call, e.route = c, r
	wanted := offered
	if slices.Contains(offered, c.agreed) {
		wanted = []string{c.agreed}
	}
	value := `["` + strings.Join(wanted, `", "`) + `"]`
	e.tell(good("subprotocols", "it answers only if some are offered; it picks %s", orNone(c.agreed)))
	e.keys = append(e.keys, key{name: "subprotocols", value: value, why: "without, it does not answer"})
	return true
}

func orNone(agreed string) string {
	if agreed == "" {
		return "none"
	}
	return fmt.Sprintf("%q", agreed)
}

// wake types Envoi if the service says nothing.
func (e *examination) wake(ctx context.Context) {
	if e.call.total > 0 || e.call.over {
		return
	}
	e.call.send([]byte{videotex.SEP, videotex.Envoi})
	e.call.listen(ctx, stillTime, pageTime)
	if e.call.total > 0 {
		e.keys = append(e.keys, key{name: "start", value: `"<Envoi>"`, why: "it waits for a key"})
	}
}

// introduce tells what the service is, by its first page.
func (e *examination) introduce() {
	c := e.call
	e.page, e.about = c.page(), about(c.data)
	accepted := c.accepted.Round(time.Millisecond)
	switch {
	case c.floods:
		e.tell(warning("answer", "a page of a Minitel has some hundred bytes: see what it sends", "accepts in %v, then sends %s without a pause", accepted, amount(uint64(c.total))))
	case c.total == 0 && c.over:
		e.tell(problem("answer", "look at its log: it may want an origin, a password or other callers", "accepts in %v, and hangs up at once: %s", accepted, c.end()))
	case c.total == 0:
		e.tell(warning("answer", "see whether it waits for something that a caller would know, or for TLS (wss, telnets, tcps)", "accepts in %v, and says nothing, not even to Envoi", accepted))
	case len(e.keys) > 0 && e.keys[len(e.keys)-1].name == "start":
		e.tell(good("answer", "accepts in %v, and says nothing until a key is typed", accepted))
	default:
		e.tell(good("answer", "accepts in %v, speaks %s: %d bytes until it pauses", accepted, later(c.first), c.total))
	}
	e.tell(c.certificates("certificate")...)
	e.tellWire()
	if c.total > 0 {
		e.tellContent()
	}
	if c.over && c.total > 0 {
		e.tell(warning("answer", "nobody can read a page that is gone: look at its log", "hangs up behind its first page: %s", c.end()))
	}
}

// later says how long after something d is.
func later(d time.Duration) string {
	if d = d.Round(time.Millisecond); d > 0 {
		return fmt.Sprintf("%v later", d)
	}
	return "at once"
}

// tellWire tells how the bytes of the service are wrapped.
func (e *examination) tellWire() {
	c := e.call
	texts, binaries := c.frames[opText].Load(), c.frames[opBinary].Load()
	said := c.commands()
	switch {
	case c.web && binaries == 0 && texts > 0:
		e.tell(good("frames", "it sends text"))
	case c.web && texts == 0 && binaries > 0:
		e.tell(good("frames", "it sends binary"))
	case c.web && texts+binaries > 0:
		e.tell(good("frames", "it sends text and binary"))
	case e.speaks("telnet") && len(said) > 0:
		e.tell(good("telnet", "it says %s", strings.Join(said, ", ")))
	case e.speaks("telnet"):
		e.tell(good("telnet", "it says nothing of telnet's; tcp would do, too"))
	}
}

func (e *examination) tellContent() {
	a := e.about
	const name = "content"
	how := "7 bits"
	switch {
	case a.parity:
		how = "7 bits with even parity"
	case a.utf8:
		how = "8 bits, UTF-8 by the look of it, which no Minitel knows"
	case a.eight:
		how = "8 bits"
	}
	clears := "it does not clear the screen first"
	if a.clears {
		clears = "it clears the screen"
	}
	switch a.kind {
	case teletel:
		e.tell(good(name, "%s, %s; %s", a.kind, how, clears))
	case viewdata:
		e.tell(good(name, "%s, %s; %s", a.kind, how, clears))
	case web:
		e.tell(problem(name, "name a port where a service is, or ws:// and the path of one", "%s: this is a web server", a.kind))
	case ssh:
		e.tell(problem(name, "name the port of a service", "%s: this is no service for a Minitel", a.kind))
	default:
		e.tell(warning(name, "a Minitel shows it, but not as it was meant", "%s, %s", a.kind, how))
	}
	if len(a.asks) > 0 {
		whom := ""
		if a.pymoip {
			whom = ", as PyMoIP's servers ask a gateway: it may be a portal, with a control link"
		}
		e.tell(good("questions", "it asks the terminal %s%s", strings.Join(a.asks, ", "), whom))
	}
}

// typed is the character that is typed to see whether it is shown.
const typed = 'A'

// echo types a character, and looks whether it is shown.
func (e *examination) echo(ctx context.Context) {
	c := e.call
	row, column, on := c.screen.Cursor()
	c.send([]byte{typed})
	came := c.listen(ctx, keyStill, keyTime)
	if binary, ok := c.peer.(interface{ SendBinary([]byte) bool }); ok && len(came) == 0 && !c.over && c.frames[opText].Load() == 0 {
		binary.SendBinary([]byte{typed}) // it may not hear the text frames that it does not send
		if came = c.listen(ctx, keyStill, keyTime); len(came) > 0 {
			e.tell(good("frames", "it hears nothing but binary ones"))
			e.keys = append(e.keys, key{name: "frames", value: `"binary"`, why: "it does not hear text"})
		}
	}
	const name = "echo"
	switch {
	case c.over:
		e.tell(warning(name, "look at its log", "it hangs up when %c is typed: %s", typed, c.end()))
	case e.echoed(came, row, column):
		e.tell(good(name, "it shows what is typed"))
	case len(came) > 0:
		e.tell(good(name, "it does something else when %c is typed", typed))
	default:
		e.tell(good(name, "it shows nothing of what is typed, here at least"))
		if on {
			e.keys = append(e.keys, key{name: "echo", value: "true", why: "if it never shows what is typed", maybe: true})
		}
	}
}

// echoed reports whether the character, or a dot or such in its place, was shown where
// the cursor was, or by itself elsewhere.
func (e *examination) echoed(came []byte, row, column int) bool {
	const short = 32 // bytes, in which there is no page
	if len(came) == 0 || len(came) > short {
		return false
	}
	var parser videotex.Parser
	for _, b := range came {
		if s := parser.Step(b & 0x7F); len(s) == 1 && (s[0] == typed || s[0] == typed|0x20) {
			return true
		}
	}
	at := e.call.screen.Cell(row, min(column, e.call.screen.Columns())).Rune()
	return at == '*' || at == '.'
}

// ping pings a WebSocket. There are services that hang up then.
func (e *examination) ping(ctx context.Context) {
	c := e.call
	peer, ok := c.peer.(interface{ Ping() })
	if !ok {
		return
	}
	const name = "pings"
	began := time.Now()
	peer.Ping()
	for time.Since(began) < keyTime && ctx.Err() == nil && !c.over {
		c.listen(ctx, keyTime, 20*time.Millisecond)
		select {
		case <-c.pong:
			e.tell(good(name, "it answers them%s", c.pings()))
			e.keys = append(e.keys, key{name: "ping", value: `"30s"`, why: "notices when it is gone", maybe: true})
			return
		default:
		}
	}
	if c.over {
		e.tell(warning(name, "leave ping out of its entry", "it hangs up when it is pinged: %s", c.end()))
		return
	}
	e.tell(good(name, "it does not answer them: leave ping out of its entry%s", c.pings()))
}

func (c *call) pings() string {
	if c.frames[opPing].Load() == 0 {
		return ""
	}
	return "; it pings, too"
}

// fin types Connexion/Fin in the forms there are until the service hangs up.
func (e *examination) fin(ctx context.Context) {
	c := e.call
	const name = "Connexion/Fin"
	c.send([]byte{videotex.SEP, videotex.ConnexionFin})
	came := c.reaction(ctx)
	switch {
	case c.over:
		e.tell(good(name, "it hangs up"))
		return
	case len(came) > 0:
		e.tell(good(name, "it does something, but does not hang up within %v", finTime))
		return
	}
	c.send([]byte{videotex.SEP, videotex.LineReleased})
	came = c.reaction(ctx)
	if c.over || len(came) > 0 {
		e.tell(good(name, "it hears SEP 5/9, not SEP 4/9"))
		e.keys = append(e.keys, key{name: "fin", value: `"59"`, why: "it does not hear SEP 4/9"})
		return
	}
	if ctx.Err() != nil {
		return
	}
	e.tell(good(name, "it does not hear it"))
	e.keys = append(e.keys, key{name: "fin", value: `"close"`, why: "it does not hear Connexion/Fin"})
}

// reaction returns what comes of Connexion/Fin. Who beeps does not know that key.
func (c *call) reaction(ctx context.Context) []byte {
	return bytes.Trim(c.listen(ctx, finTime, finTime), string(rune(videotex.BEL)))
}

// offer asks a WebSocket that does without subprotocols which it would pick.
func (e *examination) offer(ctx context.Context) {
	const name = "subprotocols"
	if !e.call.web || e.second || ctx.Err() != nil {
		return
	}
	r := e.route
	r.Subprotocols = offered
	c, err := dial(ctx, r)
	if err != nil {
		e.tell(good(name, "it needs none, and does not answer if %s are offered", strings.Join(offered, " and ")))
		return
	}
	c.hangUp()
	e.tell(good(name, "it needs none; of %s it picks %s", strings.Join(offered, " and "), orNone(c.agreed)))
}
