//go:build linux

package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func init() {
	refusals = append(refusals, refusal{ // it needs some 8 MiB, and is refused beyond three quarters
		reason: "memory", transport: "tcp", env: "GOMEMLIMIT=10MiB", told: "Toutes les lignes sont occupées.", provoke: func(t *testing.T, g *gateway) string {
			return toldAt(t, g.doors["tcp"], "127.0.0.2", "")
		}})
}

// pageOfMuch is more than a call and the sockets take for a caller who does not read.
var pageOfMuch = bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz....\n"), 4000)

// Where memory is bounded, callers are refused before it is exhausted. Those who are in, of
// whom each has as much waiting as may wait, get all of it and go on; when they have left,
// others come in. bench/faults/memory runs it.
func TestMemory(t *testing.T) {
	t.Parallel()
	withoutRace(t)
	g, op := startsWith(t, "GOMEMLIMIT=32MiB")
	callers := crush(t, g)
	t.Logf("%d callers are let in, with %d MiB resident", len(callers), residentOf(t, g)>>20)
	if err := g.log.hear("memory is wanting"); err != nil {
		t.Error(err)
	}
	op.does(line("limits"), " of 24, by GOMEMLIMIT\n", "  memory\n")
	served(t, callers)
	for _, conn := range callers {
		conn.Close()
	}
	if err := g.log.hear("memory is enough again"); err != nil {
		t.Error(err)
	}
	again(t, g)
	if !g.running() {
		t.Fatal("it has ended")
	}
}

// withoutRace skips a test of little memory under the race detector, which has a need of its
// own, and a collector so slow that callers give up.
func withoutRace(t *testing.T) {
	t.Helper()
	if !*plain {
		t.Skip("it needs a program without the race detector: -plain, as bench/faults/memory has it")
	}
}

// So it is in a control group, where the kernel would kill: what sockets take counts, too.
// bench/faults/memory runs it.
func TestMemoryOfGroup(t *testing.T) {
	t.Parallel()
	withoutRace(t)
	const most = 80 << 20
	group := groupOf(t, most)
	g, op := startsWith(t, "MOIP=memory", "sh", "-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, group)
	callers := crush(t, g)
	t.Logf("in %d MiB %d callers are let in, with %d MiB resident", most>>20, len(callers), residentOf(t, g)>>20)
	op.does(line("limits"), ", by cgroup\n", "  memory\n")
	served(t, callers)
	for _, conn := range callers {
		conn.Close()
	}
	again(t, g)
	if !g.running() {
		t.Fatal("the kernel has killed it")
	}
}

// groupOf makes a control group with so much memory, in bytes, and returns its folder.
func groupOf(t *testing.T, most int) string {
	t.Helper()
	for limit, root := range map[string]string{"memory.max": "/sys/fs/cgroup", "memory.limit_in_bytes": "/sys/fs/cgroup/memory"} {
		group := filepath.Join(root, fmt.Sprintf("moip-test-%d", os.Getpid()))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(group) })
		file, err := os.OpenFile(filepath.Join(group, limit), os.O_WRONLY, 0) // which is there, if that is a group
		if err != nil {
			continue
		}
		_, err = fmt.Fprint(file, most)
		if errors.Join(err, file.Close()) == nil {
			return group
		}
	}
	t.Skip("no control group can be made here that bounds memory (root can, where the hierarchy is mounted)")
	return ""
}

// startsWith starts a gateway with something in its environment, before a portal that
// sends much at once, and then what it gets.
func startsWith(t *testing.T, env string, command ...string) (*gateway, operator) {
	t.Helper()
	portal := serves(t, func(c net.Conn) {
		c.Write(pageOfMuch)
		io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) // without a pipe of the kernel's
	})
	dir := t.TempDir()
	text := "listen = ['tcp://127.0.0.1:0']\nlink = 'none'\nportal.url = 'tcp://" + portal +
		"'\nbans.file = 'none'\nshield = { mode = 'off', file = 'none' }\nlimits = { new_calls = 0, stall = '5m' }\n"
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return startsBy(t, append([]string{"env", env}, command...), dir, "--config", "moip.toml", "--admin", "127.0.0.1:0", asFileSays)
}

// crush calls until somebody is refused, and reads nothing but the first byte. A caller
// waits 50 ms before a door, so there are many at a time.
func crush(t *testing.T, g *gateway) (in []net.Conn) {
	t.Helper()
	var dialling sync.WaitGroup
	var mu sync.Mutex
	full := false
	for range 16 {
		dialling.Go(func() {
			for range 400 {
				conn, err := net.Dial("tcp", g.doors["tcp"])
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { conn.Close() })
				conn.SetDeadline(time.Now().Add(2 * patience))
				first := make([]byte, 1)
				if _, err := io.ReadFull(conn, first); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				isIn := first[0] == pageOfMuch[0]
				if isIn {
					in = append(in, conn)
				}
				full = full || !isIn
				stop := full
				mu.Unlock()
				if !isIn {
					rest, err := io.ReadAll(conn)
					if text := shownAs(t, "outes les lignes sont occupées."); !strings.HasPrefix(string(rest), text) {
						t.Errorf("who is refused is told %q, %v", rest, err)
					}
				}
				if stop {
					return
				}
			}
		})
	}
	dialling.Wait()
	if !full {
		t.Fatalf("%d callers are let in", len(in))
	}
	return in
}

// served has each of a crowd read all that it has not, and press keys that come back.
func served(t *testing.T, crowd []net.Conn) {
	t.Helper()
	var reading sync.WaitGroup
	defer reading.Wait()
	for i, conn := range crowd {
		reading.Go(func() {
			conn.SetDeadline(time.Now().Add(10 * patience))
			rest := make([]byte, len(pageOfMuch)-1)
			if _, err := io.ReadFull(conn, rest); err != nil || !bytes.Equal(rest, pageOfMuch[1:]) {
				t.Errorf("caller %d does not get its page: %v", i, err)
				return
			}
			keys := fmt.Appendf(nil, "caller %d", i)
			conn.Write(keys)
			back := make([]byte, len(keys))
			if _, err := io.ReadFull(conn, back); err != nil || !bytes.Equal(back, keys) {
				t.Errorf("caller %d does not get its keys: %q, %v", i, back, err)
			}
		})
	}
}

// again calls until somebody is let in.
func again(t *testing.T, g *gateway) {
	t.Helper()
	for late := time.Now().Add(3 * patience); ; time.Sleep(200 * time.Millisecond) {
		conn, err := net.Dial("tcp", g.doors["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		first := make([]byte, 1)
		io.ReadFull(conn, first)
		conn.Close()
		if first[0] == pageOfMuch[0] {
			return
		}
		if time.Now().After(late) {
			t.Fatal("nobody is let in any more")
		}
	}
}

// residentOf returns the memory of the gateway that is in the machine's, in bytes.
func residentOf(t *testing.T, g *gateway) (n int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n << 10
}
