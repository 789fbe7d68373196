package memory

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moip/internal/testkit/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree makes files, by their paths.
func tree(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// The tightest group counts, of both versions, and what the kernel would give back does not.
func TestGroup(t *testing.T) {
	for name, test := range map[string]struct {
		files      map[string]string
		most, used int64 // 0 for no group
	}{
		"none":      {files: map[string]string{}},
		"unlimited": {files: map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}},
		"version 2": {files: map[string]string{
			"proc/self/cgroup": "0::/system.slice/moip.service\n",
			"sys/fs/cgroup/system.slice/moip.service/memory.max":     "max\n",
			"sys/fs/cgroup/system.slice/moip.service/memory.current": "10\n",
			"sys/fs/cgroup/system.slice/memory.max":                  "1000\n",
			"sys/fs/cgroup/system.slice/memory.current":              "500\n",
			"sys/fs/cgroup/system.slice/memory.stat":                 "anon 300\ninactive_file 100\nactive_file 70\nslab_reclaimable 20\nslab 30\n",
		}, most: 1000, used: 380},
		"in a container": {files: map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "300\n", "sys/fs/cgroup/memory.current": "50\n", "sys/fs/cgroup/memory.stat": "inactive_file 60\n",
		}, most: 300},
		"a path of the host's": {files: map[string]string{
			"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/memory.max": "300\n", "sys/fs/cgroup/memory.current": "50\n", "sys/fs/cgroup/memory.stat": "",
		}, most: 300, used: 50},
		"version 1": {files: map[string]string{
			"proc/self/cgroup":                             "5:devices:/\n4:cpu,memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4096\n",
			"sys/fs/cgroup/memory/a/memory.usage_in_bytes": "2048\n",
			"sys/fs/cgroup/memory/a/memory.stat":           "inactive_file 1\ntotal_inactive_file 48\n",
		}, most: 4096, used: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			g := findGroup(tree(t, test.files))
			if g == nil || test.most == 0 {
				if g != nil || test.most != 0 {
					t.Fatalf("found is %+v", g)
				}
				return
			}
			used, err := g.used()
			if g.most != test.most || used != test.used || err != nil {
				t.Errorf("of %d, %d are used, %v", g.most, used, err)
			}
		})
	}
}

func TestMachine(t *testing.T) {
	if n := machine(tree(t, map[string]string{"proc/meminfo": "MemTotal:       24683160 kB\nMemFree: 1 kB\n"})); n != 24683160<<10 {
		t.Errorf("the machine has %d", n)
	}
	if n := machine(t.TempDir()); n != 0 {
		t.Errorf("an unknown machine has %d", n)
	}
}

// Little garbage is left for longer than as much as is in use, unless the operator has said
// when to collect it.
func TestLeisure(t *testing.T) {
	before := debug.SetGCPercent(always)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "100")
	if Open(slog.New(slog.DiscardHandler)); debug.SetGCPercent(always) != always {
		t.Error("GOGC is not heeded")
	}
	g := &Gauge{percent: always}
	for _, c := range []struct{ live, want int64 }{
		{0, 400}, {1 << 20, 400}, {8 << 20, 200}, {8<<20 + 1000, 200}, {15 << 20, 106}, {16 << 20, 100}, {1 << 40, 100}, {4 << 20, 400},
	} {
		g.pace(c.live)
		got := debug.SetGCPercent(always)
		debug.SetGCPercent(got)
		if int64(got) != c.want {
			t.Errorf("with %d bytes in use: %d %%, not %d", c.live, got, c.want)
		}
	}
}

// What is in use counts, garbage does not, and the log tells of both ends.
func TestGauge(t *testing.T) {
	var log logtest.Log
	g := &Gauge{enough: true, log: log.Logger(), by: "GOMEMLIMIT"}
	runtime.GC()
	needed, _, _ := ofGo()
	g.soft = (needed + 32<<20) / 3 * 4
	if !g.Enough() {
		t.Fatalf("there is not enough at first: %+v", g.usage)
	}
	for range 64 {
		_ = bytes.Clone(make([]byte, 1<<20)) // garbage
	}
	time.Sleep(lookTime)
	if !g.Enough() {
		t.Errorf("garbage is counted: %+v", g.usage)
	}
	kept := make([]byte, 48<<20)
	runtime.GC()
	time.Sleep(lookTime)
	if g.Enough() {
		t.Errorf("what is in use is not counted: %+v", g.usage)
	}
	runtime.KeepAlive(kept)
	kept = nil
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	for ctx.Err() == nil && !g.Enough() {
		time.Sleep(lookTime)
	}
	cancel()
	<-done
	if strings.Count(log.String(), "\n") != 2 || !log.Has("memory is wanting") || !log.Has("memory is enough again") {
		t.Errorf("the log says\n%s", &log)
	}
	var none *Gauge
	if !none.Enough() || none.Usage() != (Usage{}) {
		t.Error("no gauge has a limit")
	}
}
