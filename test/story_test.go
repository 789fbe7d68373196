package test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/rogpeppe/go-internal/txtar"
)

// A story is a script being played.
type story struct {
	dir     string // the programs' working directory
	files   []txtar.File
	vars    map[string]string // by name, with the dollar
	running map[string]*gateway
	players map[string]*player
}

// A player is a server or a caller.
type player struct {
	name   string
	server *server // nil for a caller
	port   bool    // a PyMoIP server's command port
	conns  []*conn
}

// A verb is what a player can do.
type verb func(s *story, p *player, c *conn, args []string) error

// verbs of those who have a connection. They come after the player's name and
// perhaps the number of the connection.
var verbs = map[string]verb{
	"pings":  func(_ *story, _ *player, c *conn, _ []string) error { return c.ping() }, // and is answered
	"closes": closes,                                                                   // in good order, or with another status code
	"breaks": func(_ *story, _ *player, c *conn, _ []string) error { c.cut(); return nil },
	"ended":  ended,  // by the gateway, with that status code
	"floods": floods, // says something without end
}

// entrances are verbs of those who have no connection yet.
var entrances = map[string]verb{
	"listens": listens, // ws, telnet, tcp, with TLS wss, telnets, tcps; command is PyMoIP's command port
	"answers": answers, // the next call, perhaps with subprotocol=tty
	"rings":   rings,   // the next call comes, and is not answered
	"dies":    dies,    // with all its connections
	"returns": returns,
	"dials":   dials, // ws (as in ws/path?query), telnet, tcp, or http byte by byte; ws@second; ws://$teletel:8764/, or any URL; subprotocol=tty; deaf
}

// programs are those who are our program: a gateway, another one, and a portal
// alone.
var programs = []string{"gateway", "second", "teletel"}

// programVerbs are theirs.
var programVerbs = map[string]func(g *gateway, args []string) error{
	"stops": func(g *gateway, _ []string) error { return g.stop() }, // is told to
	"exits": func(g *gateway, how []string) error { return g.exit(how[0]) },
	"dies":  func(g *gateway, _ []string) error { g.kill(); return nil },
	"logs":  func(g *gateway, text []string) error { return g.log.hear(strings.Join(text, " ")) },
}

// tell plays the script of an archive, and its end.
func tell(t *testing.T, file string, archive *txtar.Archive) {
	s := &story{dir: t.TempDir(), vars: map[string]string{}, running: map[string]*gateway{}, players: map[string]*player{}}
	var script string
	for _, f := range archive.Files {
		if f.Name == "script" {
			script = string(f.Data)
		} else {
			s.files = append(s.files, f)
		}
	}
	defer s.cut()
	if at, err := s.play(script); err != nil {
		t.Errorf("%s:%d: %s\n%v\n", file, scriptLine(file, at), lineOf(script, at), err)
	} else if err := s.finish(); err != nil {
		t.Errorf("%s: after the end: %v", file, err)
	}
	if t.Failed() {
		for name, g := range s.running {
			t.Logf("%s said:\n%s", name, g.log.String())
		}
	}
}

// play plays a script, and returns the line that failed, from 0.
func (s *story) play(script string) (at int, err error) {
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' {
			if err := s.do(line); err != nil {
				return at, err
			}
		}
		at++
	}
	return at, nil
}

func lineOf(script string, at int) string {
	return strings.TrimSpace(strings.Split(script, "\n")[at])
}

// scriptLine returns the number in file, from 1, of a line of its script.
func scriptLine(file string, at int) int {
	data, _ := os.ReadFile(file)
	before, _, _ := bytes.Cut(data, []byte("-- script --\n"))
	return bytes.Count(before, []byte("\n")) + 2 + at
}

var (
	speech   = regexp.MustCompile(`^(\w+)(?: (\d+))?(?: \((\w+)\))?([<>])(?: (.*))?$`)
	variable = regexp.MustCompile(`\$\w+(\.\w+)?`)
)

// do plays one line.
func (s *story) do(line string) (err error) {
	line, err = s.expand(line)
	if err != nil {
		return err
	}
	if part := speech.FindStringSubmatch(line); part != nil {
		p, c, err := s.find(part[1], part[2])
		if err != nil {
			return err
		}
		if part[4] == ">" {
			return p.say(c, part[3], part[5])
		}
		return p.hear(c, part[3], part[5])
	}
	words := strings.Fields(line)
	if len(words) < 2 {
		return errors.New("this says nothing")
	}
	who, args := words[0], words[1:]
	if slices.Contains(programs, who) {
		return s.run(who, args)
	}
	if entrances[args[0]] != nil {
		p := s.players[who]
		if p == nil {
			p = &player{name: who}
			s.players[who] = p
		}
		return call(entrances, s, p, nil, args)
	}
	number := ""
	if _, err := strconv.Atoi(args[0]); err == nil && len(args) > 1 {
		number, args = args[0], args[1:]
	}
	p, c, err := s.find(who, number)
	if err != nil {
		return err
	}
	return call(verbs, s, p, c, args)
}

func call(verbs map[string]verb, s *story, p *player, c *conn, words []string) error {
	do := verbs[words[0]]
	if do == nil {
		return fmt.Errorf("%q is not a verb here", words[0])
	}
	return do(s, p, c, words[1:])
}

// expand replaces $name.
func (s *story) expand(text string) (string, error) {
	var err error
	text = variable.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := s.vars[name]
		if !ok {
			err = fmt.Errorf("%s is not known", name)
		}
		return value
	})
	return text, err
}

// find returns a player and one of its connections, the last without a number.
func (s *story) find(who, number string) (*player, *conn, error) {
	p := s.players[who]
	if p == nil {
		return nil, nil, fmt.Errorf("there is no %s", who)
	}
	n := len(p.conns)
	if number != "" {
		n, _ = strconv.Atoi(number)
	}
	if n < 1 || n > len(p.conns) {
		return nil, nil, fmt.Errorf("%s has no such connection", who)
	}
	return p, p.conns[n-1], nil
}

// manners are how something is said or heard: in frames of a kind, which to
// hear means one whole frame, or in fragments, at the places marked by a bar.
var manners = map[string]websocket.MessageType{
	"":          websocket.MessageText,
	"text":      websocket.MessageText,
	"binary":    websocket.MessageBinary,
	"fragments": websocket.MessageText,
}

func (p *player) say(c *conn, manner, text string) error {
	kind, ok := manners[manner]
	if !ok {
		return fmt.Errorf("%s is no manner", manner)
	}
	if p.port && manner == "" {
		kind = websocket.MessageBinary // as PyMoIP's server does
	}
	parts := []string{text}
	if manner == "fragments" {
		parts = strings.Split(text, "|")
	}
	var pieces [][]byte
	for _, part := range parts {
		piece, err := encode(part)
		if err != nil {
			return err
		}
		pieces = append(pieces, piece)
	}
	return c.say(kind, pieces...)
}

func (p *player) hear(c *conn, manner, text string) error {
	later, skip := strings.CutPrefix(text, "... ")
	want, err := encode(later)
	switch kind, ok := manners[manner]; {
	case err != nil:
		return err
	case len(want) == 0:
		return errors.New("what should be heard?")
	case !ok || manner == "fragments":
		return fmt.Errorf("%s is no manner to hear", manner)
	case p.port, manner != "":
		return c.hearFrame(kind, want)
	case skip:
		return c.hearLater(want)
	}
	return c.hear(want)
}

// run has a program do something.
func (s *story) run(who string, args []string) error {
	switch g := s.running[who]; {
	case args[0] == "starts":
		return s.start(who, args[1:])
	case args[0] == "resides": // at an address of its own
		s.vars["$"+who], _, _ = net.SplitHostPort(ownAddress())
		return nil
	case g == nil:
		return fmt.Errorf("%s does not run", who)
	case programVerbs[args[0]] == nil:
		return fmt.Errorf("%q is not a verb here", args[0])
	default:
		return programVerbs[args[0]](g, args[1:])
	}
}

func (s *story) start(who string, flags []string) (err error) {
	for _, f := range s.files {
		text, err := s.expand(string(f.Data))
		if err != nil {
			return err
		}
		if err := s.write(f.Name, []byte(text)); err != nil {
			return err
		}
	}
	s.running[who], err = start(s.dir, flags)
	return err
}

func (s *story) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(s.dir, name), data, 0o600)
}

func listens(s *story, p *player, _ *conn, args []string) error {
	p.server = &server{scheme: args[0], address: ownAddress()}
	switch args[0] {
	case "ws", "telnet", "tcp":
	case "command":
		p.server.scheme, p.port = "ws", true
	case "wss", "telnets", "tcps": // with an authority of its own, in name.pem
		config, authority, err := certify(p.server.address)
		if err != nil {
			return err
		}
		p.server.secure = config
		if err := s.write(p.name+".pem", authority); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is not a scheme", args[0])
	}
	if err := p.server.listen(); err != nil {
		return err
	}
	s.vars["$"+p.name] = p.server.url()
	return nil
}

func returns(_ *story, p *player, _ *conn, _ []string) error { return p.server.listen() }

func dies(_ *story, p *player, _ *conn, _ []string) error {
	p.server.leave()
	for _, c := range p.conns {
		c.cut()
	}
	return nil
}

func answers(_ *story, p *player, _ *conn, args []string) error {
	n, err := p.server.next()
	if err != nil {
		return err
	}
	var ws *websocket.Conn
	if p.server.scheme == "ws" || p.server.scheme == "wss" {
		if ws, err = accept(n, option(args, "subprotocol")); err != nil {
			n.Close()
			return err
		}
	}
	p.conns = append(p.conns, newConn(n, ws, false))
	return nil
}

func rings(_ *story, p *player, _ *conn, _ []string) error {
	n, err := p.server.next()
	if err != nil {
		return err
	}
	p.conns = append(p.conns, newConn(n, nil, false))
	return nil
}

func dials(s *story, p *player, _ *conn, args []string) error {
	scheme, address, path, err := s.door(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	own := n.LocalAddr().(*net.TCPAddr)
	s.vars["$"+p.name+".ip"], s.vars["$"+p.name+".port"] = own.IP.String(), strconv.Itoa(own.Port)
	var ws *websocket.Conn
	if scheme == "ws" {
		transport := &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return n, nil },
			DisableKeepAlives: true,
		}
		options := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}}
		if offer := option(args, "subprotocol"); offer != "" {
			options.Subprotocols = strings.Split(offer, ",")
		}
		if ws, _, err = websocket.Dial(ctx, "ws://"+address+"/"+path, options); err != nil {
			n.Close()
			return err
		}
		if got := ws.Subprotocol(); len(options.Subprotocols) > 0 && got == "" {
			err = errors.New("no subprotocol was chosen")
		}
	}
	p.conns = append(p.conns, newConn(n, ws, args[len(args)-1] == "deaf"))
	return err
}

// door returns what to dial for the first argument of dials.
func (s *story) door(at string) (scheme, address, path string, err error) {
	if scheme, rest, ok := strings.Cut(at, "://"); ok {
		address, path, _ = strings.Cut(rest, "/")
		return scheme, address, path, nil
	}
	scheme, path, _ = strings.Cut(at, "/")
	scheme, who, _ := strings.Cut(scheme, "@")
	g := s.running[cmp.Or(who, "gateway")]
	if g == nil || g.doors[scheme] == "" {
		return "", "", "", fmt.Errorf("%q does not listen for %s", who, scheme)
	}
	return scheme, g.doors[scheme], path, nil
}

// option returns the value of name=value among args.
func option(args []string, name string) string {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return value
		}
	}
	return ""
}

func statusCode(args []string) websocket.StatusCode {
	if len(args) == 0 {
		return websocket.StatusNormalClosure
	}
	code, _ := strconv.Atoi(args[0])
	return websocket.StatusCode(code)
}

func closes(_ *story, _ *player, c *conn, args []string) error { return c.close(statusCode(args)) }

func ended(_ *story, _ *player, c *conn, args []string) error { return c.ended(statusCode(args)) }

func floods(_ *story, _ *player, c *conn, _ []string) error {
	c.flood(bytes.Repeat([]byte("MINITEL "), 1<<10))
	return nil
}

// finish ends a story: the programs stop in good order, and have left nothing.
func (s *story) finish() error {
	if len(s.running) == 0 {
		return errors.New("there was no gateway")
	}
	for name, g := range s.running {
		if err := g.finish(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return s.clean()
}

// finish stops a program that has not yet, and looks at what it said.
func (g *gateway) finish() error {
	if g.running() {
		if err := g.stop(); err != nil {
			return err
		}
		if err := g.exit("0"); err != nil {
			return err
		}
	}
	for _, bad := range []string{"DATA RACE", "panic", "level=ERROR"} {
		if strings.Contains(g.log.String(), bad) {
			return fmt.Errorf("there was a %s", bad)
		}
	}
	return nil
}

// clean reports files that the story did not bring.
func (s *story) clean() error {
	brought := map[string]bool{}
	for _, f := range s.files {
		brought[f.Name] = true
	}
	for _, p := range s.players {
		brought[p.name+".pem"] = true
	}
	left, err := os.ReadDir(s.dir)
	for _, f := range left {
		if !brought[f.Name()] {
			return fmt.Errorf("%s was left", f.Name())
		}
	}
	return err
}

// cut ends all that the story has begun.
func (s *story) cut() {
	for _, g := range s.running {
		if g.running() {
			g.kill()
		}
	}
	for _, p := range s.players {
		if p.server != nil {
			p.server.leave()
		}
		for _, c := range p.conns {
			c.cut()
		}
	}
}
