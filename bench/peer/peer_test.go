package peer

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/bench/load"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "-relay" { // as the program is run
		Relay(os.Args[2], os.Args[3])
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// Each peer serves callers with the configuration it is given, and says what it uses.
func TestPeers(t *testing.T) {
	moip := filepath.Join(t.TempDir(), "moip")
	if text, err := exec.Command("go", "build", "-o", moip, "moip/cmd/moip").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range All {
		t.Run(p.Name+" "+p.Path(), func(t *testing.T) {
			if missing := p.Missing(); missing != "" {
				t.Fatalf("it needs Debian's package %s: make test installs it, as root", missing)
			}
			at, err := FreeAddr()
			if err != nil {
				t.Fatal(err)
			}
			place := Place{Dir: t.TempDir(), MoIP: moip, At: at, Calls: 20}
			if !p.Inside {
				s, err := load.Serve(p.Service, false)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				place.Service = s.Addr()
			}
			process, err := p.Start(t.Context(), place)
			if err != nil {
				t.Fatal(err)
			}
			defer process.Stop()
			if p.Direct() {
				at = place.Service
			}
			c, err := load.New(load.Line{To: at, Speaks: p.Caller, Strange: p.Inside})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			before := process.Use()
			if err := c.Call(t.Context(), 20); err != nil {
				t.Fatal(err)
			}
			u := process.Use()
			if used := u.RSS > 0 && u.PSS > 0 && u.CPU > before.CPU && u.Switches > 0 && u.Files >= before.Files+20; used == p.Direct() {
				t.Errorf("it uses %+v, and %+v before there were calls", u, before)
			}
			if p.Inside {
				return
			}
			e, err := c.Type(t.Context(), 40, 200)
			if err != nil || e.Unanswered > 0 {
				t.Fatal(e, err)
			}
		})
	}
}

// A peer that does not come to be says why.
func TestStartFails(t *testing.T) {
	at, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	p := Peer{Name: "false", command: func(Peer, Place) (*exec.Cmd, error) { return exec.Command("sh", "-c", "echo no; exit 1"), nil }}
	if _, err := p.Start(t.Context(), Place{Dir: t.TempDir(), At: at}); err == nil || err.Error() != "false ended at once\nno\n" {
		t.Errorf("got %q", err)
	}
}

// What a process and its children use is seen while they do, and after.
func TestUse(t *testing.T) {
	cmd := exec.Command("bash", "-c", `
		exec 5</dev/null 6</dev/null
		(i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done)
		echo ready
		sleep 60 & wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(p.family()) < 2 && ctx.Err() == nil { // until there is the sleeper
		time.Sleep(time.Millisecond)
	}
	u := p.Use()
	if own := spent(p.pid); u.CPU < own+10*time.Millisecond {
		t.Errorf("%v of CPU, of which %v by the shell itself: its child, which is gone, is not counted", u.CPU, own)
	}
	if u.Files < 2*3+2 || u.RSS < 1000 || u.PSS < 50 || u.PSS > u.RSS || u.Switches < 2 {
		t.Errorf("two processes use %+v", u)
	}
	p.Stop()
	if left := p.family(); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	if gone := p.Use(); gone != (Usage{}) {
		t.Errorf("nobody uses %+v", gone)
	}
}

func TestField(t *testing.T) {
	const smaps = "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:                2048 kB\nPss:                1024 kB\nPss_Anon:            512 kB\n"
	for name, want := range map[string]float64{"\nRss:": 2048, "\nPss:": 1024, "\nPss_Anon:": 512, "\nPss_Shmem:": 0} {
		if got := field([]byte(smaps), name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}
