package test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moip/internal/control/admin"
	"moip/internal/testkit/freeport"
	"moip/videotex"
)

// A repeater is a service that sends back what it is sent.
func repeater(t *testing.T) (url string) {
	t.Helper()
	return "tcp://" + serves(t, func(c net.Conn) {
		p := make([]byte, 512)
		for {
			n, err := c.Read(p)
			if _, failed := c.Write(p[:n]); err != nil || failed != nil {
				return
			}
		}
	})
}

// ports returns addresses of ports that are free.
func ports(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		all = append(all, freeport.Addr(t))
	}
	return all
}

// A crowd are callers who type numbered keys, and are to get each back, once and in
// order, for as long as they are there.
type crowd struct {
	t       *testing.T
	stop    chan struct{}
	there   sync.WaitGroup
	callers atomic.Int64
	keys    atomic.Int64 // that came back
}

// gather has n callers arrive, and waits until keys of each have come back. They type
// before what leads them to a repeater.
func gather(t *testing.T, address, before string, n int) *crowd {
	t.Helper()
	return gatherBy(t, func() (net.Conn, error) { return net.DialTimeout("tcp", address, 4*patience) }, before, n)
}

// gatherBy is gather of callers who come as dial has it.
func gatherBy(t *testing.T, dial func() (net.Conn, error), before string, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, stop: make(chan struct{})}
	var ready sync.WaitGroup
	slots := make(chan struct{}, 100) // who arrive at a time
	for range n {
		ready.Add(1)
		slots <- struct{}{}
		c.there.Go(func() {
			begun := sync.OnceFunc(func() { ready.Done(); <-slots })
			defer begun()
			c.call(dial, before, begun)
		})
	}
	ready.Wait()
	return c
}

func (c *crowd) call(dial func() (net.Conn, error), before string, begun func()) {
	conn, err := dial()
	if err != nil {
		c.t.Error(err)
		return
	}
	defer conn.Close()
	c.callers.Add(1)
	io.WriteString(conn, before)
	screen := reader{from: conn}
	for n := 0; ; n++ {
		key := fmt.Sprintf("<%06d>", n)
		if n == 0 {
			key = fmt.Sprintf("{%06d>", n) // after pages, which may have anything but this
		}
		conn.SetDeadline(time.Now().Add(10 * patience))
		io.WriteString(conn, key)
		if err := screen.expects(key, n == 0); err != nil {
			c.t.Errorf("caller %v, key %d: %v", conn.LocalAddr(), n, err)
			return
		}
		begun()
		c.keys.Add(1)
		select {
		case <-c.stop:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// A reader reads the characters that come outside of row 00.
type reader struct {
	from   io.Reader
	parser videotex.Parser
	text   string // read, and not yet asked for

	skipped string // before what was asked for the latest time
	ignored string // wherever it comes, unless that is empty
}

// expects reads what is wanted; the first time, something else may be before it.
func (r *reader) expects(want string, first bool) error {
	p := make([]byte, 4096)
	for {
		if r.ignored != "" {
			r.text = strings.ReplaceAll(r.text, r.ignored, "")
		}
		at := strings.Index(r.text, want)
		switch {
		case at == 0, at > 0 && first:
			r.skipped, r.text = r.text[:at], r.text[at+len(want):]
			return nil
		case len(r.text) >= len(want) && !first:
			return fmt.Errorf("%q, not %q", r.text, want)
		}
		n, err := r.from.Read(p)
		if err != nil {
			return fmt.Errorf("%w after %q, not %q", err, r.text, want)
		}
		for _, b := range p[:n] {
			if s := r.parser.Step(b); len(s) == 1 && s[0] >= ' ' && !r.parser.Row0() {
				r.text += string(s)
			}
		}
	}
}

// leave ends the calls.
func (c *crowd) leave() {
	close(c.stop)
	c.there.Wait()
}

// A turn is what one reload finds: settings that are good, or something that is not.
type turn struct {
	settings map[string]string
	bad      string // what the error says
}

// file returns the text of a configuration.
func (c turn) file(always string) string {
	tables := map[string]string{}
	for key, value := range c.settings {
		table, name, ok := strings.Cut(key, ".")
		if !ok {
			table, name = "", key
		}
		tables[table] += name + " = " + value + "\n"
	}
	text := always + tables[""]
	for table, lines := range tables {
		if table != "" {
			text += "[" + table + "]\n" + lines
		}
	}
	return text
}

// Calls under way notice nothing of a configuration that is changed a hundred times in
// all that can be changed, and is wrong as often in between: no key is lost, none
// cut, nobody who comes is refused. What is wrong changes nothing.
func TestReload(t *testing.T) {
	repeats := repeater(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"un.toml": "", "deux.toml": "",
		"bad.toml": "[[service]]\ncode = \"\"\n",
	} {
		text += "[[service]]\ncode = \"REPETE\"\ntitle = \"répète\"\nurl = \"" + repeats + "\"\nprobe = \"none\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pages1", "pages2"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	free := ports(t, 5)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	always := "log = \"none\"\nrecords = \"none\"\nadmin = \"127.0.0.1:0\"\n"

	pick := func(i int, values ...string) string { return values[i%len(values)] }
	common := func(i int, door string) map[string]string {
		return map[string]string{
			"listen": pick(i,
				fmt.Sprintf(`["tcp://%s"]`, door),
				fmt.Sprintf(`["tcp://%s", "ws://%s"]`, door, free[2]),
				fmt.Sprintf(`["ws://%s", "tcp://%s?record=asked", "telnet://%s"]`, free[2], door, free[3])),
			"log_level":            pick(i, `"info"`, `"debug"`, `"warn"`),
			"limits.idle":          pick(i, `"5m"`, `"0"`, `"6m"`),
			"limits.visit":         pick(i, `"1h"`, `"0"`, `"30m"`),
			"limits.call":          pick(i, `"2h"`, `"1h"`, `"0"`),
			"limits.dial":          pick(i, `"10s"`, `"30s"`),
			"limits.wait":          pick(i, `"5m"`, `"1m"`),
			"limits.stall":         pick(i, `"60s"`, `"30s"`, `"30s"`, `"30s"`),
			"limits.drain":         pick(i, `"5s"`, `"4s"`),
			"limits.ping":          pick(i, `"20s"`, `"20s"`, `"20s"`, `"30s"`),
			"recordings.folder":    `"kept"`,
			"recordings.calls":     pick(i, `"asked"`, `"asked"`, `"asked"`, `"none"`),
			"recordings.keys":      pick(i, `"shown"`, `"all"`, `"none"`),
			"recordings.keep":      pick(i, `"720h"`, `"2h"`),
			"recordings.file_size": pick(i, `16`, `17`),
			"recordings.size":      pick(i, `1024`, `0`),
			"bans.file":            `"none"`,
			"bans.never":           pick(i, `["127.0.0.0/8"]`, `[]`),
			"shield.mode":          pick(i, `"on"`, `"observe"`, `"off"`),
			"shield.ban_at":        pick(i, `100`, `1000`),
		}
	}
	wrongs := []turn{
		{map[string]string{"listen": fmt.Sprintf(`["tcp://%s"]`, taken.Addr())}, "address already in use"},
		{map[string]string{"limits.idle": `"5ms"`}, "limits.idle: 5ms is out of range"},
		{map[string]string{"limits.idel": `"5m"`}, "unknown key"},
		{map[string]string{"log_level": `loud`}, "(write text in quotes)"},
		{map[string]string{"pages": `"nowhere"`}, "pages: "},
		{map[string]string{"directory": `"bad.toml"`}, "code"},
	}
	inside := func(i int) turn {
		if i%2 == 1 {
			c := turn{common(i, free[0]), ""}
			maps.Copy(c.settings, wrongs[i/2%len(wrongs)].settings)
			c.bad = wrongs[i/2%len(wrongs)].bad
			return c
		}
		i /= 2
		c := turn{settings: common(i, free[0])}
		c.settings["directory"] = pick(i, `"un.toml"`, `"deux.toml"`)
		c.settings["pages"] = pick(i, `"pages1"`, `"pages2"`)
		c.settings["portal.record"] = fmt.Sprint(i == 20) // which begins a recording of each call
		return c
	}
	outside := func(i int) turn {
		if i%2 == 1 {
			wrong := wrongs[i/2%4]
			c := turn{common(i, free[1]), wrong.bad}
			maps.Copy(c.settings, wrong.settings)
			return c
		}
		i /= 2
		c := turn{settings: common(i, free[1])}
		c.settings["link"] = `"none"`
		c.settings["listen"] = strings.NewReplacer(free[2], free[4], free[3], free[2]).Replace(c.settings["listen"])
		maps.Copy(c.settings, map[string]string{
			"portal.url": pick(i, `"`+repeats+`"`, `"`+strings.Replace(repeats, "127.0.0.1", "localhost", 1)+`"`),
			"portal.fin": pick(i, `"49"`, `"59"`), "portal.dial_timeout": pick(i, `"5s"`, `"9s"`), "portal.ping": pick(i, `"0"`, `"10s"`),
			"portal.subprotocols": pick(i, `[]`, `["tty"]`), "portal.frames": pick(i, `"auto"`, `"text"`), "portal.origin": pick(i, `""`, `"http://x"`),
			"portal.case": pick(i, `"typed"`, `"upper"`), "portal.start": pick(i, `""`, `"hello"`), "portal.echo": pick(i, "false", "false", "true"),
			"portal.real_ip": `"none"`, "portal.speed": pick(i, "0", "9600"),
		})
		for _, only := range []string{"portal.frames", "portal.origin", "portal.subprotocols", "portal.ping"} {
			delete(c.settings, only) // for WebSockets
		}
		return c
	}
	t.Run("inside", func(t *testing.T) { reloads(t, dir, "a.toml", always, free[0], "REPETE\x13A", inside) })
	t.Run("outside", func(t *testing.T) { reloads(t, dir, "b.toml", always, free[1], "", outside) })
}

// reloads has 1,000 callers at a gateway whose configuration changes in 100 turns.
func reloads(t *testing.T, dir, name, always, door, before string, turns func(int) turn) {
	path := filepath.Join(dir, name)
	write := func(c turn) {
		t.Helper()
		if err := os.WriteFile(path, []byte(c.file(always)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(turns(0))
	g := runsIn(t, dir, "--config", name, "--admin", "127.0.0.1:0", asFileSays)
	callers := gather(t, door, before, 1000)
	client := admin.NewClient(g.doors["admin"])
	settings := func() (s admin.Settings) {
		t.Helper()
		if err := client.Do(context.Background(), "GET", "/config", nil, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	stop := make(chan struct{})
	var arriving sync.WaitGroup
	arriving.Go(func() { arrive(t, door, stop) })
	began := time.Now()
	changed := map[string]bool{}
	for i := 1; i <= 100 && !t.Failed(); i++ {
		c, was := turns(i), settings()
		write(c)
		var told admin.Reloaded
		err := client.Do(context.Background(), "POST", "/reload", nil, &told)
		is := settings()
		switch {
		case c.bad == "" && err != nil:
			t.Errorf("turn %d: %v", i, err)
		case c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)):
			t.Errorf("turn %d: %v, not %s", i, err, c.bad)
		case c.bad != "" && !reflect.DeepEqual(was, is):
			t.Errorf("turn %d: what is wrong has changed something:\n%v\n%v", i, was, is)
		case c.bad == "" && len(told.Left) > 0:
			t.Errorf("turn %d: left %v", i, told.Left)
		}
		for key, value := range is.Settings {
			if !reflect.DeepEqual(value, was.Settings[key]) {
				changed[key] = true
			}
		}
	}
	took := time.Since(began)
	close(stop)
	arriving.Wait()
	var calls admin.Calls
	if err := client.Do(context.Background(), "GET", "/calls", nil, &calls); err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, c := range calls.Calls {
		if c.State != "over" {
			there++
		}
	}
	if there < int(callers.callers.Load()) {
		t.Errorf("%d calls are left of %d", there, callers.callers.Load())
	}
	callers.leave()
	t.Logf("%d callers, %d keys, all of which came back; 100 reloads in %v, keys changed: %d", callers.callers.Load(), callers.keys.Load(), took.Round(time.Millisecond), len(changed))
	if len(changed) < 15 && !t.Failed() {
		t.Errorf("changed: %v", changed)
	}
}

// arrive has one caller come after the other, each of whom is to be answered.
func arrive(t *testing.T, door string, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
		}
		conn, err := net.DialTimeout("tcp", door, 4*patience)
		if err != nil {
			t.Errorf("caller %d is refused: %v", n, err)
			return
		}
		conn.SetDeadline(time.Now().Add(10 * patience))
		io.WriteString(conn, "x")
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Errorf("caller %d is not answered: %v", n, err)
		}
		conn.Close()
	}
}
