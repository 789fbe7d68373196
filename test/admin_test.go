package test

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"moip/videotex"
)

// arrives calls a gateway by telnet.
func arrives(t *testing.T, g *gateway) *guest {
	t.Helper()
	conn, err := net.Dial("tcp", g.doors["telnet"])
	if err != nil {
		t.Fatal(err)
	}
	guest := &guest{t: t, conn: conn, screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
	guest.screen.Indicate('C')
	var reading sync.WaitGroup
	reading.Go(guest.read)
	t.Cleanup(func() { conn.Close(); reading.Wait() })
	return guest
}

// An operator has a caller in hand, by moip ctl.
func TestAdmin(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--recordings", "kept")
	guest := arrives(t, g)
	conn := guest.conn
	guest.sees("Passerelle en liaison")

	ctl := func(failing string, args ...string) string {
		t.Helper()
		out, err := exec.Command(program, append([]string{"ctl", "--admin", g.doors["admin"]}, args...)...).CombinedOutput()
		if failing == "" && err != nil || failing != "" && (err == nil || !strings.Contains(string(out), failing)) {
			t.Errorf("moip ctl %v: %v, %s", args, err, out)
		}
		return string(out)
	}
	says := func(want string, args ...string) {
		t.Helper()
		if out := ctl("", args...); !strings.Contains(out, want) {
			t.Errorf("moip ctl %v says\n%s, without %q", args, out, want)
		}
	}
	follower := exec.Command(program, "ctl", "--admin", g.doors["admin"], "events")
	var events log
	follower.Stdout, follower.Stderr = &events, &events
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follower.Process.Kill(); follower.Wait() })
	says(conn.LocalAddr().String()+"  telnet  ", "calls")
	says("portal", "calls")
	says("portal", "calls", "--from", "127.0.0.0/8", "--by", "telnet", "--state", "at portal")
	if out := ctl("", "calls", "--service", "MIRE"); strings.Contains(out, "telnet") {
		t.Errorf("at MIRE is\n%s", out)
	}
	ctl("is neither an address nor a network", "calls", "--from", "nowhere")
	says("Minitel sur IP", "screen", "1")
	ctl("no such call", "screen", "99")
	says(`"transport": "telnet"`, "--json", "calls")
	says("from      "+conn.LocalAddr().String()+" by telnet", "call", "1")
	ctl("", "message", "1", "Bonjour", "à vous")
	guest.sees("Bonjour à vous")
	says("told: 1", "message", "all", "Fermeture à minuit")
	guest.sees("Fermeture à minuit")
	ctl("", "message", "all")
	ctl("", "redirect", "1", "echo")
	guest.sees("ECHO")
	says("ECHO", "calls")
	ctl("call is already redirected", "redirect", "1", "MIRE")
	ctl("", "recall", "1")
	guest.sees("Retour au portail")
	guest.types("AB<Annulation>")
	guest.until("three keys", func(string) bool { return strings.Contains(ctl("", "call", "1"), "keys      3") })
	ctl("", "record", "1")
	guest.sees("ENR")
	says("recorded", "calls")
	ctl("", "record", "1", "--off")
	guest.until("no badge", func(screen string) bool { return !strings.Contains(screen, "ENR") })
	ctl("no such call", "call", "99")
	ctl("NOWHERE\" is no service of the directory, and no URL", "redirect", "1", "NOWHERE")
	ctl("the scheme is \"gopher\"", "redirect", "1", "gopher://localhost:70")
	ctl("the message takes 40 columns of row 00, which has 33", "message", "1", strings.Repeat("x", 40))
	ctl("neither the number of a call nor all", "message", "every", "x")
	says("ECHO", "directory")
	says(`"state": "`, "--json", "directory")
	ctl("this gateway has none", "link")
	says("debug", "log-level")
	ctl("", "log-level", "warn")
	says("warn", "log-level")
	ctl("\"loud\" is no level", "log-level", "loud")
	ctl("", "log-level", "debug")
	ctl("", "hangup", "1")
	guest.sees("Fin de la communication")
	guest.until("the end", func(string) bool { return guest.over })
	ctl("no such call", "hangup", "1")
	says("CALL", "calls")
	hears(t, &events, "call 1  redirected  ECHO", "call 1  returned  ECHO  recalled", "call 1  ended  recalled")
	metrics := fetch(t, "http://"+g.doors["admin"]+"/metrics")
	for _, want := range []string{
		`moip_calls_total{transport="telnet"} 1`, `moip_calls_ended_total{reason="recalled"} 1`,
		`moip_visits_ended_total{reason="recalled"} 1`, `moip_call_seconds_count 1`, `moip_bytes_total{direction="out"} `,
		`moip_calls_recorded 0`, "moip_ready 1", `moip_info{version="`, "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
	if err := follower.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := follower.Wait(); err != nil {
		t.Errorf("moip ctl events: %v", err)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	w, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Who is not the operator gets nowhere: pages of the web that the operator looks at,
// and names that lead here.
func TestAdminRefuses(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	root := "http://" + g.doors["admin"]
	for _, test := range []struct {
		method, path, body string
		header             http.Header
		host               string
		status             int
	}{
		{"GET", "/api/v1/calls", "", nil, "", http.StatusOK},
		{"GET", "/api/v1/calls", "", nil, "localhost:8999", http.StatusOK},
		{"GET", "/api/v1/openapi.json", "", nil, "", http.StatusOK},
		{"GET", "/healthz", "", nil, "", http.StatusOK},
		{"GET", "/api/v1/calls", "", nil, "minitel.example", http.StatusMisdirectedRequest},
		{"GET", "/api/v1/calls", "", nil, "127.0.0.1.example:8999", http.StatusMisdirectedRequest},
		{"POST", "/api/v1/calls/message", `{"text":"x"}`, http.Header{"Origin": {"https://minitel.example"}}, "", http.StatusForbidden},
		{"POST", "/api/v1/calls/message", `{"text":"x"}`, http.Header{"Sec-Fetch-Site": {"cross-site"}}, "", http.StatusForbidden},
		{"DELETE", "/api/v1/calls/1", "", http.Header{"Origin": {"null"}}, "", http.StatusForbidden},
		{"POST", "/api/v1/calls/message", `{"text":"x"}`, nil, "", http.StatusOK},
		{"POST", "/api/v1/calls/message", `{"txt":"x"}`, nil, "", http.StatusBadRequest},
		{"POST", "/api/v1/calls/message", `{`, nil, "", http.StatusBadRequest},
		{"POST", "/api/v1/calls/message", `{"text":"` + strings.Repeat("x", 1<<20) + `"}`, nil, "", http.StatusBadRequest},
		{"GET", "/api/v1/calls/one", "", nil, "", http.StatusBadRequest},
		{"GET", "/api/v1/calls/1", "", nil, "", http.StatusNotFound},
		{"PUT", "/api/v1/calls/1/recording", `{"on":true}`, nil, "", http.StatusNotFound},
		{"PUT", "/api/v1/calls", "", nil, "", http.StatusMethodNotAllowed},
		{"GET", "/api/v2/calls", "", nil, "", http.StatusNotFound},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, root+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.header != nil {
			r.Header = test.header
		}
		r.Host = test.host
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		if w.StatusCode != test.status {
			t.Errorf("%s %s %.40s %v %s: %s", test.method, test.path, test.body, test.header, test.host, w.Status)
		}
	}
}
