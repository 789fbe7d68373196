package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	fullToken  = "full-0123456789abcdefghijkl"
	lookToken  = "look-0123456789abcdefghijkl"
	otherToken = "other-0123456789abcdefghijk"
)

// guarded starts a gateway that operators reach from elsewhere, if they have a token.
func guarded(t *testing.T) (g *gateway, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"full.token": fullToken + "\n", "look.token": "# the museum's screen\n" + lookToken + "\n",
		"moip.toml": "listen = ['tcp://127.0.0.1:0']\nadmin = '0.0.0.0:0'\nadmin_plain = true\nadmin_hosts = ['hub.example']\n" +
			"admin_token_file = 'full.token'\nadmin_look_token_file = 'look.token'\n[bans]\nfile = 'none'\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := start(dir, []string{"--config", "moip.toml", "--history", "history.db", "--admin", "0.0.0.0:0"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &g.log)
	}
	t.Cleanup(g.kill)
	_, port, err := net.SplitHostPort(g.doors["admin"])
	if err != nil {
		t.Fatal(err)
	}
	g.doors["admin"] = net.JoinHostPort("127.0.0.1", port)
	return g, dir
}

// abroad returns an address of this machine that is not its loopback's, where the
// operators' port is; one of the loopback if it has none.
func abroad(t *testing.T, g *gateway) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(g.doors["admin"])
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return net.JoinHostPort(n.IP.String(), port)
		}
	}
	return g.doors["admin"]
}

// A request is one of the API, as its description has it.
type request struct {
	method, path string
	statuses     []string // that it may be answered with
	role         string   // that it needs, "" for none
}

// routes returns all that the API describes, and what is beside it.
func routes(t *testing.T) (all []request) {
	t.Helper()
	data, err := os.ReadFile("../internal/control/admin/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{id}", "1", "{network}", "192.0.2.0%2F24", "{household}", "192.0.2.1", "{name}", "rome")
	for path, methods := range doc.Paths {
		if path = fill.Replace(path); strings.Contains(path, "{") {
			t.Errorf("what may stand in %s is not known here", path)
		}
		for method, op := range methods {
			r := request{strings.ToUpper(method), "/api/v1" + path, slices.Collect(maps.Keys(op.Responses)), ""}
			for _, one := range op.Security {
				if len(one["token"]) > 0 {
					r.role = one["token"][0]
				}
			}
			all = append(all, r)
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d requests are described", len(all))
	}
	for _, path := range []string{"/metrics", "/readyz", "/api/v1/openapi.json"} {
		all = append(all, request{"GET", path, []string{"200"}, "look"})
	}
	return all
}

// bodies are what requests say that are told something.
var bodies = map[string]string{
	"POST /api/v1/login": `{"token":"` + fullToken + `"}`, "POST /api/v1/calls/message": `{"text":"x"}`, "POST /api/v1/calls/1/message": `{"text":"x"}`,
	"POST /api/v1/calls/1/redirect": `{"to":"ECHO"}`, "PUT /api/v1/calls/1/recording": `{"on":true}`, "PUT /api/v1/log-level": `{"level":"warn"}`,
	"POST /api/v1/drain": `{"for":"1h"}`, "POST /api/v1/bans": `{"network":"192.0.2.0/24"}`, "POST /api/v1/bans/import": `{"bans":[{"network":"192.0.2.0/24"}]}`,
}

// tries makes a request, with headers in pairs, from an address of the loopback if one is
// given. What has no end is cut at the first of it.
func (r request) tries(t *testing.T, at, from string, headers ...string) (status int, text string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	q, err := http.NewRequestWithContext(ctx, r.method, "http://"+at+r.path, strings.NewReader(bodies[r.method+" "+r.path]))
	if err != nil {
		t.Fatal(err)
	}
	for ; len(headers) > 0; headers = headers[2:] {
		if headers[0] == "Host" {
			q.Host = headers[1]
		} else {
			q.Header.Set(headers[0], headers[1])
		}
	}
	dialer := net.Dialer{}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	w, err := client.Do(q)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer w.Body.Close()
	if strings.HasPrefix(w.Header.Get("Content-Type"), "text/event-stream") {
		return w.StatusCode, "a stream"
	}
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(body)
}

// refused expects that a request is answered with a status and an error, and nothing else.
func (r request) refused(t *testing.T, want int, at, from string, headers ...string) {
	t.Helper()
	status, text := r.tries(t, at, from, headers...)
	var told map[string]string
	if err := json.Unmarshal([]byte(text), &told); status != want || err != nil || len(told) != 1 || told["error"] == "" {
		t.Errorf("%s %s, %v: %d %.200s, want %d", r.method, r.path, headers, status, text, want)
	}
}

// Whoever is not an operator gets nowhere by any route of the API, and operators get where
// their token leads.
func TestAccess(t *testing.T) {
	t.Parallel()
	g, _ := guarded(t)
	local, remote := g.doors["admin"], abroad(t, g)
	calls(t, g.doors["tcp"], "127.0.0.1")
	calls(t, g.doors["tcp"], "127.0.0.1") // for which the gateway stays, to the end
	full, look := []string{"Authorization", "Bearer " + fullToken}, []string{"Authorization", "Bearer " + lookToken}
	with := func(known []string, headers ...string) []string { return slices.Concat(known, headers) }
	all := routes(t)
	for i, r := range all {
		safe := r.method == "GET"
		if r.role != "" {
			own := fmt.Sprintf("127.1.0.%d", i+1) // whose wrong tokens nobody else pays for
			r.refused(t, 401, remote, "")
			r.refused(t, 401, remote, "", "Authorization", "Basic "+fullToken)
			r.refused(t, 401, remote, "", "Cookie", "moip-8999="+fullToken)
			r.refused(t, 401, remote, "", "X-Forwarded-For", "127.0.0.1")
			r.refused(t, 401, local, "")
			r.refused(t, 401, local, own, "Authorization", "Bearer "+otherToken)
			r.refused(t, 401, local, own, "Authorization", "Bearer "+fullToken[:20])
		}
		if r.role == "full" {
			r.refused(t, 403, remote, "", look...)
		}
		r.refused(t, 421, remote, "", with(full, "Host", "minitel.example")...)
		r.refused(t, 421, local, "", with(full, "Host", "127.0.0.1.minitel.example:8999")...)
		for _, foreign := range [][]string{{"Origin", "https://minitel.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			r.refused(t, 403, remote, "", with(full, foreign...)...)
		}
		if safe {
			r.method = "HEAD" // which is told nothing either
			if status, _ := r.tries(t, remote, ""); status != 401 {
				t.Errorf("HEAD %s without a token: %d", r.path, status)
			}
		}
	}

	// Nothing was done.
	asks := func(path string) string {
		t.Helper()
		status, text := request{method: "GET", path: "/api/v1" + path}.tries(t, remote, "", full...)
		if status != 200 {
			t.Errorf("%s: %d %s", path, status, text)
		}
		return text
	}
	for path, want := range map[string]string{
		"/calls/1": `"state": "at portal"`, "/log-level": `"level": "debug"`, "/bans": `"bans": []`, "/state": `"state": "running"`, "/login": `"by": "token"`,
	} {
		if text := asks(path); !strings.Contains(text, want) || path == "/calls/1" && strings.Contains(text, `"recorded": true`) {
			t.Errorf("%s tells %s", path, text)
		}
	}
	if text := asks("/config"); strings.Contains(text, fullToken) || !strings.Contains(text, `"full.token"`) {
		t.Errorf("the configuration in force is %s", text)
	}

	// What tells nothing is for everybody.
	for _, path := range []string{"/healthz", "/", "/console/login.js"} {
		if status, _ := (request{method: "GET", path: path}).tries(t, remote, ""); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := (request{method: "GET", path: "/healthz"}).tries(t, remote, "", "Host", "minitel.example"); status != 200 {
		t.Errorf("/healthz by another name: %d", status)
	}

	// With the right token all goes its way; what ends the gateway comes last.
	slices.SortFunc(all, func(a, b request) int {
		order := func(r request) int {
			return slices.Index([]string{"GET", "PUT", "POST", "DELETE"}, r.method) + 10*slices.Index([]string{"/api/v1/drain", "/api/v1/upgrade"}, r.path)
		}
		return order(a) - order(b)
	})
	for _, r := range all {
		token := full
		if r.role == "look" {
			token = look
		}
		status, text := r.tries(t, remote, "", with(token, "Host", "hub.example")...)
		if !slices.Contains(r.statuses, fmt.Sprint(status)) || slices.Contains([]int{400, 401, 403, 421, 429}, status) && r.path != "/api/v1/trace" {
			t.Errorf("%s %s with its token: %d %.200s", r.method, r.path, status, text)
		}
	}
	if log := g.log.String(); strings.Contains(log, fullToken) || strings.Contains(log, lookToken) || strings.Contains(log, otherToken) {
		t.Error("there are tokens in the log")
	}
}

// An operator elsewhere has moip ctl, and the token in a file or in the environment. One
// that is taken out of the gateway's file is worth nothing, from a reload on.
func TestAccessByToken(t *testing.T) {
	t.Parallel()
	g, dir := guarded(t)
	at := abroad(t, g)
	ctl := func(environment, want string, args ...string) {
		t.Helper()
		command := exec.Command(program, append([]string{"ctl", "--admin", at}, args...)...)
		command.Dir, command.Env = dir, append(os.Environ(), environment)
		if out, err := command.CombinedOutput(); !strings.Contains(string(out), want) || (err == nil) != (want == "running") {
			t.Errorf("%.20s moip ctl %v: %v, %s, want %s", environment, args, err, out, want)
		}
	}
	ctl("", "this needs a token (with moip ctl --token-file FILE", "state")
	ctl("", "running", "--token-file", "full.token", "state")
	ctl("", "running", "--token-file", "look.token", "state")
	ctl("MOIP_ADMIN_TOKEN_FILE=full.token", "running", "state")
	ctl("MOIP_ADMIN_TOKEN="+lookToken, "running", "state")
	ctl("MOIP_ADMIN_TOKEN="+lookToken, "who has this token may only look", "log-level", "info")
	ctl("MOIP_ADMIN_TOKEN="+otherToken, "this token is not known here", "state")
	ctl("MOIP_ADMIN_TOKEN=short", "MOIP_ADMIN_TOKEN: a token has 16 to 512 characters", "state")
	ctl("", "moip.toml:1: a token has no characters but", "--token-file", "moip.toml", "state")

	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte(fullToken), 0o600); err != nil {
		t.Fatal(err)
	}
	follower := exec.Command(program, "ctl", "--admin", at, "--token-file", "mine", "events")
	follower.Dir = dir
	var events log
	follower.Stdout, follower.Stderr = &events, &events
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		follower.Wait()
		close(over)
	}()
	t.Cleanup(func() { follower.Process.Kill(); <-over })
	for late := time.Now().Add(patience); !strings.Contains(events.String(), "began"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("who follows is told nothing")
		}
		calls(t, g.doors["tcp"], "127.0.0.1").conn.Close()
	}

	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "full.token"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("short\n")
	ctl("", "full.token:1: a token has 16 to 512 characters", "--token-file", "mine", "reload")
	ctl("", "running", "--token-file", "mine", "state")
	write(otherToken + "\n")
	ctl("", "running", "--token-file", "mine", "state")
	reload := exec.Command(program, "ctl", "--admin", at, "--token-file", "mine", "reload")
	reload.Dir = dir
	if out, err := reload.CombinedOutput(); err != nil {
		t.Errorf("moip ctl reload: %v, %s", err, out)
	}
	ctl("", "this token is not known here", "--token-file", "mine", "state")
	ctl("", "running", "--token-file", "full.token", "state")
	select { // it comes back, and is refused
	case <-over:
		if !strings.Contains(events.String(), "this token is not known here") {
			t.Errorf("who follows is told %s", &events)
		}
	case <-time.After(patience):
		t.Error("who follows events by the old token still does")
	}
}

// A gateway that is told to be reached from elsewhere by anybody, is not.
func TestAccessRefusesToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"admin = ':0'": "from there operators need a token",
		"admin = '0.0.0.0:0'\nadmin_token_file = 'token'":                     "has no TLS",
		"admin = '0.0.0.0:0'\nadmin_plain = true\nadmin_token_file = 'token'": "admin_token_file: token:1: a token has 16 to 512 characters",
		"admin = '0.0.0.0:0'\nadmin_plain = true\nadmin_token_file = 'none'":  "admin_token_file: stat none: no such file",
	} {
		text += "\nlisten = ['tcp://127.0.0.1:0']"
		if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--config", "moip.toml"}, {"check-config", "moip.toml"}} {
			command := exec.Command(program, args...)
			command.Dir = dir
			if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: moip %s: %v, %s, want %s", text, args, err, out, want)
			}
		}
	}
}

// logsIn has the console given a token.
func (d *desk) logsIn(token string) {
	d.Helper()
	d.so(`window.login?.open`)
	d.does(chromedp.SendKeys("#login input", token+kb.Enter))
}

// An operator logs in to the console, in a real browser, and out.
func TestConsoleLogin(t *testing.T) {
	t.Parallel()
	g, dir := guarded(t)
	calls(t, g.doors["tcp"], "127.0.0.1")
	d := attends(t, g.doors["admin"], "401 (Unauthorized)", "ERR_")
	d.presses(kb.Escape)
	d.logsIn(otherToken)
	d.reads("#login", "this token is not known here")
	value[string](d.tab, `document.querySelector("#login input").value = ""`)
	d.logsIn(lookToken)
	d.reads("#calls tbody", "127.0.0.1:")
	d.reads("#calls output", "1")
	if value[bool](d.tab, `[...document.querySelectorAll("#message-all, .does button, #ban, #reload")].some(e => e.checkVisibility())`) {
		t.Error("who may only look has buttons to order with")
	}
	d.press("#calls", "Watch call 1")
	d.reads("#watched", "Live.")
	d.press("#watch", "Close")
	if seen := value[string](d.tab, `document.cookie + Object.values(sessionStorage) + Object.values(localStorage)`); seen != "" {
		t.Errorf("scripts see %q", seen)
	}
	d.press("header", "Log out")
	d.logsIn(fullToken)
	d.reads("#calls tbody", "127.0.0.1:")
	d.press("#calls", "Message to all")
	d.fills("text", "Bonjour")
	d.press("#order", "Send")
	d.told("Callers told: 1.")
	calls(t, g.doors["tcp"], "127.0.0.1")
	d.reads("#events", "began") // events come by the session, too
	d.does(chromedp.Reload())
	d.reads("#calls tbody", "127.0.0.1:")
	for name, viewport := range map[string][2]int64{"login": {1280, 800}, "login-phone": {390, 844}} {
		d.does(chromedp.EmulateViewport(viewport[0], viewport[1]))
		d.fits(name, false)
	}

	// Another token, and the session is over.
	if err := os.WriteFile(filepath.Join(dir, "full.token"), []byte(otherToken), 0o600); err != nil {
		t.Fatal(err)
	}
	r := request{method: "POST", path: "/api/v1/reload"}
	if status, text := r.tries(t, g.doors["admin"], "", "Authorization", "Bearer "+fullToken); status != 200 {
		t.Fatal(status, text)
	}
	d.so(`window.login?.open`)
	d.saves("login.png")
	d.fits("login", false)
	d.logsIn(otherToken)
	d.reads("#calls tbody", "127.0.0.1:")
}

// Pages elsewhere that the operator's browser shows reach nothing, whether they ask for
// the gateway, or for a name of their own that leads to it.
func TestConsoleStrangers(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")
	admin := g.doors["admin"]
	_, port, _ := net.SplitHostPort(admin)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<title>Gagnez un Minitel</title><link rel=icon href="data:,">`)
	}))
	defer stranger.Close()
	_, own, _ := net.SplitHostPort(stranger.Listener.Addr().String())

	// Names that end in localhost lead to the loopback, in this browser and most.
	for _, page := range []string{"http://localhost:" + own, "http://127.0.0.1:" + own, "http://evil.localhost:" + own} {
		tab := opens(t, page, "ERR_", "403", "421", "CORS", "another machine: http://evil.localhost")
		value[bool](tab, fmt.Sprintf(`(async root => {
			const got = [], heard = (what, yes) => { if (yes) got.push(what); };
			for (const [method, path] of [["GET", "/calls"], ["GET", "/state"], ["POST", "/calls/1/recall"], ["DELETE", "/calls/1"], ["POST", "/calls/message"]]) {
				for (const mode of ["cors", "no-cors"]) {
					try {
						const w = await fetch(root + "/api/v1" + path, { method, mode, credentials: "include", body: method === "POST" ? '{"text":"PIRATE"}' : undefined });
						heard(method + path, (await w.text()) || w.status);
					} catch {}
				}
			}
			for (const make of [
				() => Object.assign(new Image(), { src: root + "/api/v1/calls/1/screen?as=png" }),
				() => Object.assign(document.createElement("script"), { src: root + "/console/main.js" }),
				() => new EventSource(root + "/api/v1/events"),
				() => new EventSource(root + "/api/v1/trace?of=1"),
			]) {
				heard(String(make), await new Promise(done => {
					const e = make();
					e.onload = e.onopen = () => done(true);
					e.onerror = () => done(false);
					if (e instanceof HTMLElement) document.head.append(e);
				}));
			}
			window.got = got.join();
		})("http://%s"), true`, admin))
		tab.until("all tries", func() bool { return value[bool](tab, `"got" in window`) })
		if got := value[string](tab, `window.got`); got != "" {
			t.Errorf("a page of %s gets %s", page, got)
		}
	}
	rebound := opens(t, "http://evil.localhost:"+port+"/", "421", "another machine: http://evil.localhost")
	if text := value[string](rebound, `document.body.innerText`); !strings.Contains(text, "is not known to be this machine") {
		t.Errorf("a name of theirs shows %s", text)
	}
	value[bool](rebound, `fetch("/api/v1/calls").then(w => w.text()).then(text => { window.told = text; }), true`)
	rebound.until("what it is told", func() bool { return value[bool](rebound, `"told" in window`) })
	if text := value[string](rebound, `window.told`); !strings.Contains(text, "is not known to be this machine") {
		t.Errorf("a page of that name is told %s", text)
	}
	guest.until("no message", func(screen string) bool { return !strings.Contains(screen, "PIRATE") })
	metrics := fetch(t, "http://"+admin+"/metrics")
	if !strings.Contains(metrics, `moip_calls{state="at portal",transport="telnet"} 1`) || !strings.Contains(metrics, `moip_admin_refusals_total{reason="site"} `) {
		t.Errorf("the metrics are\n%s", metrics)
	}
}
