package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"moip/internal/bus/natstest"
	"moip/internal/control/admin"
)

// A follower reads events at one gateway or another, as a browser does.
type follower struct {
	t    *testing.T
	last string // where it is
	told []admin.Event
}

// reads reads the events that a gateway tells, until enough does.
func (r *follower) reads(g *gateway, enough func(all []admin.Event) bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "GET", "http://"+g.doors["admin"]+"/api/v1/events", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.last != "" {
		q.Header.Set("Last-Event-ID", r.last)
	}
	w, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer w.Body.Close()
	lines := bufio.NewScanner(w.Body)
	for !enough(r.told) || r.last == "" {
		if !lines.Scan() {
			r.t.Fatalf("the stream ends: %v; told %s\n%s", lines.Err(), happened(r.told), &g.log)
		}
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			r.last = id
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e admin.Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				r.t.Fatalf("%s: %v", data, err)
			}
			r.told = append(r.told, e)
		}
	}
}

// happened tells of the calls that began and ended at a gateway.
func happened(all []admin.Event, gateways ...string) string {
	var text []string
	for _, e := range all {
		if (len(gateways) == 0 || slices.Contains(gateways, e.Gateway)) && (e.Type == "began" || e.Type == "ended" || e.Type == "lost") {
			text = append(text, fmt.Sprintf("%s-%d %s", e.Gateway, e.Call, e.Type))
		}
	}
	return strings.Join(text, ", ")
}

// want returns what happened tells of calls one after the other.
func want(gateway string, first, last int) string {
	var text []string
	for i := first; i <= last; i++ {
		text = append(text, fmt.Sprintf("%s-%d began, %[1]s-%[2]d ended", gateway, i))
	}
	return strings.Join(text, ", ")
}

// ctlFollows returns what moip ctl events prints from now on.
func ctlFollows(t *testing.T, g *gateway, flags ...string) *log {
	t.Helper()
	follows := make(chan struct{}, 1)
	door := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: g.doors["admin"]}) },
		ModifyResponse: func(*http.Response) error { // it prints nothing before there is something
			select {
			case follows <- struct{}{}:
			default:
			}
			return nil
		},
	})
	t.Cleanup(door.Close)
	follower := exec.Command(program, append([]string{"ctl", "--admin", door.Listener.Addr().String(), "events"}, flags...)...)
	out := &log{}
	follower.Stdout, follower.Stderr = out, out
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follower.Process.Kill(); follower.Wait() })
	select {
	case <-follows:
	case <-time.After(patience):
		t.Fatal("nobody follows")
	}
	return out
}

// comesAndGoes calls a gateway, and hangs up when it has answered.
func comesAndGoes(t *testing.T, g *gateway) {
	t.Helper()
	conn, err := net.Dial("tcp", g.doors["telnet"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
}

// Who follows one gateway hears of the other's calls, goes on at the other, and is told of
// what happened while NATS was away: in order, and once. So is a portal, and even of what
// a gateway that was killed meanwhile had to tell.
func TestEventsOfHub(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, "")
	dirs := map[string]string{"paris": t.TempDir(), "lyon": t.TempDir()}
	opens := func(name string) *gateway {
		return runsIn(t, dirs[name], "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--node", name, "--cluster-url", server.URL)
	}
	paris, lyon := opens("paris"), opens("lyon")
	portal := eavesdrops(t, server.URL)
	defer http.DefaultClient.CloseIdleConnections()
	r := &follower{t: t}
	r.reads(paris, func([]admin.Event) bool { return true })
	call := func(g *gateway) {
		t.Helper()
		comesAndGoes(t, g)
		if err := g.log.hear("call ended"); err != nil { // or the next one may begin before it has
			t.Fatalf("%v\n%s", err, &g.log)
		}
	}

	call(lyon)
	call(lyon)
	call(paris)
	r.reads(paris, func(all []admin.Event) bool {
		return happened(all, "lyon") == want("lyon", 1, 2) && happened(all, "paris") == want("paris", 1, 1)
	})
	only := ctlFollows(t, paris, "--gateway", "lyon")
	call(lyon)
	call(paris)
	if err := only.hear("call lyon-3  ended"); err != nil || strings.Contains(only.String(), "paris") {
		t.Errorf("moip ctl events --gateway lyon: %v\n%s", err, only)
	}
	r.reads(lyon, func(all []admin.Event) bool {
		return happened(all, "lyon") == want("lyon", 1, 3) && happened(all, "paris") == want("paris", 1, 2)
	})

	server.Kill()
	file := filepath.Join(dirs["lyon"], "cluster.spool")
	for range 3 {
		call(lyon)
	}
	call(paris)
	r.reads(paris, func(all []admin.Event) bool { return happened(all, "paris") == want("paris", 1, 3) })
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if data, _ := os.ReadFile(file); strings.Count(string(data), `"ended"`) >= 3 {
			break
		}
		if time.Now().After(late) {
			data, _ := os.ReadFile(file)
			t.Fatalf("what happens is not kept: %s\n%s", data, &lyon.log)
		}
	}
	lyon.kill()
	lyon = opens("lyon")
	call(lyon)
	server.Start()
	old := func(all []admin.Event) (before, after []admin.Event) { // those of the gateway that was killed, and since
		var run string
		for _, e := range all {
			if e.Gateway != "lyon" {
				continue
			}
			this, _, _ := strings.Cut(e.ID, ".")
			if run == "" {
				run = this
			}
			if this == run {
				before = append(before, e)
			} else {
				after = append(after, e)
			}
		}
		return before, after
	}
	enough := func(all []admin.Event) bool {
		before, after := old(all)
		return happened(before) == want("lyon", 1, 6) && happened(after) == want("lyon", 1, 1) && happened(all, "paris") == want("paris", 1, 3)
	}
	r.reads(paris, enough)
	portal.hears(enough)
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(file); err != nil {
			break
		}
		if time.Now().After(late) {
			t.Fatal("the spool stays")
		}
	}
}

// An eavesdropper hears what is published, as a portal does, and leaves doubles aside.
type eavesdropper struct {
	t    *testing.T
	mu   sync.Mutex
	told []admin.Event
	ids  map[string]bool
}

func eavesdrops(t *testing.T, url string) *eavesdropper {
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	l := &eavesdropper{t: t, ids: map[string]bool{}}
	conn.Subscribe("moip.event.*", func(m *nats.Msg) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for line := range strings.Lines(string(m.Data)) {
			var e admin.Event
			if json.Unmarshal([]byte(line), &e) == nil && !l.ids[e.Gateway+e.ID] {
				l.ids[e.Gateway+e.ID] = true
				l.told = append(l.told, e)
			}
		}
	})
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *eavesdropper) hears(enough func([]admin.Event) bool) {
	l.t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		l.mu.Lock()
		told := slices.Clone(l.told)
		l.mu.Unlock()
		if enough(told) {
			return
		}
		if time.Now().After(late) {
			l.t.Fatalf("a portal hears %s", happened(told))
		}
	}
}
