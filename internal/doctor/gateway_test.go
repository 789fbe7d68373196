package doctor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/creack/pty"

	"moip/internal/config"
	"moip/internal/control/admin"
	"moip/internal/control/pymoip"
	"moip/internal/emulator"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/testkit/freeport"
)

// quiet returns the options of a gateway that wants nothing but free ports, with a
// directory of its own.
func quiet(t *testing.T) Options {
	t.Helper()
	folder := t.TempDir()
	cfg := config.Default()
	cfg.Listen = []string{"ws://127.0.0.1:0", "telnet://127.0.0.1:0"}
	cfg.Log, cfg.Records, cfg.Admin = "none", "none", "none"
	cfg.History.File, cfg.Bans.File = "none", "none"
	cfg.Directory = write(t, folder, "services.toml", "[[service]]\ncode = \"A\"\nurl = \"builtin:a\"\n")
	return Options{Config: cfg, Inside: []string{"a"}}
}

func write(t *testing.T, folder, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// taken returns an address at which this program listens and says nothing.
func takenAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// hangsUp returns an address that is taken, and where everybody is cut off.
func hangsUp(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); served.Wait() })
	return l.Addr().String()
}

func TestGatewayIsWell(t *testing.T) {
	o, folder := quiet(t), t.TempDir()
	o.File = "moip.toml"
	o.Config.Log, o.Config.Records = filepath.Join(folder, "server.log"), filepath.Join(folder, "visits.jsonl")
	o.Config.History.File, o.Config.Bans.File = filepath.Join(folder, "history.db"), filepath.Join(folder, "bans.json")
	o.Config.Recordings.Folder = filepath.Join(folder, "recordings", "of", "calls")
	o.Config.Recordings.Size = 1
	o.Config.History.File, o.Config.Bans.File = filepath.Join(folder, "history.db"), filepath.Join(folder, "bans.json")
	o.Cache = filepath.Join(folder, "cache")
	o.Config.Admin = freeport.Addr(t)
	o.Config.Pages = folder
	trusted, err := os.ReadFile(authority.file)
	if err != nil {
		t.Fatal(err)
	}
	o.Config.Portal.CA = write(t, t.TempDir(), "ca.pem", string(trusted))
	write(t, folder, "page.VDT", "page")
	write(t, folder, "visits.jsonl", "{}\n")
	hold(t, "gateway-well", Gateway(t.Context(), o))

	// It leaves no traces.
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestGatewayInTrouble(t *testing.T) {
	o, folder := quiet(t), t.TempDir()
	file := write(t, folder, "file", "no certificate")
	taken := takenAddress(t)
	o.LogAsked = true
	o.Config.Listen = []string{"telnet://" + taken, "ws://" + taken, "tcp://192.0.2.1:9000", "serial:///dev/ttyNONE7", "serial://" + file}
	o.Config.Admin = taken
	o.Config.Log, o.Config.Records = filepath.Join(folder, "none", "server.log"), folder
	o.Config.History.File, o.Config.Bans.File = folder, file
	o.Config.Recordings.Folder = filepath.Join(file, "recordings")
	o.Config.History.File, o.Config.Bans.File = folder, file
	o.Cache = file
	o.Config.Pages = filepath.Join(folder, "pages")
	o.Config.Portal.CA = file
	o.Config.Directory = write(t, folder, "services.toml", "[[service]]\ncode = \"A\"\nurl = \"builtin:a\"\n[[service]]\ncode = \"a\"\nurl = \"nonsense\"\n")
	hold(t, "gateway-trouble", Gateway(t.Context(), o))

	o = quiet(t)
	o.Config.Directory = filepath.Join(folder, "nowhere")
	o.Config.Log = filepath.Join(folder, "none", "server.log")
	o.Config.Pages = folder
	hold(t, "gateway-trouble-2", Gateway(t.Context(), o))
}

// A gateway that runs has its ports, and that is as it should be.
func TestGatewayRuns(t *testing.T) {
	web := httptest.NewServer(emulator.Handler())
	defer web.Close()
	board := switchboard.New(slog.New(slog.DiscardHandler))
	api := admin.NewServer(admin.Options{Board: board, Events: admin.NewEvents(), Metrics: admin.NewMetrics(board), Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); api.Serve(l) }()
	defer func() { api.Close(); <-done }()

	if !isEmulator(t.Context(), web.Listener.Addr().String()) {
		t.Error("our own page is not recognised")
	}
	if isEmulator(t.Context(), l.Addr().String()) {
		t.Error("the API is taken for our page")
	}
	o := quiet(t)
	o.Config.Admin = l.Addr().String()
	f := o.checkAdmin().look(t.Context())
	if f[0].Level != OK || !strings.HasSuffix(f[0].Found, "is had by a MoIP that runs; calls under way: 0") {
		t.Errorf("%+v", f)
	}
}

// The portal is called, but nothing is typed.
func TestPortal(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 10)
	play := func(page string, leaves bool) string {
		return "tcp://" + listen(t, func(c net.Conn) {
			io.WriteString(c, page)
			if !leaves {
				p, _ := io.ReadAll(c)
				heard <- string(p)
			}
		})
	}
	cert := httptest.NewUnstartedServer(&player{page: first})
	cert.Config.ErrorLog = discard
	cert.StartTLS()
	defer cert.Close()
	for _, test := range []struct {
		url   string
		level Level
		found string
	}{
		{play(first, false), OK, `shows "Bienvenue"`},
		{play("\x0c\x0e\x7f\x7f\x7f", false), OK, `shows a page of 5 bytes`},
		{play("", false), Warning, "shows nothing for 3s"},
		{play("", true), Problem, "hangs up: in good order"},
		{"ws://" + freeport.Addr(t), Problem, "connection refused"},
		{"wss" + strings.TrimPrefix(cert.URL, "https"), Problem, "nobody that is trusted"},
		{"replay:" + filepath.Join(t.TempDir(), "none.cast"), Problem, "none.cast"},
		{"ws://nobody:secret@" + freeport.Addr(t), Problem, "ws://127.0.0.1:"},
	} {
		o := quiet(t)
		o.Config.Portal.URL = test.url
		f := o.checkPortal().look(t.Context())
		if f[0].Level != test.level || !strings.Contains(f[0].Found, test.found) || strings.Contains(fmt.Sprint(f), "secret") {
			t.Errorf("%s: %+v", test.url, f)
		}
	}
	for range 3 {
		if p := <-heard; p != "" {
			t.Errorf("%q was typed", p)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	ours := pymoip.NewServer(pymoip.ServerOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); ours.Serve(l) }()
	defer func() { ours.Shutdown(context.Background()); <-done }()
	theirs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "Python/3.8 websockets/8.1")
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			conn.Read(context.Background())
		}
	}))
	defer theirs.Close()
	callers := serve(t, &player{page: first})
	for _, test := range []struct {
		url   string
		level Level
		found string
	}{
		{"ws://" + l.Addr().String(), OK, "takes it"},
		{"ws" + strings.TrimPrefix(theirs.URL, "http"), OK, "takes it, as PyMoIP does (Python/3.8 websockets/8.1)"},
		{callers, Problem, "it speaks or closes at once"},
		{"ws://a:secret@" + freeport.Addr(t), Problem, "connection refused"},
	} {
		o := quiet(t)
		o.Config.Portal.URL, o.Config.Link = "ws://localhost:1", test.url
		f := o.checkLink().look(t.Context())
		if f[0].Level != test.level || !strings.Contains(f[0].Found, test.found) || strings.Contains(fmt.Sprint(f), "secret") {
			t.Errorf("%s: %+v", test.url, f)
		}
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good.json":
			io.WriteString(w, `{"servers": [{"name": "up", "address": "ws://h/"}, {"name": "OTHER", "address": "ws://h/"}]}`)
		case "/odd.json":
			io.WriteString(w, `{"servers": [{"name": "UP", "address": "ws://h/"}, 7]}`)
		default:
			io.WriteString(w, "<html>")
		}
	}))
	defer web.Close()
	up := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	down := freeport.Addr(t)
	mute := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	o := quiet(t)
	o.Config.Directory = write(t, t.TempDir(), "services.toml", fmt.Sprintf(`
[[service]]
code = "INSIDE"
url = "builtin:a"
[[service]]
code = "UP"
url = "tcp://%s"
[[service]]
code = "DOWN"
url = "tcp://%s"
[[service]]
code = "MUTE"
ca = "none.pem"
url = "ws://%s"
[[service]]
code = "PEACE"
url = "tcp://%s"
probe = "none"
[[service]]
code = "FILM"
url = "replay:none.cast"
[[import]]
url = "%[5]s/good.json"
[[import]]
url = "%[5]s/odd.json"
[[import]]
url = "%[5]s/none.json"
[[import]]
file = "nowhere.json"
`, up, down, mute, down, web.URL))
	hold(t, "directory", Gateway(t.Context(), o))
}

// If nothing answers, it is not the services' fault.
func TestNothingAnswers(t *testing.T) {
	var text strings.Builder
	deaf := hangsUp(t)
	for i := range 60 {
		fmt.Fprintf(&text, "[[service]]\ncode = \"S%d\"\nurl = \"ws://%s/%d\"\n", i, deaf, i)
	}
	o := quiet(t)
	o.Config.Directory = write(t, t.TempDir(), "services.toml", text.String())
	if r := Gateway(t.Context(), o); r.Bad() || !strings.Contains(fmt.Sprint(r), "0 of 60 elsewhere answer") || len(r.Findings) > 15 {
		t.Errorf("%+v", r)
	}

	// If many do not, not all are told.
	fmt.Fprintf(&text, "[[service]]\ncode = \"UP\"\nurl = \"tcp://%s\"\n", takenAddress(t))
	o.Config.Directory = write(t, t.TempDir(), "services.toml", text.String())
	if r := Gateway(t.Context(), o); r.Bad() || !strings.Contains(fmt.Sprint(r), "as many more: 20") || len(r.Findings) > maxDown+15 {
		t.Errorf("%+v", r)
	}
}

func TestDescriptors(t *testing.T) {
	own, recorded := quiet(t), quiet(t)
	own.Config.Portal.URL = "ws://localhost:8765"
	recorded.Config.Recordings.Folder = "recordings"
	many := quiet(t)
	many.Config.Limits.MaxCalls = 1000
	for _, test := range []struct {
		o     Options
		limit int
		want  string
	}{
		{quiet(t), 1024, "ok 1024 files may be open: 420 calls fit, at 2 for each"},
		{quiet(t), 256, "warning 256 files may be open: 84 calls fit, at 2 for each"},
		{own, 1024, "ok 1024 files may be open: 280 calls fit, at 3 for each"},
		{recorded, 1024, "ok 1024 files may be open: 280 calls fit, at 3 for each"},
		{many, 1024, "warning limits.max_calls is 1000, and 1024 files may be open: 420 calls fit, at 2 for each"},
		{quiet(t), 20, "problem 20 files may be open: not one call fits, at 2 for each"},
		{quiet(t), 0, "ok the system has no limit of open files"},
	} {
		f := test.o.judgeDescriptors(test.limit)
		if got := fmt.Sprint(f.Level, " ", f.Found); got != test.want || f.Level != OK && f.Advice == "" {
			t.Errorf("%+v, want %s", f, test.want)
		}
	}
}

func TestClock(t *testing.T) {
	for year, want := range map[int]Level{1970: Problem, 2024: Problem, 2026: OK, 2500: Problem} {
		f := checkClock(time.Date(year, 2, 3, 4, 5, 6, 0, time.UTC)).look(t.Context())
		if f[0].Level != want || !strings.Contains(f[0].Found, fmt.Sprint(year)) {
			t.Errorf("%+v", f)
		}
	}
}

func TestSpace(t *testing.T) {
	folder := t.TempDir()
	if _, known := space(folder); !known {
		t.Fatal("unknown")
	}
	if f := checkRecordings(folder, 1<<60); f.Level != Warning || !strings.Contains(f.Found, "the disk has room for no more than") {
		t.Errorf("%+v", f)
	}
	if f := withSpace("log", "it can be written", folder, 1<<60); f.Level != Warning || !strings.Contains(f.Found, "little is free") {
		t.Errorf("%+v", f)
	}
	if err := canMake("/proc"); err == nil {
		t.Error("a file was made in /proc")
	}
	for n, want := range map[uint64]string{1 << 10: "1 KB", 5 << 20: "5 MB", 3 << 29: "1.5 GB", 70 << 30: "70 GB"} {
		if got := amount(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSerial(t *testing.T) {
	master, port, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer port.Close()
	if f := checkSerial(port.Name()); f.Level != OK {
		t.Errorf("%+v", f)
	}
}

// A check that never returns keeps nobody waiting for ever, and the others are told.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		stuck := func(context.Context) []Finding { <-hangs; return nil }
		began := time.Now()
		found := run(t.Context(), []check{{"disk", stuck}, always(good("a", "is\x1b good")), {"other disk", stuck}, always(good("b", "too"))}, time.Second)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		got := ""
		for _, f := range found {
			got += fmt.Sprintf("%s %s %s. ", f.Level, f.Of, f.Found)
		}
		const want = "problem disk nothing is known of it after 1s. ok a is  good. problem other disk nothing is known of it after 1s. ok b too. "
		if got != want {
			t.Errorf("%q", got)
		}
		close(hangs)
	})
}

// A dial of the portal's is given up in time.
func TestPortalDoesNotAnswer(t *testing.T) {
	t.Parallel()
	o := quiet(t)
	o.Config.Portal = config.Route{URL: "ws://" + takenAddress(t)}
	began := time.Now()
	f := o.checkPortal().look(t.Context())
	if took := time.Since(began); f[0].Level != Problem || !strings.Contains(f[0].Found, "no answer in time") || took > dialTime+10*time.Second {
		t.Errorf("%+v after %v", f, took)
	}
}

var _ session.Dial = new(handshakes).dial
