package test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"

	"moip/internal/bus/natstest"
	"moip/internal/testkit/freeport"
)

// secret stands in all URLs of TestSecrets, and nowhere else.
const secret = "Sesame-3615"

// secretive is a portal, its control link, a service and a place to import from, each of
// which knows by the secret who is let in.
type secretive struct {
	*httptest.Server
	orders sync.Once

	mu   sync.Mutex
	seen map[string]bool // paths that were asked for with the secret as password and in the query
}

// url returns the URL of what is there at a path.
func (s *secretive) url(scheme, path string) string {
	return scheme + "://user-" + secret + ":" + secret + "@" + s.Listener.Addr().String() + path + "?token=" + secret
}

func (s *secretive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	s.mu.Lock()
	again := s.seen[r.URL.Path]
	if password == secret && r.URL.Query().Get("token") == secret {
		s.seen[r.URL.Path] = true
	}
	s.mu.Unlock()
	switch {
	case r.URL.Path == "/list":
		fmt.Fprintln(w, `{"servers": [{"address": "ws://127.0.0.1:9/", "alias": "FOREIGN", "description": "Imported"}]}`)
		return
	case r.URL.Path == "/missing", r.URL.Path == "/link" && !again:
		http.Error(w, "nothing is at "+r.URL.String()+" for "+r.Header.Get("Authorization"), http.StatusNotFound)
		return
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	if r.URL.Path == "/link" {
		s.link(c)
		return
	}
	c.Write(context.Background(), websocket.MessageText, []byte("\x0cBonjour de "+r.URL.Path))
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return
		}
	}
}

// link has the first caller that it hears of sent to two places.
func (s *secretive) link(c *websocket.Conn) {
	for {
		_, p, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if words := strings.Split(string(p), ","); len(words) == 4 && strings.HasPrefix(words[0], "New") {
			s.orders.Do(func() {
				for i, order := range []string{s.url("wsss", "/nonsense"), s.url("ws", "/ordered")} {
					c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, "PID=%s,%d,CONNECT,%s,None,[]", words[3], i, order))
				}
			})
		}
	}
}

func (s *secretive) was(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[path]
}

// What is a secret in a URL is used, and shown nowhere: not to operators, of either role, not
// in logs, files, metrics and events, and not to the other gateways of a hub.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s := &secretive{seen: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	server := natstest.New(t, "")
	var said strings.Builder // on the bus
	var saying sync.Mutex
	ear, err := nats.Connect(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ear.Close)
	if _, err := ear.Subscribe(">", func(m *nats.Msg) {
		saying.Lock()
		defer saying.Unlock()
		fmt.Fprintf(&said, "%s\n%s\n", m.Subject, m.Data)
	}); err != nil {
		t.Fatal(err)
	}
	if err := ear.Flush(); err != nil {
		t.Fatal(err)
	}
	opens := func(name, config string) *gateway {
		dir := t.TempDir()
		for file, text := range map[string]string{
			"moip.toml": "listen = ['telnet://127.0.0.1:0']\nrecords = 'visits.jsonl'\nhistory.file = 'history.db'\nlog = 'server.log'\nlog_level = 'debug'\n" +
				"recordings = { folder = 'kept', calls = 'all' }\nbans.file = 'bans.json'\ncache = 'cache'\n" + config +
				"[cluster]\nnode = '" + name + "'\nurl = ['" + server.URL + "']\n",
			"services.toml": "[[service]]\ncode = 'BANQUE'\nurl = '" + s.url("ws", "/bank") + "'\nprobe = '10s'\n" +
				"[[service]]\ncode = 'FERME'\nurl = '" + strings.Replace(s.url("ws", "/"), s.Listener.Addr().String(), freeport.Addr(t), 1) + "'\nprobe = '10s'\n" +
				"[[import]]\nurl = '" + s.url("http", "/list") + "'\n[[import]]\nurl = '" + s.url("http", "/missing") + "'\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g, err := start(dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0", "--log", "server.log", "--records", "visits.jsonl", "--history", "history.db"})
		if err != nil {
			t.Fatalf("%v\n%s", err, &g.log)
		}
		t.Cleanup(g.kill)
		return g
	}
	inside := opens("inside", "directory = 'services.toml'\n")
	outside := opens("outside", "link = '"+s.url("ws", "/link")+"'\nportal = { url = '"+s.url("ws", "/portal")+"' }\n")

	shown := &shownTo{t, map[string]string{}}
	all := []*gateway{inside, outside}
	var followed []*log
	for _, g := range all {
		traced := ctlTraces(t, g, "127.0.0.0/8")
		if err := traced.hear("A trace shows"); err != nil {
			t.Fatal(err)
		}
		followed = append(followed, traced, streams(t, "http://"+g.doors["admin"]+"/api/v1/events"))
	}
	guest := arrives(t, inside)
	guest.sees("Passerelle en liaison")
	guest.types("ferme<Envoi>")
	guest.sees("FERME")
	guest.types("<Annulation>banque<Envoi>")
	guest.sees("Bonjour de /bank")
	other := arrives(t, outside)
	other.sees("Bonjour de /ordered")
	for _, g := range all {
		o := operator{t, g.doors["admin"]}
		o.does([]string{"recall", "1"})
		o.does([]string{"redirect", "1", s.url("ws", "/named")})
		for _, to := range []string{s.url("ws", "/x") + "#" + secret, "ws://me:" + secret + "/" + secret + "@h/", "ws://169.254.169.254/?x=" + secret} {
			out, err := exec.Command(program, "ctl", "--admin", g.doors["admin"], "redirect", "1", to).CombinedOutput()
			if err == nil {
				t.Errorf("a caller is redirected to %s", to)
			}
			shown.look("what a refused redirection says", string(out))
		}
	}
	guest.sees("Bonjour de /named")
	other.sees("Bonjour de /named")
	for _, path := range []string{"/bank", "/ordered", "/named", "/portal", "/link", "/list", "/missing"} {
		if !within(func() bool { return s.was(path) }) {
			t.Errorf("%s was never asked for with the secret", path)
		}
	}

	for i, g := range all {
		at := g.doors["admin"]
		for _, r := range routes(t) {
			if r.method == "GET" && !strings.HasSuffix(r.path, "/events") && !strings.HasSuffix(r.path, "/trace") {
				_, text := r.tries(t, at, "")
				shown.look(fmt.Sprintf("gateway %d: %s", i, r.path), text)
			}
		}
		for _, path := range []string{"/", "/nowhere?token=x"} {
			shown.look(path, fetchAny(t, "http://"+at+path))
		}
		for _, args := range []string{"calls", "call 1", "directory", "link", "config", "state", "gateways", "reload"} {
			out, _ := exec.Command(program, append([]string{"ctl", "--admin", at}, strings.Fields(args)...)...).CombinedOutput()
			shown.look("moip ctl "+args, string(out))
		}
		for _, args := range []string{"check-config moip.toml", "doctor --config moip.toml"} {
			command := exec.Command(program, strings.Fields(args)...)
			command.Dir = g.command.Dir
			out, _ := command.CombinedOutput()
			shown.look(fmt.Sprintf("gateway %d: moip %s", i, args), string(out))
		}
	}
	// Each place shows what it is about, so that it is known to have been looked at.
	shown.has("gateway 0: /api/v1/services", "/bank?token=...")
	shown.has("gateway 1: /api/v1/link", "/link?token=...")
	shown.has("gateway 1: /api/v1/config", "/portal?token=...")
	shown.has("moip ctl config", "/portal?token=...")
	shown.has("gateway 1: /api/v1/calls", "/named?token=...")
	shown.has("gateway 0: moip doctor --config moip.toml", "/missing?token=...")
	shown.has("gateway 1: moip doctor --config moip.toml", "/portal?token=...")
	guest.conn.Close()
	other.conn.Close()
	for i, l := range followed {
		if err := l.hear("ended"); err != nil {
			t.Error(err)
		}
		shown.look(fmt.Sprint("follower ", i), l.String())
		shown.has(fmt.Sprint("follower ", i), "/named?token=...")
	}
	for i, g := range all {
		where, said := fmt.Sprintf("gateway %d: moip ctl history", i), ""
		within(func() bool {
			out, err := exec.Command(program, "ctl", "--admin", g.doors["admin"], "--json", "history").CombinedOutput()
			said = string(out)
			return err != nil || strings.Contains(said, "gone")
		})
		shown.look(where, said)
		shown.has(where, "/named?token=...")
	}
	for i, g := range all {
		if err := g.finish(); err != nil {
			t.Error(err)
		}
		shown.look(fmt.Sprint("log ", i), g.log.String())
		shown.files(g.command.Dir, "moip.toml", "services.toml")
	}
	shown.has("server.log", "/link?token=...")
	shown.has("history.db", "/named?token=...")
	saying.Lock()
	defer saying.Unlock()
	shown.look("the bus", said.String())
	shown.has("the bus", "/named?token=...")
}

// shownTo is what was shown, by where.
type shownTo struct {
	*testing.T
	texts map[string]string
}

func (s *shownTo) look(where, text string) {
	s.Helper()
	s.texts[where] += text
	if i := strings.Index(text, secret); i >= 0 {
		s.Errorf("%s shows a secret: ...%s...", where, text[max(0, i-200):min(len(text), i+100)])
	}
}

func (s *shownTo) has(where, text string) {
	s.Helper()
	if !strings.Contains(s.texts[where], text) {
		s.Errorf("%s does not show %s: %.2000s", where, text, s.texts[where])
	}
}

// files looks into all files of a gateway but those that an operator has written.
func (s *shownTo) files(dir string, but ...string) {
	s.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, name := range but {
			if d.Name() == name {
				return nil
			}
		}
		data, err := os.ReadFile(path)
		s.look(d.Name(), string(data))
		return err
	})
	if err != nil {
		s.Error(err)
	}
}

// ctlTraces returns what moip ctl trace prints of calls.
func ctlTraces(t *testing.T, g *gateway, target string) *log {
	t.Helper()
	tracer := exec.Command(program, "ctl", "--admin", g.doors["admin"], "trace", target)
	out := &log{}
	tracer.Stdout, tracer.Stderr = out, out
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tracer.Process.Kill(); tracer.Wait() })
	return out
}

// streams returns what comes from a URL that has no end, until the test ends.
func streams(t *testing.T, url string) *log {
	t.Helper()
	w, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	out := &log{}
	var copying sync.WaitGroup
	copying.Go(func() { io.Copy(out, w.Body) })
	t.Cleanup(func() { w.Body.Close(); copying.Wait() })
	return out
}

// fetchAny returns the head and the body of an answer, whatever its status.
func fetchAny(t *testing.T, url string) string {
	t.Helper()
	w, err := (&http.Client{Timeout: patience}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(w.Status, w.Header, string(body))
}
